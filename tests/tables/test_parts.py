"""Files of a table, and the bounds by which a reader skips them."""

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from genre_batch.tables import parts

ROWS = pa.schema([pa.field("track_id", pa.string(), nullable=False), pa.field("x", pa.int64())])


def rows(*track_ids: str) -> pa.Table:
    return pa.table({"track_id": list(track_ids), "x": list(range(len(track_ids)))}, schema=ROWS)


def bounds(*texts: str) -> tuple[str | None, str | None]:
    return parts.bounds(pa.chunked_array([list(texts)], pa.string()))


def test_bounds_of_short_texts_are_the_texts():
    assert bounds("b", "ü", "a", "B") == ("B", "ü")
    assert bounds("a") == ("a", "a")
    assert bounds("") == ("", "")
    assert bounds() == (None, None)


def test_bounds_of_long_texts_are_cut_and_still_bounds():
    assert bounds("a" * 300) == ("a" * 256, "a" * 255 + "b")
    assert bounds("a" * 256) == ("a" * 256, "a" * 256)
    assert bounds("a" * 255 + "\ud7ff" + "x") == ("a" * 255 + "\ud7ff", "a" * 255 + "\ue000")
    assert bounds("a" + "\U0010ffff" * 300) == ("a" + "\U0010ffff" * 255, "b")
    assert bounds("\U0010ffff" * 300) == ("\U0010ffff" * 256, None)


PIECES = st.sampled_from(["a", "z" * 200, "\ud7ff", "\U0010ffff", "\U0010ffff" * 100, "é", "音" * 120])


@given(st.lists(st.lists(PIECES, max_size=8).map("".join), min_size=1, max_size=5))
def test_no_text_is_out_of_its_bounds(texts: list[str]):
    low, high = bounds(*texts)
    assert low is not None
    assert low <= min(texts)
    assert high is None or max(texts) <= high
    assert len(low) <= 256 >= len(high or "")


def test_readers_are_told_what_is_in_a_file(tmp_path: Path):
    table = DeltaTable.create(str(tmp_path), ROWS)
    known, empty, long = (parts.write(str(tmp_path), part, "track_id") for part in (rows("b", "a"), rows(), rows("x" * 300)))
    table.create_write_transaction([parts.added(part, "track_id") for part in (known, empty, long)], "append", ROWS)
    found = {part.path: part for part in parts.of(DeltaTable(str(tmp_path)), "track_id")}
    assert found == {part.path: part for part in (known, empty, long)}
    assert (known.rows, known.low, known.high) == (2, "a", "b")
    assert (empty.rows, empty.low, empty.high) == (0, None, None)
    assert known.size == (tmp_path / known.path).stat().st_size
    # As Delta has it.
    assert json.loads(parts.added(known, "track_id").stats) == {
        "numRecords": 2,
        "nullCount": {"track_id": 0},
        "minValues": {"track_id": "a"},
        "maxValues": {"track_id": "b"},
    }


@pytest.mark.parametrize("checkpoint", [False, True])
def test_others_skip_by_the_bounds_and_find_all(tmp_path: Path, checkpoint: bool):
    table = DeltaTable.create(str(tmp_path), ROWS)
    ids = ["p/" + "x" * 300 + f"{i:02}" for i in range(30)] + [f"q{i:02}" for i in range(30)]
    files = [parts.write(str(tmp_path), rows(*ids[i : i + 3]), "track_id") for i in range(0, 60, 3)]
    table.create_write_transaction([parts.added(part, "track_id") for part in files], "append", ROWS)
    if checkpoint:
        DeltaTable(str(tmp_path)).create_checkpoint()
    frame = pl.scan_delta(str(tmp_path))
    for wanted in (ids[4], ids[44]):
        assert frame.filter(pl.col("track_id") == wanted).collect()["track_id"].to_list() == [wanted]
    assert frame.filter(pl.col("track_id") >= "q").collect().height == 30
    assert len(parts.of(DeltaTable(str(tmp_path)), "track_id")) == 20


def test_files_of_others_without_bounds(tmp_path: Path):
    table = DeltaTable.create(str(tmp_path), ROWS)
    part = parts.write(str(tmp_path), rows("a"), "track_id")
    bare = parts.added(part, "track_id")
    bare.stats = '{"numRecords": 1}'
    table.create_write_transaction([bare], "append", ROWS)
    assert parts.of(DeltaTable(str(tmp_path)), "track_id") == [parts.Part(part.path, part.size, 1, None, None)]
    assert parts.of(DeltaTable.create(str(tmp_path / "new"), ROWS), "track_id") == []
