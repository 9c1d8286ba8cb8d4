"""Commits: all of a run or nothing of it, one row a track, and nothing that breaks a promise."""

import subprocess
import sys
from hashlib import blake2b
from pathlib import Path
from types import ModuleType

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from genre_batch.errors import ContractViolated, StoreUnreachable, TablesHeld, UsageError
from genre_batch.tables import delta, storage, store
from genre_batch.tables.store import Receipt
from schemas import labels, rejects, runs, shards, trials
from tests.rows import WHEN, Row, label, reject, run, shard, table, trial

ODD = ["it's", 'a"b', "a\\b", "'); DROP TABLE rows; --", "ü 音", "two\nlines", "50%", "a''b", " ", "${x}", "x\ty"]


@pytest.fixture
def tables(tmp_path: Path) -> str:
    return str(tmp_path / "tables")


def write(tables: str, contract: ModuleType, *rows: Row) -> Receipt:
    return store.write_part(tables, contract, table(contract, *rows))


def publish(tables: str, contract: ModuleType, *rows: Row, replaced: list[str], run_id: str = "run1") -> None:
    receipts = [write(tables, contract, *rows)] if rows else []
    store.commit(tables, contract, receipts, replaced=replaced, run_id=run_id)


def opened(tables: str, contract: ModuleType, version: int | None = None) -> DeltaTable:
    return DeltaTable(storage.join(tables, contract.NAME), version=version)


def held(tables: str, contract: ModuleType, *columns: str) -> list[tuple[object, ...]]:
    found = store.read(tables, contract.NAME, contract.ARROW, columns or contract.KEY)
    return sorted(zip(*(found[column].to_pylist() for column in columns or contract.KEY), strict=True))


def test_checksum_is_of_each_distinct_track_in_any_order():
    def one(track_id: str) -> int:
        return int.from_bytes(blake2b(track_id.encode(), digest_size=8).digest())

    assert store.checksum([]) == 0
    assert store.checksum(["ü"]) == one("ü")
    assert store.checksum(["a", "b", "a"]) == store.checksum(["b", "a"]) == (one("a") + one("b")) % 2**64
    many = [str(i) for i in range(100)]
    assert sum(map(one, many)) > 2**64 > store.checksum(many) == sum(map(one, many)) % 2**64


def test_a_table_that_is_not_there_has_no_rows(tables: str):
    found = store.read(tables, "labels", labels.ARROW, ["confidence", "track_id"])
    assert found.num_rows == 0
    assert found.schema == pa.schema([labels.ARROW.field("confidence"), labels.ARROW.field("track_id")])
    assert delta.open_table(tables, "labels") is None


def test_a_table_of_an_older_version_is_not_written_to(tables: str):
    older = shards.ARROW.remove(shards.ARROW.get_field_index("descriptors"))
    store.create(tables, "shards", older)
    with pytest.raises(UsageError, match="shards was made by an older version, without descriptors: write to another place"):
        publish(tables, shards, shard("a"), replaced=[])


def test_rows_of_another_table_are_replaced_by_its_own_key(tables: str):
    publish(tables, trials, trial("r1"), trial("r1", model="svm"), trial("it's", n=7), replaced=[])
    publish(tables, trials, trial("r1", n=5), replaced=["r1"])
    assert held(tables, trials, "run_id", "model", "n") == [("it's", "knn", 7), ("r1", "knn", 5)]


def test_a_part_is_no_part_of_the_table_until_it_is_committed(tables: str):
    receipt = write(tables, labels, label("a"), label("b"))
    part = Path(tables, "labels", receipt.path)
    assert (receipt.table, receipt.rows, receipt.size) == ("labels", 2, part.stat().st_size)
    assert receipt.checksum == store.checksum(["a", "b"])
    assert held(tables, labels) == []
    store.commit(tables, labels, [receipt], replaced=[], run_id="run1")
    assert held(tables, labels) == [("a",), ("b",)]


def test_rows_come_back_as_they_were_written(tables: str):
    rows = [label("a"), label("b", runner_up=None, probabilities=[("rock", 1.0)])]
    publish(tables, labels, *rows, replaced=[])
    found = store.read(tables, "labels", labels.ARROW, labels.ARROW.names)
    assert found.schema == labels.ARROW
    assert found.sort_by("track_id").to_pylist() == rows


