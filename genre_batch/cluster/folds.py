"""Cross-validation of a network: for each fold one is trained without it, on one core, and judges it. Several folds at a time.

A fold stores what it found as soon as it is done, under a name that says all that decided it, so that an interrupted run goes on.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import torch

from genre_batch import progress, splits
from genre_batch.choices import Protocol
from genre_batch.cluster import session, tally
from genre_batch.cluster.examples import Examples
from genre_batch.cluster.recordings import refuse_imported
from genre_batch.cluster.segments import Shards, columns_for
from genre_batch.cluster.waveforms import altered
from genre_batch.errors import JobError, UsageError
from genre_batch.evaluation.left_out import FOUND
from genre_batch.front_end import FrontEnd
from genre_batch.models import networks
from genre_batch.models.fit import Batch, Fitting
from genre_batch.models.network import Network
from genre_batch.models.recipe import Recipe
from genre_batch.models.state import State
from genre_batch.tables import storage
from schemas.descriptors import NAMES

MEMORY_SHARE = 0.25
"""Of the machine's memory, that the segments of all folds at work may take."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A network to cross-validate: all that decides what the folds find, besides the shards."""

    network: str
    recipe: Recipe
    seed: int
    n_folds: int = splits.FOLDS
    protocol: Protocol = Protocol.ARTIST

    def name(self, shards: Shards, fold: int, track_ids: list[str]) -> str:
        facts = [
            self.network,
            self.recipe.to_dict(),
            self.seed,
            self.n_folds,
            self.protocol,
            shards.facts,
            track_ids,
        ]
        return f"{self.network}-{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]}-{fold}"


def front_end_of(shards: Shards, network: str) -> FrontEnd:
    """What the network sees of the shards. Raises UsageError if they do not hold it."""
    kind, front_end = networks.kind(network), shards.front_end
    if not front_end.spectrograms:
        raise UsageError(
            f"the shards at {shards.url} hold no spectrograms: build others, or train a baseline with tune-baselines"
        )
    if "descriptors" not in kind.inputs:
        return dataclasses.replace(front_end, descriptors=None)
    if front_end.descriptors is None:
        raise UsageError(
            f"{network} looks at descriptors, and the shards at {shards.url} hold none: build others with --descriptors"
        )
    return front_end


@dataclass(frozen=True)
class Held:
    """One fold of a trial: the tracks it trains on, those it is judged on, and where what it finds is stored."""

    trial: Trial
    number: int
    train: list[str]
    test: list[str]
    uri: str


def planned(shards: Shards, trial: Trial, place: str) -> list[Held]:
    """All folds of a trial. Raises UsageError if its protocol cannot split the tracks, or the shards lack what its recipe alters."""
    refuse_imported(shards, trial.recipe)
    networks.refuse_crops(trial.network, shards.front_end.spectrogram_shape, trial.recipe)
    tracks = shards.tracks.sort_by("track_id")
    found = []
    for number, fold in enumerate(splits.folds(tracks, trial.protocol, seed=trial.seed, n=trial.n_folds)):
        train, test = (
            tracks["track_id"].take(part).to_pylist() for part in (np.concatenate([fold.train, fold.valid]), fold.test)
        )
        uri = storage.join(place, "folds", f"{trial.name(shards, number, test)}.parquet")
        found.append(Held(trial, number, train, test, uri))
    return found


def cross_validate(shards: Shards, trials: list[Trial], place: str, *, only: Collection[int] | None = None) -> list[pa.Table]:
    """What the folds of each trial found, rows as FOUND, by track and segment. Finished folds under `place` are not trained again.

    only: numbers of the folds to train; all if None. Raises UsageError if the protocol cannot split the tracks, or they do not fit into
    memory.
    """
    for trial in trials:
        front_end_of(shards, trial.network)
    refuse_large(shards)
    by_trial = [[held for held in planned(shards, trial, place) if only is None or held.number in only] for trial in trials]
    jobs = [held for each in by_trial for held in each]
    open_jobs = [held for held in jobs if not storage.exists(held.uri)]
    if 0 < len(open_jobs) < len(jobs):
        progress.say(f"going on: {len(jobs) - len(open_jobs)} of {len(jobs)} folds are finished")
    if open_jobs:
        _run(shards, open_jobs)
    order = [("track_id", "ascending"), ("segment", "ascending")]
    return [pa.concat_tables([stored(held.uri) for held in each]).sort_by(order) for each in by_trial]


def stored(uri: str) -> pa.Table:
    """What a fold found, rows as FOUND. Raises Missing."""
    return pq.read_table(pa.BufferReader(storage.read_needed(uri)))


