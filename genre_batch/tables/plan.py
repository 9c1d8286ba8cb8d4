"""What a run has to do: the listing, less what the tables already hold for this very content and these very parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import pyarrow as pa
import pyarrow.compute as pc

from genre_batch.choices import Redo
from genre_batch.tables import store
from genre_batch.tables.library import Library
from schemas import labels, rejects, shards


@dataclass(frozen=True)
class Plan:
    """`todo` has the columns of schemas.inventory; listed = todo + unchanged."""

    todo: pa.Table
    listed: int
    unchanged: int


def for_labels(library: Library, tables: str, *, bundle_id: str, front_end: str, redo: Redo) -> Plan:
    """Tracks whose label or reject is of this content, bundle and front end are left out."""
    made_alike = f"bundle_id = '{bundle_id}' AND front_end = '{front_end}'"
    done = [] if redo is Redo.ALL else [_versions(tables, labels, made_alike)]
    return _plan(library, done + _rejected(tables, made_alike, redo))


def for_shards(library: Library, url: str, *, front_end: str, redo: Redo) -> Plan:
    """Tracks whose segments or reject are of this content and front end are left out."""
    made_alike = f"front_end = '{front_end}'"
    done = [] if redo is Redo.ALL else [_versions(url, shards, made_alike)]
    return _plan(library, done + _rejected(url, made_alike, redo))


def _rejected(tables: str, made_alike: str, redo: Redo) -> list[pa.Table]:
    return [_versions(tables, rejects, made_alike)] if redo is Redo.NOTHING else []


def _versions(tables: str, contract: ModuleType, where: str) -> pa.Table:
    return store.read(tables, contract.NAME, contract.ARROW, ["track_id", "content_version"], where)


def _plan(library: Library, done: Sequence[pa.Table]) -> Plan:
    tracks = library.tracks
    held = {pair for table in done for pair in zip(*(table[c].to_pylist() for c in table.column_names), strict=True)}
    listed = zip(tracks["track_id"].to_pylist(), tracks["content_version"].to_pylist(), strict=True)
    todo = tracks.filter(pa.array([pair not in held for pair in listed], pa.bool_()))
    # Neighbours in a library are alike; spread by a hash, every part of the work and every file holds a bit of each genre.
    order = pa.array([store.checksum([track_id]) for track_id in todo["track_id"].to_pylist()], pa.uint64())
    todo = todo.take(pc.sort_indices(order))
    return Plan(todo, tracks.num_rows, tracks.num_rows - todo.num_rows)