def test_bytes_come_back_as_they_were_written(tables: str):
    publish(tables, shards, shard("a", 0), shard("a", 1, spectrogram=bytes(range(256))), replaced=[])
    assert held(tables, shards, "segment", "spectrogram") == [(0, bytes([0, 128, 255])), (1, bytes(range(256)))]


def test_a_predicate_picks_rows(tables: str):
    publish(tables, labels, label("a"), label("b", bundle_id="other"), replaced=[])
    found = store.read(tables, "labels", labels.ARROW, ["track_id"], "bundle_id = 'other'")
    assert found.to_pylist() == [{"track_id": "b"}]


@pytest.mark.parametrize(
    ("contract", "rows"),
    [
        (labels, [label("a"), label("b", probabilities=[("rock", 0.5)])]),
        (labels, [label("a"), label("b", probabilities=[("rock", float("nan")), ("jazz", 1.0)])]),
        (labels, [label("a", confidence=1.5)]),
        (labels, [label("a"), label("a")]),
        (labels, [label("a", genre=None)]),
        (rejects, [reject("a", reason="bad mood")]),
        (rejects, [reject("a", stage="nowhere")]),
        (shards, [shard("a", -1)]),
        (shards, [shard("a", 0), shard("a", 0)]),
        (runs, [run(listed=7)]),
        (runs, [run(rejected=-1, listed=3)]),
    ],
)
def test_a_broken_promise_is_refused_before_anything_is_written(tables: str, contract: ModuleType, rows: list[Row]):
    with pytest.raises(ContractViolated, match=f"table {contract.NAME}: .*; nothing was published"):
        write(tables, contract, *rows)
    assert not Path(tables).exists()


def test_other_columns_are_refused_before_anything_is_written(tables: str):
    with pytest.raises(ContractViolated, match=r"columns differ: missing \['uri: string not null'\]"):
        store.write_part(tables, labels, table(labels, label()).drop_columns("uri"))
    assert not Path(tables).exists()


def test_a_commit_appends(tables: str):
    publish(tables, labels, label("a"), replaced=["a"])
    publish(tables, labels, label("b"), label("c"), replaced=["b", "c"])
    assert held(tables, labels) == [("a",), ("b",), ("c",)]


def test_many_parts_are_one_version(tables: str):
    store.create(tables, "labels", labels.ARROW)
    receipts = [write(tables, labels, label(f"{i}")) for i in range(5)]
    store.commit(tables, labels, receipts, replaced=[], run_id="run1")
    assert opened(tables, labels).version() == 1
    assert len(held(tables, labels)) == 5


def test_a_version_names_its_run(tables: str):
    publish(tables, labels, label("a"), replaced=[], run_id="run1")
    publish(tables, labels, label("a", genre="jazz"), replaced=["a"], run_id="run2")
    publish(tables, labels, replaced=["a"], run_id="run3")
    told = [entry.get("run_id") for entry in opened(tables, labels).history()]
    assert told == ["run3", "run2", "run1", None]


def test_a_row_is_replaced_in_one_version(tables: str):
    publish(tables, labels, label("a"), label("b"), replaced=[])
    before = opened(tables, labels).version()
    publish(tables, labels, label("a", genre="jazz"), label("c"), replaced=["a", "c"])
    assert opened(tables, labels).version() == before + 1
    assert held(tables, labels, "track_id", "genre") == [("a", "jazz"), ("b", "rock"), ("c", "rock")]


def test_an_older_version_is_read_as_it_was(tables: str):
    publish(tables, labels, label("a"), label("b"), replaced=[])
    publish(tables, labels, label("a", genre="jazz"), replaced=["a"])
    older = pl.read_delta(storage.join(tables, "labels"), version=1).sort("track_id")
    assert older.select("track_id", "genre").rows() == [("a", "rock"), ("b", "rock")]


def test_a_part_does_not_touch_tracks_that_are_not_replaced(tables: str):
    publish(tables, labels, label("a"), label("b"), replaced=[])
    publish(tables, labels, label("c"), replaced=["b", "never seen"])
    assert held(tables, labels) == [("a",), ("c",)]