def _run(shards: Shards, jobs: list[Held]) -> None:
    counted = ray.remote(num_cpus=0)(tally.Tally).remote()
    fit = ray.remote(num_cpus=1, max_retries=3)(_fold)
    shared = ray.put(shards)
    waiting = [fit.remote(shared, held, counted) for held in jobs]
    epochs = sum(held.trial.recipe.epochs for held in jobs)
    with progress.watching("cross-validation", epochs, lambda: tally.progress(counted)):
        while waiting:
            done, waiting = ray.wait(waiting)
            for answer in ray.get(done):
                if answer is not None:
                    for each in waiting:
                        ray.cancel(each, force=True)
                    raise answer


def _fold(shards: Shards, held: Held, counted: "ray.actor.ActorHandle") -> JobError | None:
    """Runs in a worker: one fold. A JobError is an answer, so that its sentence arrives whole."""
    try:
        train_fold(shards, held, lambda _: counted.add.remote(f"epochs of {held.trial.network}", 0.0))
    except JobError as error:
        return error
    return None


def train_fold(shards: Shards, held: Held, after: Callable[[State], None] = lambda state: None) -> None:
    """Train without the fold, on one core, let the network judge it, and store what it found; `after` is called after each epoch."""
    torch.set_num_threads(1)
    trial, front_end = held.trial, front_end_of(shards, held.trial.network)
    genres = shards.taxonomy.genres
    artists = dict(zip(shards.tracks["track_id"].to_pylist(), shards.tracks["artist"].to_pylist(), strict=True))
    columns = (*columns_for(front_end), *(("uri",) if trial.recipe.waveform else ()))
    rows = shards.read(held.train, columns)
    network = fit_in_memory(rows, front_end, genres, trial.network, trial.recipe, trial.seed + 101 * held.number, after)
    judged = shards.read(held.test, columns_for(front_end))
    logits = predict(network, Examples.of(judged, front_end, genres))
    names = judged["track_id"].to_pylist()
    found = pa.table(
        {
            "track_id": judged["track_id"],
            "genre": judged["genre"],
            "artist": pa.array([artists[name] for name in names], pa.string()),
            "segment": judged["segment"],
            "fold": pa.array([held.number] * len(names), pa.int32()),
            "logits": pa.array(logits.tolist(), pa.list_(pa.float32())),
        }
    ).cast(FOUND)
    buffer = pa.BufferOutputStream()
    pq.write_table(found, buffer, compression="zstd")
    storage.write_bytes(held.uri, buffer.getvalue().to_pybytes())


def fit_in_memory(
    rows: pa.Table,
    front_end: FrontEnd,
    genres: tuple[str, ...],
    name: str,
    recipe: Recipe,
    seed: int,
    after: Callable[[State], None] = lambda state: None,
) -> Network:
    """Train a network on all rows, on this process's threads; without a validation part, so to the last epoch."""
    torch.manual_seed(seed)
    network = networks.build(name, front_end.spectrogram_shape, len(genres)).to(memory_format=torch.channels_last)
    examples = Examples.of(rows, front_end, genres)
    # Each epoch has its own numbers, wherever training was taken up again.
    draw = partial(_draw, seed)

    def batches(epoch: int) -> Iterator[Batch]:
        mine = examples
        if recipe.waveform:
            mine = Examples.of(altered(rows, front_end, recipe.waveform, draw(epoch, 1)), front_end, genres)
        return mine.batches(recipe.batch_size, by_track=network.recurrent, rng=draw(epoch, 0))

    steps = examples.steps(recipe.batch_size, by_track=network.recurrent)
    fitting = Fitting(
        network=network, model=network, recipe=recipe, n_genres=len(genres), top_db=front_end.top_db, steps=steps, seed=seed
    )
    state = fitting.fit(None, batches, None, after)
    network.load_state_dict(state.best_weights)
    return network.eval()


@torch.no_grad()
def predict(network: Network, examples: Examples) -> npt.NDArray[np.float32]:
    """Logits of all segments, in order [shape=(n, n_genres)]."""
    size = 16 if network.recurrent else 64
    parts = examples.batches(size, by_track=network.recurrent, rng=None)
    return np.concatenate([network(part.spectrograms, part.descriptors, part.lengths).numpy() for part in parts])


def _draw(seed: int, epoch: int, stream: int) -> np.random.Generator:
    return np.random.default_rng((seed, epoch, stream))


def refuse_large(shards: Shards) -> None:
    """Raises UsageError if all segments, once for each core, do not fit into memory."""
    rows, columns = shards.front_end.spectrogram_shape
    segments = sum(shards.tracks["segments"].to_pylist())
    needed = session.cpus() * segments * (rows * columns + 8 * len(NAMES))
    if needed > MEMORY_SHARE * session.memory():
        raise UsageError(
            f"cross-validation holds all segments in memory for each core, {needed / 2**30:.0f} GiB of the shards at {shards.url}: "
            "train with one split (train-network without --folds), or on shards of fewer tracks"
        )
