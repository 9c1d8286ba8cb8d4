"""What a run has to do: the listing, less what the tables already hold for this very content and these very parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from genre_batch.choices import Redo
from genre_batch.tables import store
from genre_batch.tables.library import Library
from schemas import labels, rejects, shards
from schemas.rejects import Reason


@dataclass(frozen=True)
class Plan:
    """`todo` has the columns of schemas.inventory; listed = todo + unchanged."""

    todo: pa.Table
    listed: int
    unchanged: int


VERSION = ("track_id", "content_version")
LESSON = (*VERSION, "genre", "artist")
"""What a segment teaches: a corrected genre or artist makes it another."""


def for_labels(library: Library, tables: str, *, bundle_id: str, front_end: str, redo: Redo) -> Plan:
    """Tracks whose label or reject is of this content, bundle and front end are left out."""
    made_alike = f"bundle_id = '{bundle_id}' AND front_end = '{front_end}'"
    done = _held(tables, labels, VERSION, made_alike) if redo is not Redo.ALL else set()
    refused = _held(tables, rejects, VERSION, made_alike) if redo is Redo.NOTHING else set()
    return _plan(library, _new(library, VERSION, done) & _new(library, VERSION, refused))


def for_shards(library: Library, url: str, *, front_end: str, redo: Redo) -> Plan:
    """Tracks whose segments are of this content, genre, artist and front end are left out, and so are those rejected for
    this content, other than for want of a genre."""
    made_alike = f"front_end = '{front_end}'"
    done = _held(url, shards, LESSON, made_alike) if redo is not Redo.ALL else set()
    heard = f"{made_alike} AND reason <> '{Reason.NO_GENRE.value}'"
    refused = _held(url, rejects, VERSION, heard) if redo is Redo.NOTHING else set()
    return _plan(library, _new(library, LESSON, done) & _new(library, VERSION, refused))


def _held(url: str, contract: ModuleType, columns: Sequence[str], where: str) -> set[tuple[Any, ...]]:
    return _rows(store.read(url, contract.NAME, contract.ARROW, columns, where), columns)


def _new(library: Library, columns: Sequence[str], held: set[tuple[Any, ...]]) -> set[str]:
    """Track ids, the first of `columns`, of the listed rows that are not held."""
    return {row[0] for row in _rows(library.tracks, columns) - held}


def _rows(table: pa.Table, columns: Sequence[str]) -> set[tuple[Any, ...]]:
    return set(zip(*(table[column].to_pylist() for column in columns), strict=True))


def _plan(library: Library, new: set[str]) -> Plan:
    tracks = library.tracks
    todo = tracks.filter(pa.array([track_id in new for track_id in tracks["track_id"].to_pylist()], pa.bool_()))
    # Neighbours in a library are alike; spread by a hash, every part of the work and every file holds a bit of each genre.
    order = pa.array([store.checksum([track_id]) for track_id in todo["track_id"].to_pylist()], pa.uint64())
    todo = todo.take(pc.sort_indices(order))
    return Plan(todo, tracks.num_rows, tracks.num_rows - todo.num_rows)