def test_all_segments_of_a_replaced_track_go(tables: str):
    publish(tables, shards, *(shard("a", i) for i in range(4)), shard("b", 0), replaced=[])
    publish(tables, shards, *(shard("a", i, content_version="v2") for i in range(2)), replaced=["a"])
    assert held(tables, shards, "track_id", "segment", "content_version") == [("a", 0, "v2"), ("a", 1, "v2"), ("b", 0, "v1")]


def test_rows_go_where_nothing_new_comes(tables: str):
    publish(tables, rejects, reject("a"), reject("b"), replaced=[])
    before = opened(tables, rejects).version()
    publish(tables, rejects, replaced=["a"])
    assert held(tables, rejects) == [("b",)]
    assert opened(tables, rejects).version() == before + 1


def test_nothing_to_do_makes_no_version(tables: str):
    publish(tables, rejects, replaced=["a"])
    assert held(tables, rejects) == []
    assert opened(tables, rejects).version() == 0
    publish(tables, rejects, replaced=["a"])
    assert opened(tables, rejects).version() == 0


def test_odd_track_ids_are_replaced_and_removed_like_others(tables: str):
    publish(tables, labels, *map(label, ODD), label("plain"), replaced=ODD)
    publish(tables, labels, *(label(odd, genre="jazz") for odd in ODD), replaced=ODD)
    assert held(tables, labels, "track_id", "genre") == sorted([*((odd, "jazz") for odd in ODD), ("plain", "rock")])
    publish(tables, labels, replaced=ODD)
    assert held(tables, labels) == [("plain",)]


def test_a_table_is_made_once_with_its_properties(tables: str):
    store.create(tables, "shards", shards.ARROW, {store.FRONT_END_PROPERTY: "{}"})
    publish(tables, shards, shard("a"), replaced=[])
    again = store.create(tables, "shards", shards.ARROW, {store.FRONT_END_PROPERTY: "other"})
    assert again.metadata().configuration == {store.FRONT_END_PROPERTY: "{}"}
    assert held(tables, shards) == [("a", 0)]


def test_polars_reads_what_was_committed(tables: str):
    publish(tables, labels, label("a"), label("b", genre="unknown"), replaced=[])
    publish(tables, labels, label("a", genre="jazz"), replaced=["a"])
    found = pl.read_delta(storage.join(tables, "labels")).sort("track_id")
    assert found["genre"].to_list() == ["jazz", "unknown"]
    assert found["labelled_at"].to_list() == [WHEN, WHEN]
    assert found["probabilities"].to_list() == [{"jazz": 0.25, "rock": 0.75}] * 2


def test_somebody_else_changed_the_same_rows(tables: str):
    publish(tables, labels, label("a"), replaced=[])
    mine = opened(tables, labels)
    publish(tables, labels, label("a", genre="jazz"), replaced=["a"])
    with pytest.raises(TablesHeld, match=r"(?s)somebody else committed meanwhile.*nothing was published, run again"):
        remove_all(mine)
    assert held(tables, labels, "track_id", "genre") == [("a", "jazz")]


def remove_all(mine: DeltaTable) -> None:
    with delta.reaching("labels"):
        mine.delete("track_id = 'a'")


def test_a_broken_log_is_said_to_be(tables: str):
    publish(tables, labels, label("a"), replaced=[])
    for entry in Path(tables, "labels", "_delta_log").glob("*.json"):
        entry.write_text("{ no log")
    with pytest.raises(StoreUnreachable, match="tables/labels: "):
        delta.open_table(tables, "labels")


A_RUN = """
import sys
from genre_batch.tables import storage, store
from schemas import labels
from tests.rows import label, table

tables = sys.argv[1]
for genre in ("rock", "jazz"):
    part = store.write_part(tables, labels, table(labels, label("a", genre=genre), label(genre, genre=genre)))
    store.commit(tables, labels, [part], replaced=["a", genre], run_id=genre)
print(store.read(tables, "labels", labels.ARROW, ["track_id"], "genre = 'jazz'").num_rows)
"""


def test_a_process_that_wrote_merged_and_read_ends_well(tmp_path: Path):
    # deltalake 1.6.6 aborts every other process at its exit after reading through to_pyarrow_dataset().
    for i in range(5):
        ended = subprocess.run([sys.executable, "-c", A_RUN, str(tmp_path / str(i))], capture_output=True, text=True)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "2\n", "")
