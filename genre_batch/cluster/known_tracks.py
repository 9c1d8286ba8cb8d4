"""What a bundle already knows of shards: tracks that it was trained on or stopped by, and others by their artists."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from genre_batch.choices import Protocol
from genre_batch.cluster.segments import Shards
from genre_batch.errors import UsageError
from genre_batch.models import card
from genre_batch.splits import Part
from genre_batch.tables.recordings import plain_name

Row = dict[str, Any]


def choose(shards: Shards, split: pa.Table, *, leave_out: bool, include_training: bool) -> tuple[set[str], dict[str, Any]]:
    """The tracks to judge a bundle on, and what its figures say of the choice.

    split: track_id, genre, artist, part, as a bundle keeps it. Raises UsageError for shards with tracks of the training or validation part
    or artists of these, unless told to leave them out, or to include them and mark the figures; and where nothing is left.
    """
    everyone = set(shards.tracks["track_id"].to_pylist())
    trained, shared = _trained(shards.tracks, split), set(shards.tracks["artist"].to_pylist()) & _artists(split)
    if (trained or shared) and not (leave_out or include_training):
        renamed = next((f" ({here} as {there})" for here, there in sorted(trained.items()) if here != there), "")
        raise UsageError(
            f"{len(trained)} of the {len(everyone)} tracks of {shards.url} took part in training this bundle{renamed}, and {len(shared)} "
            "of their artists did: --leave-out judges the other tracks, --include-training judges all and marks the result"
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

    tracks: track_id, genre, artist; split: these and part.
    """
    artists, held = _artists(split), recognised(tracks, split).keys()
    by_artist = {row["track_id"] for row in tracks.select(["track_id", "artist"]).to_pylist() if row["artist"] in artists}
    return _trained(tracks, split).keys() | (by_artist - held)


def told(tracks: pa.Table, split: pa.Table, chosen: set[str]) -> str:
    """The model card's sentence on artists, where the tracks `chosen` were judged. tracks, split: as of `known`."""
    judged = tracks.filter(pc.is_in(tracks["track_id"], pa.array(sorted(chosen), pa.string())))
    flattered = bool(_trained(tracks, split).keys() & chosen or set(judged["artist"].to_pylist()) & _artists(split))
    both = pa.concat_tables([rows.select(["track_id", "artist"]) for rows in (_used(split), judged)])
    return card.heard(Protocol.TRACK if flattered else Protocol.ARTIST, both)


def recognised(tracks: pa.Table, split: pa.Table) -> dict[str, Row]:
    """Of each track that the split holds its row there, by track id, or by name: one recording is blues.00000 in an archive,
    blues/blues.00000 among pictures, and blues/blues.00000.wav in a library.

    A name counts only where it stands once here and once there, under one genre. Catalogs are full of 01.mp3, and one of those must not
    pass for another; what is missed so is a recording that lies twice in the shards, or whose genre was changed.
    """
    by_id = {row["track_id"]: row for row in split.to_pylist()}
    rows = tracks.select(["track_id", "genre"]).to_pylist()
    found = {row["track_id"]: by_id[row["track_id"]] for row in rows if row["track_id"] in by_id}
    named = _by_name(list(by_id.values()))
    for name, row in _by_name(rows).items():
        if name in named and named[name]["genre"] == row["genre"]:
            found.setdefault(row["track_id"], named[name])
    return found


def _by_name(rows: list[Row]) -> dict[str, Row]:
    """Those whose name is theirs alone."""
    names = [plain_name(row["track_id"]) for row in rows]
    times = Counter(names)
    return {name: row for name, row in zip(names, rows, strict=True) if times[name] == 1}


def _trained(tracks: pa.Table, split: pa.Table) -> dict[str, str]:
    """Tracks of the training and validation parts, and the ids of the same there."""
    held = recognised(tracks, split)
    return {track_id: row["track_id"] for track_id, row in held.items() if row["part"] != Part.TEST}


def _artists(split: pa.Table) -> set[str]:
    return set(_used(split)["artist"].to_pylist()) - {None}


def _used(split: pa.Table) -> pa.Table:
    """The training and validation parts."""
    return split.filter(pc.not_equal(split["part"], Part.TEST.value))
