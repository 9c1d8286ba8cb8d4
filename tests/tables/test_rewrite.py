"""Only the files that hold a key are written anew, and nothing else of them changes."""

import os
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.transaction import RemoveAction
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch.tables import parts, rewrite
from genre_batch.tables.rewrite import Action

ROWS = pa.schema([pa.field("track_id", pa.string(), nullable=False), pa.field("n", pa.int64()), pa.field("mark", pa.string())])


def make(place: Path, *files: list[str]) -> DeltaTable:
    table = DeltaTable.create(str(place), ROWS)
    actions = []
    for ids in files:
        rows = pa.table({"track_id": ids, "n": list(range(len(ids))), "mark": [None] * len(ids)}, schema=ROWS)
        actions.append(parts.added(parts.write(str(place), rows, "track_id"), "track_id"))
    table.create_write_transaction(actions, "append", ROWS)
    return DeltaTable(str(place))


def commit(place: Path, table: DeltaTable, actions: list[Action]) -> list[dict[str, object]]:
    table.create_write_transaction(actions, "append", ROWS)
    return [dict(row) for row in pl.read_delta(str(place)).sort("track_id", "n").to_dicts()]


def removed(actions: list[Action]) -> int:
    return sum(isinstance(action, RemoveAction) for action in actions)


def ids_of(number: int, first: int = 0) -> list[str]:
    return [f"catalog/{i:06}" for i in range(first, first + number)]


def test_only_files_that_may_hold_a_key_are_read(tmp_path: Path):
    """Shown by the others being gone."""
    table = make(tmp_path, *(ids_of(10, first) for first in range(0, 200, 10)))
    near = {part.path for part in parts.of(table, "track_id") if part.low in ("catalog/000030", "catalog/000170")}
    for name in os.listdir(tmp_path):
        if name.endswith(".parquet") and name not in near:
            os.remove(tmp_path / name)
    actions = rewrite.without(
        table, str(tmp_path), "track_id", {"catalog/000031", "catalog/000033", "catalog/000179", "x", "a"}
    )
    assert removed(actions) == 2
    assert {action.path for action in actions if isinstance(action, RemoveAction)} == near


def test_a_file_that_may_hold_a_key_but_does_not_stays(tmp_path: Path):
    table = make(tmp_path, ["a", "c"], ["b", "d"])
    actions = rewrite.without(table, str(tmp_path), "track_id", {"b", "bb"})
    assert removed(actions) == 1
    assert [row["track_id"] for row in commit(tmp_path, table, actions)] == ["a", "c", "d"]


def test_nothing_is_asked_for(tmp_path: Path):
    table = make(tmp_path, ["a"])
    assert rewrite.without(table, str(tmp_path), "track_id", set()) == []
    assert rewrite.without(table, str(tmp_path), "track_id", {"b"}) == []


def test_a_file_of_which_nothing_stays(tmp_path: Path):
    table = make(tmp_path, ["a", "a"], ["b"])
    actions = rewrite.without(table, str(tmp_path), "track_id", {"a"})
    assert (len(actions), removed(actions)) == (1, 1)
    assert [row["track_id"] for row in commit(tmp_path, table, actions)] == ["b"]


def test_a_large_file_falls_into_pieces_so_that_the_next_keys_touch_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rewrite, "PIECE_BYTES", 2000)
    table = make(tmp_path, ids_of(1000))
    first = rewrite.without(table, str(tmp_path), "track_id", set(ids_of(3)))
    found = commit(tmp_path, table, first)
    assert [row["track_id"] for row in found] == ids_of(997, 3)
    table = DeltaTable(str(tmp_path))
    pieces = parts.of(table, "track_id")
    assert len(pieces) > 4
    assert sum(piece.rows for piece in pieces) == 997
    assert all(piece.rows * 20 < 4 * 2000 for piece in pieces)
    second = rewrite.without(table, str(tmp_path), "track_id", set(ids_of(3, 3)))
    assert removed(second) == 1


def test_values_are_set_and_the_rest_stays(tmp_path: Path):
    table = make(tmp_path, ["a", "b"], ["c"], ["d"])
    actions = rewrite.with_values(table, str(tmp_path), "track_id", "mark", {"b": "x", "d": None, "e": "y"})
    assert removed(actions) == 2
    assert [(row["track_id"], row["n"], row["mark"]) for row in commit(tmp_path, table, actions)] == [
        ("a", 0, None),
        ("b", 1, "x"),
        ("c", 0, None),
        ("d", 0, None),
    ]


def test_files_that_deltalake_has_compacted_are_bounded_too(tmp_path: Path):
    """Its bounds are cut after 64 bytes."""
    long = [c * 70 + rest for c in "ab\U0010ffff" for rest in ("zz", "ü" * 9, "\U0010ffff" * 5 + "q")]
    table = make(tmp_path, *([each] for each in long))
    table.optimize.compact()
    assert len(parts.of(table, "track_id")) == 1
    actions = rewrite.without(table, str(tmp_path), "track_id", {max(long), min(long)})
    assert [row["track_id"] for row in commit(tmp_path, table, actions)] == sorted(long)[1:-1]


def test_a_written_file_is_as_a_part_of_a_worker(tmp_path: Path):
    table = make(tmp_path, ["a", "b"])
    (_, added) = rewrite.without(table, str(tmp_path), "track_id", {"b"})
    told = pq.ParquetFile(tmp_path / added.path)
    assert told.schema_arrow.equals(ROWS)
    assert told.metadata.row_group(0).column(0).compression == "ZSTD"


KEYS = st.lists(st.sampled_from([f"{c}{i}" for c in "abc" for i in range(6)]), max_size=8)


@settings(max_examples=40, deadline=None)
@given(
    files=st.lists(KEYS.filter(bool), max_size=5), gone=st.sets(st.sampled_from([f"{c}{i}" for c in "abcd" for i in range(6)]))
)
def test_what_stays_is_what_was_there_less_what_goes(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[str]], gone: set[str]
):
    place = tmp_path_factory.mktemp("table")
    table = make(place, *files)
    actions = rewrite.without(table, str(place), "track_id", gone)
    assert removed(actions) == sum(bool(gone & set(file)) for file in files)
    found = commit(place, table, actions) if actions else pl.read_delta(str(place)).sort("track_id", "n").to_dicts()
    assert [row["track_id"] for row in found] == sorted(each for file in files for each in file if each not in gone)
