"""Spectrograms as others publish them: what drew them, and pictures in genre folders, listed as a library is."""

import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import PurePosixPath

import pyarrow as pa

from genre_batch.errors import UsageError
from genre_batch.front_end import GTZAN_PUBLISHED, Descriptors, FrontEnd
from genre_batch.tables import library, storage
from genre_batch.tables.library import Library
from schemas import inventory

ARCHIVE, PICTURE = ".npz", ".png"


def front_end(segment_s: float, segment_hop_s: float, *, described: bool = False) -> FrontEnd:
    """What draws such spectrograms: the preset `gtzan-published`, with segments of another length under another name.

    Raises UsageError for segments shorter than the shortest track, or hops shorter than a column.
    """
    preset = GTZAN_PUBLISHED
    if not preset.min_track_s <= segment_s < math.inf:
        raise UsageError(f"--segment-s is {segment_s:g}: it must be at least {preset.min_track_s:g}")
    column_s = preset.hop_length / preset.sample_rate_hz
    if not column_s <= segment_hop_s < math.inf:
        raise UsageError(f"--segment-hop-s is {segment_hop_s:g}: it must be at least one column, {column_s:.3f} s")
    name = preset.name
    if (segment_s, segment_hop_s) != (preset.segment_s, preset.segment_hop_s):
        name += f"-{segment_s:g}s" + (f"-hop-{segment_hop_s:g}s" if segment_hop_s != segment_s else "")
    return dataclasses.replace(
        preset,
        name=name,
        segment_s=float(segment_s),
        segment_hop_s=float(segment_hop_s),
        descriptors=Descriptors() if described else None,
    )


def list_pictures(url: str) -> Library:
    """The pictures of a folder; the first folder is the genre. Raises UsageError if there are none, StoreUnreachable.

    track_id is the path without its ending, with the dot in names of GTZAN that its best known copy on the web leaves out:
    blues/blues00000.png is blues/blues.00000, as other tables know it.
    """
    rows, others = [], 0
    for found in storage.walk(url):
        path = PurePosixPath(found.uri[len(url) + 1 :])
        if path.suffix.lower() != PICTURE or path.name.startswith((".", "_")):
            others += 1
            continue
        genre = path.parts[0] if len(path.parts) > 1 else None
        version = found.etag or f"{found.size}-{found.modified_at.timestamp():.6f}"
        undotted = genre and re.fullmatch(rf"{re.escape(genre)}(\d{{5}})", path.stem)
        name = f"{genre}.{undotted[1]}" if undotted else path.stem
        row = {"track_id": str(path.with_name(name)), "genre": genre, "content_version": version}
        rows.append(row | dataclasses.asdict(found))
    if not rows:
        raise UsageError(f"{url} holds no spectrograms: give an .npz file, or a folder of genre folders with {PICTURE} files")
    refuse_doubles(url, [str(row["track_id"]) for row in rows])
    return Library(url, pa.Table.from_pylist(rows, inventory.ARROW), others)


def with_artists(listed: Library, url: str) -> Library:
    """The artists of `library.artists_of`; `track` is a track id or a name. Raises UsageError."""
    track_ids = listed.tracks["track_id"].to_pylist()
    found = library.artists_of(track_ids, url, name_of)
    return _with_column(listed, "artist", [found.get(each) for each in track_ids])


def versioned(listed: Library, version: Callable[[str], str]) -> Library:
    """Content versions that also change with what `version` says of a track id."""
    tracks = listed.tracks
    pairs = zip(tracks["track_id"].to_pylist(), tracks["content_version"].to_pylist(), strict=True)
    return _with_column(listed, "content_version", [f"{content}-{version(track_id)}" for track_id, content in pairs])


def name_of(track_id: str) -> str:
    """The name by which tables of artists and descriptors know a track."""
    return track_id.rsplit("/", 1)[-1]


def _with_column(listed: Library, name: str, values: list[str | None] | list[str]) -> Library:
    place = listed.tracks.schema.get_field_index(name)
    tracks = listed.tracks.set_column(place, inventory.ARROW.field(name), pa.array(values, pa.string()))
    return dataclasses.replace(listed, tracks=tracks)


def refuse_doubles(url: str, names: list[str]) -> None:
    """Raises UsageError for a name that stands twice, or is empty."""
    seen: set[str] = set()
    for name in names:
        if not name or name in seen:
            raise UsageError(f"{url}: the name {name!r} {'stands twice' if name else 'is empty'}; every track needs its own")
        seen.add(name)
