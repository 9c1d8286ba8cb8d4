"""`evaluate`: what a bundle is worth on recordings it was not trained on."""

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from genre_batch.cluster import segments, session
from genre_batch.errors import UsageError
from genre_batch.evaluation import metrics, plots
from genre_batch.models import bundle as bundles
from genre_batch.models.bundle import Bundle
from genre_batch.splits import Part
from genre_batch.tables import storage


@dataclass(frozen=True)
class Evaluation:
    """`figures` is evaluation.json; `left_out` counts tracks that the bundle, or its training artists, already knew."""

    figures: dict[str, Any]
    left_out: int


def evaluate(*, bundle_url: str, shards_url: str, out: str, include_training: bool) -> Evaluation:
    """Score the tracks that took no part in training, and write evaluation.json and confusion.png to `out`.

    Tracks of the training and validation parts are left out, and so are other tracks by an artist of those parts, unless
    `include_training`; then the figures are marked as flattered. Raises JobError.
    """
    bundle = bundles.load(bundle_url)
    with session.session():
        shards = segments.open_shards(shards_url)
        if not shards.front_end.includes(bundle.front_end):
            raise UsageError(
                f"the shards at {shards.url} were built with front end {shards.front_end.digest}, the bundle needs "
                f"{bundle.front_end.digest} ({bundle.front_end.name})"
            )
        _refuse_other_genres(shards, bundle)
        known = set() if include_training else known_tracks(shards.tracks, bundle.split)
        chosen = set(shards.tracks["track_id"].to_pylist()) - known
        if not chosen:
            raise UsageError(
                f"every track of {shards.url} or its artist was used to train this bundle: nothing is left to judge"
            )
        scored = segments.score(shards, bundle.served, chosen)
    figures = metrics.evaluate(*segments.arrays(scored, bundle.taxonomy), bundle.taxonomy, bundle.calibration)
    figures |= {"bundle_id": bundle.bundle_id, "includes_training_tracks": include_training, "tracks_left_out": len(known)}
    title = f"{figures['n_tracks']} tracks, accuracy {figures['track_accuracy']:.3f}"
    picture = plots.confusion(
        figures["confusion"], bundle.taxonomy, title + (" (training included)" if include_training else "")
    )
    storage.write_bytes(storage.join(storage.normal(out), "evaluation.json"), json.dumps(figures, indent=2).encode())
    storage.write_bytes(storage.join(storage.normal(out), "confusion.png"), picture)
    return Evaluation(figures, len(known))


def known_tracks(tracks: pa.Table, split: pa.Table) -> set[str]:
    """Track ids of the training and validation parts, and of other tracks by their artists where the split kept artists apart.

    tracks: track_id, artist; split: track_id, artist, part, as a bundle keeps it.
    """
    used = split.filter(pc.not_equal(split["part"], Part.TEST.value))
    held_out = set(split.filter(pc.equal(split["part"], Part.TEST.value))["track_id"].to_pylist())
    track_ids, artists = set(used["track_id"].to_pylist()), set(used["artist"].to_pylist()) - {None}
    rows = tracks.select(["track_id", "artist"]).to_pylist()
    return {
        row["track_id"]
        for row in rows
        if row["track_id"] in track_ids or (row["artist"] in artists and row["track_id"] not in held_out)
    }


def _refuse_other_genres(shards: segments.Shards, bundle: Bundle) -> None:
    strangers = set(shards.tracks["genre"].to_pylist()) - set(bundle.taxonomy.genres)
    if strangers:
        raise UsageError(
            f"the bundle knows no {', '.join(sorted(strangers))}; it tells apart {', '.join(bundle.taxonomy.genres)}"
        )
