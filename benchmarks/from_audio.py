"""Does a bundle trained on published spectrograms hold for recordings? Each is judged by networks that have not heard its artist.

Every network of the bundle is trained anew without each fold of artists (no fold of a bundle is kept), and judges the fold's recordings:
by their published spectrograms, all of them and those of the seconds that the recording has, from audio, and from audio altered in ways
that must not change a label. Needs shards of published spectrograms and recordings of some of their tracks, which are not part of this
project. Some minutes for each network and core.
"""

import sys
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from benchmarks import report
from genre_batch import splits
from genre_batch.choices import Layout, Protocol
from genre_batch.cluster import folds, segments
from genre_batch.cluster.examples import Examples
from genre_batch.cluster.segments import Shards
from genre_batch.errors import TrackError
from genre_batch.evaluation import stability
from genre_batch.front_end import FrontEnd
from genre_batch.models import bundle as bundles
from genre_batch.models import calibrate, join
from genre_batch.models.recipe import Recipe
from genre_batch.signal.alter import ALTERATIONS
from genre_batch.signal.extract import extract
from genre_batch.tables import library, storage
from genre_batch.taxonomy import Taxonomy

AS_IT_IS = "from audio"
PUBLISHED = "published"
SAME_SECONDS = "published, same seconds"
POSITIONS = "positions"
"""Beside spectrograms by how they were heard: which segments the recording as it is has."""
PROCESSES = 2

Logits = npt.NDArray[np.float32]
Heard = dict[tuple[str, str], Logits]
"""Logits of each segment of a track, by how it was heard and its track id."""


@dataclass(frozen=True)
class Task:
    """One network without one fold of artists."""

    shards: Shards
    front_end: FrontEnd
    genres: tuple[str, ...]
    network: str
    recipe: Recipe
    seed: int
    train: list[str]
    test: list[str]
    features: str


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--shards", required=True, help="published spectrograms, as import-spectrograms makes them")
    options.add_argument("--recordings", required=True, help="folder with a folder of recordings for each genre")
    options.add_argument("--bundle", default="gtzan", help="whose networks are trained anew, default %(default)s")
    options.add_argument("--seed", type=int, default=0, help="added to the seed of each network and its folds")
    asked = options.parse_args()
    bundle = bundles.load(asked.bundle)
    if bundle.join and not bundle.join.even:
        sys.exit(f"{asked.bundle} weighs its networks, and here each counts the same: take a bundle joined by the mean")
    shards = segments.open_shards(asked.shards)
    members = [member | {"seed": member["seed"] + asked.seed} for member in bundle.facts["provenance"]["members"]]
    genres = Taxonomy.of(shards.tracks["genre"].to_pylist())
    recordings = {
        row["track_id"].rsplit("/", 1)[-1].rsplit(".", 1)[0]: row["uri"]
        for row in library.read(asked.recordings, Layout.GENRE_FOLDERS).tracks.to_pylist()
    }
    known = dict(zip(shards.tracks["track_id"].to_pylist(), shards.tracks["genre"].to_pylist(), strict=True))
    recordings = {track: uri for track, uri in recordings.items() if track in known}
    if not recordings:
        sys.exit(f"none of the recordings in {asked.recordings} is a track of {asked.shards}")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(PROCESSES) as pool:
        print(f"{len(recordings)} recordings, altered in {len(ALTERATIONS)} ways", file=sys.stderr)
        drawn = list(pool.map(partial(_features, front_end=bundle.front_end, folder=folder), recordings.items()))
        tasks = list(_tasks(shards, bundle.front_end, genres.genres, members, set(recordings), folder))
        print(f"{len(tasks)} networks to train; {sum(drawn)} recordings drawn", file=sys.stderr)
        heard = _joined(zip(tasks, pool.map(_judge, tasks), strict=True), members, len(genres))
    _report(heard, known, genres, asked.json)


