"""What a bundle already knows of shards: tracks that it was trained on or stopped by, and others by their artists."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from genre_batch.choices import Protocol
from genre_batch.cluster.segments import Shards
from genre_batch.errors import UsageError
from genre_batch.models import card
from genre_batch.splits import Part


def choose(shards: Shards, split: pa.Table, *, leave_out: bool, include_training: bool) -> tuple[set[str], dict[str, Any]]:
    """The tracks to judge a bundle on, and what its figures say of the choice.

    split: track_id, artist, part, as a bundle keeps it. Raises UsageError for shards with tracks of the training or validation part or
    artists of these, unless told to leave them out, or to include them and mark the figures; and where nothing is left.
    """
    everyone = set(shards.tracks["track_id"].to_pylist())
    track_ids, artists = _used(split)
    trained, shared = everyone & track_ids, set(shards.tracks["artist"].to_pylist()) & artists
    if (trained or shared) and not (leave_out or include_training):
        raise UsageError(
            f"{len(trained)} of the {len(everyone)} tracks of {shards.url} took part in training this bundle, and {len(shared)} of "
            "their artists did: --leave-out judges the other tracks, --include-training judges all and marks the result"
        )
    left = everyone - (known(shards.tracks, split) if leave_out else set())
    if not left:
        raise UsageError(
            f"every track of {shards.url} or its artist was used to train this bundle: nothing is left to judge, "
            "take other shards, or --folds to judge how it was made"
        )
    return left, {
        "includes_training_tracks": include_training and bool(trained or shared),
        "tracks_left_out": len(everyone - left),
        "shards": shards.url,
        "shards_version": shards.version,
    }


def known(tracks: pa.Table, split: pa.Table) -> set[str]:
    """Track ids of the training and validation parts, and of other tracks by their artists, save those that the split itself kept as test
    part: where it is one by track, an artist stands on both sides.

    tracks: track_id, artist; split: track_id, artist, part.
    """
    track_ids, artists = _used(split)
    held_out = set(split.filter(pc.equal(split["part"], Part.TEST.value))["track_id"].to_pylist())
    rows = tracks.select(["track_id", "artist"]).to_pylist()
    return {
        row["track_id"]
        for row in rows
        if row["track_id"] in track_ids or (row["artist"] in artists and row["track_id"] not in held_out)
    }


def told(tracks: pa.Table, split: pa.Table) -> str:
    """The model card's sentence on artists, for the tracks that were judged: track_id, artist."""
    track_ids, artists = _used(split)
    flattered = bool(set(tracks["track_id"].to_pylist()) & track_ids or set(tracks["artist"].to_pylist()) & artists)
    used = split.filter(pc.not_equal(split["part"], Part.TEST.value))
    both = pa.concat_tables([rows.select(["track_id", "artist"]) for rows in (used, tracks)])
    return card.heard(Protocol.TRACK if flattered else Protocol.ARTIST, both)


def _used(split: pa.Table) -> tuple[set[str], set[str]]:
    """Track ids and artists of the training and validation parts."""
    used = split.filter(pc.not_equal(split["part"], Part.TEST.value))
    return set(used["track_id"].to_pylist()), set(used["artist"].to_pylist()) - {None}
