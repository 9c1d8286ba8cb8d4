"""Which stored objects may be recordings, by their names alone, and what a listing says of them."""

import mimetypes
import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genre_batch.choices import Layout
from genre_batch.errors import UsageError
from genre_batch.tables.s3_inventory import OBJECTS
from genre_batch.tables.storage import StoredObject
from schemas import inventory

ROWS = 2**16
"""Rows that are in memory at a time."""

# Without the machine's own tables, so that a library is listed alike everywhere.
_TYPES = mimetypes.MimeTypes()
_AUDIO = ("audio/", "video/", "application/ogg")
_COMPANIONS = frozenset(
    f".{ending}"
    for ending in (
        *("cue", "db", "ini", "license", "log", "lrc", "md", "md5", "nfo", "parquet", "pls", "rst", "sfv", "sha256"),
        *("toml", "url", "yaml", "yml"),
    )
)
"""What lies beside recordings and has no registered type."""
_ENDING = re.compile(r"\.(?=\d*[a-z])[a-z\d]{2,5}$", re.IGNORECASE)


def is_audio(name: str) -> bool:
    """By its ending: what is plainly something else is not tried; what cannot be told is, and hidden files are not."""
    name = name.rsplit("/", 1)[-1]
    stem, ending = os.path.splitext(name)
    if ending in _TYPES.encodings_map:
        ending = os.path.splitext(stem)[1] + ending
    return not name.startswith((".", "_")) and _may_be_audio(ending.lower())


@lru_cache(1024)
def _may_be_audio(ending: str) -> bool:
    if ending in _COMPANIONS:
        return False
    kind, _ = _TYPES.guess_type(f"name{ending}", strict=False)
    return kind is None or kind.startswith(_AUDIO)


def plain_name(track_id: str) -> str:
    """Without folder and ending: what a recording is called wherever it lies. An ending has a letter; that of blues.00000 has none."""
    return _ENDING.sub("", track_id.rsplit("/", 1)[-1])


def gathered(found: Iterator[StoredObject]) -> Iterator[pa.Table]:
    """Tables with the columns of OBJECTS. Raises UsageError for a name that no table can hold."""
    while some := list(islice(found, ROWS)):
        try:
            yield pa.table([[getattr(each, field.name) for each in some] for field in OBJECTS], schema=OBJECTS)
        except UnicodeEncodeError as error:
            raise UsageError(f"{error.object!r} is a name in no known encoding (it is not UTF-8): rename it") from error


def add(file: pq.ParquetWriter, found: Iterable[pa.Table], prefix: str, layout: Layout) -> int:
    """Write the recordings among stored objects under `prefix`; what is left of a URI is its track id. Returns how many are no audio."""
    begin, not_audio = len(prefix.rstrip("/")) + 1, 0
    for objects in found:
        names = [uri[begin:] for uri in objects["uri"].to_pylist()]
        audio = [is_audio(name) for name in names]
        not_audio += len(audio) - sum(audio)
        track_ids = [name for name, is_one in zip(names, audio, strict=True) if is_one]
        folders = [name.split("/", 1)[0] if "/" in name else None for name in track_ids]
        rows = objects.filter(pa.array(audio, pa.bool_()))
        rows = rows.append_column("track_id", pa.array(track_ids, pa.string()))
        rows = rows.append_column(
            "genre", pa.array(folders if layout is Layout.GENRE_FOLDERS else [None] * len(folders), pa.string())
        )
        file.write_table(with_versions(rows.append_column("artist", pa.nulls(rows.num_rows, pa.string()))))
    return not_audio


def with_versions(rows: pa.Table) -> pa.Table:
    """The columns of schemas.inventory; content_version is made of the others."""
    versions = rows["etag"]
    if versions.null_count:
        times = rows["modified_at"].cast(pa.int64()).to_pylist()
        made = [
            "missing" if size is None else f"{size}-{(us or 0) / 1e6:.6f}"
            for size, us in zip(rows["size"].to_pylist(), times, strict=True)
        ]
        versions = pc.coalesce(versions, pa.array(made, pa.string()))
    return rows.append_column("content_version", versions).select(inventory.ARROW.names).cast(inventory.ARROW)