def _features(recording: tuple[str, str], front_end: FrontEnd, folder: str) -> int:
    """Spectrograms of a recording and of its alterations, into one file; alterations that make it unusable are left out."""
    track, uri = recording
    data, found = storage.read_bytes(uri), {}
    for name, alter in {AS_IT_IS: bytes, **ALTERATIONS}.items():
        try:
            features = extract(alter(data), front_end)
        except TrackError:
            continue
        found[name] = features.spectrograms
        if name == AS_IT_IS:
            found[POSITIONS] = features.positions
    np.savez(Path(folder) / f"{track}.npz", **found)
    return 1


def _tasks(
    shards: Shards, front_end: FrontEnd, genres: tuple[str, ...], members: list[dict[str, Any]], wanted: set[str], folder: str
) -> Iterable[Task]:
    tracks = shards.tracks.sort_by("track_id")
    ids = np.array(tracks["track_id"].to_pylist())
    for member in members:
        for fold in splits.folds(tracks, Protocol.ARTIST, seed=member["seed"]):
            test = [track for track in ids[fold.test].tolist() if track in wanted]
            recipe = Recipe.from_dict(member["recipe"])
            if test:
                yield Task(
                    shards, front_end, genres, member["network"], recipe, member["seed"], ids[fold.train].tolist(), test, folder
                )


def _judge(task: Task) -> Heard:
    torch.set_num_threads(1)
    columns = segments.columns_for(task.front_end)
    rows = task.shards.read(task.train, columns)
    network = folds.fit_in_memory(rows, task.front_end, task.genres, task.network, task.recipe, task.seed)
    heard: Heard = {}
    for track in task.test:
        rows = task.shards.read([track], columns)
        heard[PUBLISHED, track] = folds.predict(network, Examples.of(rows, task.front_end, task.genres))
        with np.load(Path(task.features) / f"{track}.npz") as file:
            drawn = {name: file[name] for name in file.files}
        same = at(rows, drawn.pop(POSITIONS, np.empty(0, np.int32)))
        if same.num_rows:
            heard[SAME_SECONDS, track] = folds.predict(network, Examples.of(same, task.front_end, task.genres))
        for name, spectrograms in drawn.items():
            n = len(spectrograms)
            mine = Examples(spectrograms, None, np.zeros(n, np.int64), np.array([n]))
            heard[name, track] = folds.predict(network, mine)
    return heard


def at(rows: pa.Table, positions: npt.NDArray[np.int32]) -> pa.Table:
    """The published segments of a track, of `rows` in their order, that begin where a segment of its recording begins.

    positions: in segment hops. A recording that was cut has fewer segments than were published.
    """
    return rows.filter(pc.is_in(rows["segment"], pa.array(positions, pa.int32())))


def _joined(judged: Iterable[tuple[Task, Heard]], members: list[dict[str, Any]], n_genres: int) -> Heard:
    by_key: dict[tuple[str, str], list[Logits]] = {}
    for _, heard in judged:
        for key, logits in heard.items():
            by_key.setdefault(key, []).append(logits)
    together = join.mean(len(members), n_genres)
    return {key: together(list(logits)) for key, logits in by_key.items()}


def _report(heard: Heard, known: Mapping[str, str], genres: Taxonomy, to: Path | None) -> None:
    labels: dict[str, dict[str, str]] = {}
    sizes: dict[str, list[int]] = {}
    for (name, track), logits in heard.items():
        sizes.setdefault(name, []).append(len(logits))
        pooled = calibrate.pool(logits, np.zeros(len(logits), np.int64))[0]
        labels.setdefault(name, {})[track] = genres.genres[int(pooled.argmax())]
    rates = stability.flip_rates(labels[AS_IT_IS], {name: found for name, found in labels.items() if name != AS_IT_IS})
    rows = [
        {
            "heard": name,
            "tracks": len(found),
            "segments a track": float(np.mean(sizes[name])),
            "right": float(np.mean([known[track] == genre for track, genre in found.items()])),
            "other label than from audio": rates[name]["flip_rate"] if name in rates else 0.0,
        }
        for name, found in labels.items()
    ]
    report.show(f"{len(labels[AS_IT_IS])} recordings, each by networks that have not heard its artist", rows, to)


if __name__ == "__main__":
    main()
