"""Commits: all of a run or nothing of it, one row a track, and nothing that breaks a promise."""

import resource
import subprocess
import sys
import threading
import uuid
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from genre_batch.errors import ContractViolated, StoreUnreachable, TablesHeld, UsageError
from genre_batch.tables import delta, parts, storage, store
from genre_batch.tables.store import Receipt, Writer
from schemas import labels, rejects, runs, shards, trials
from tests.conftest import S3
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


def older(tables: str, contract: ModuleType, *lacking: str) -> None:
    """A table made before these columns were thought of, with the row of one track."""
    schema = pa.schema([field for field in contract.ARROW if field.name not in lacking])
    row = table(contract, label("old") if contract is labels else run("old"))
    part = parts.write(storage.join(tables, contract.NAME), row.drop_columns(list(lacking)).cast(schema), contract.KEY[0])
    store.create(tables, contract.NAME, schema)
    opened(tables, contract).create_write_transaction([parts.added(part, contract.KEY[0])], "append", schema)


def test_a_table_of_an_older_version_gets_the_columns_that_may_be_null(tables: str):
    older(tables, labels, "loudness_db", "deleted_at", "runner_up")
    columns = ("track_id", "loudness_db", "runner_up", "deleted_at")
    assert held(tables, labels, *columns) == [("old", None, None, None)]
    assert store.read(tables, "labels", labels.ARROW, ["track_id"], "deleted_at IS NOT NULL").num_rows == 0
    publish(tables, labels, label("new"), replaced=[])
    assert held(tables, labels, *columns) == [("new", -20.0, "jazz", None), ("old", None, None, None)]
    found = pl.read_delta(storage.join(tables, "labels")).sort("track_id")
    assert found.select(columns).rows() == [("new", -20.0, "jazz", None), ("old", None, None, None)]
    names = [field.name for field in opened(tables, labels).schema().fields]
    assert sorted(names) == sorted(labels.ARROW.names)


def test_rows_of_an_older_version_are_marked_and_kept(tables: str):
    older(tables, labels, "loudness_db", "deleted_at")
    publish(tables, labels, label("new"), replaced=["new"])
    Writer(tables, "run2").mark(labels, marks(old=WHEN))
    assert held(tables, labels, "track_id", "uri", "deleted_at") == [("new", "/music/new", None), ("old", "/music/old", WHEN)]


def test_a_table_of_an_older_version_that_lacks_more_is_not_written_to(tables: str):
    older(tables, runs, "state", "drift", "remaining")
    said = "runs was made by an older version, without remaining, state: write to another place"
    with pytest.raises(UsageError, match=said):
        publish(tables, runs, run("new"), replaced=[])
    with pytest.raises(UsageError, match=said):
        store.read(tables, "runs", runs.ARROW, ["run_id"])
    # Before any work is done for it.
    with pytest.raises(UsageError, match=said):
        Writer(tables, "run2")


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


def test_a_full_disk_leaves_nothing(tables: str):
    """A limit on the size of files stands for it."""
    store.create(tables, "labels", labels.ARROW)
    before = sorted(Path(tables).rglob("*"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StoreUnreachable):
            write(tables, labels, label("a"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(Path(tables).rglob("*")) == before
    assert held(tables, labels) == []


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


def test_a_replacement_rewrites_only_the_files_whose_range_holds_it(tables: str):
    writer = Writer(tables, "run1")
    parts_of = [write(tables, labels, *(label(f"{i:02}-{j}") for j in range(10))) for i in range(20)]
    writer.commit(labels, parts_of)
    before = set(opened(tables, labels).file_uris())
    writer.commit(labels, [write(tables, labels, label("03-5", genre="jazz"))], stale=["03-5", "12-0", "99"])
    after = set(opened(tables, labels).file_uris())
    assert (len(before - after), len(after - before)) == (2, 3)
    assert len(held(tables, labels)) == 199


def test_an_append_reads_nothing_of_the_table(tables: str):
    """Shown by its files being gone."""
    writer = Writer(tables, "run1")
    first = write(tables, labels, label("a"))
    writer.commit(labels, [first])
    Path(tables, "labels", first.path).unlink()
    second = write(tables, labels, label("b"))
    writer.commit(labels, [second])
    assert len(opened(tables, labels).file_uris()) == 2


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


def marks(**times: datetime | None) -> pa.Table:
    times_of = pa.array(list(times.values()), pa.timestamp("us", "UTC"))
    return pa.table({"track_id": pa.array(list(times), pa.string()), "deleted_at": times_of})


def test_tracks_are_marked_and_unmarked(tables: str):
    publish(tables, labels, *(label(f"{i}", genre=f"g{i}") for i in range(4)), replaced=[])
    publish(tables, labels, label("4"), replaced=[])
    writer = Writer(tables, "run2")
    writer.mark(labels, marks(**{"0": WHEN, "2": WHEN, "nobody": WHEN}))
    assert held(tables, labels, "track_id", "deleted_at") == [("0", WHEN), ("1", None), ("2", WHEN), ("3", None), ("4", None)]
    writer.mark(labels, marks(**{"0": None, "2": WHEN}))
    found = held(tables, labels, "track_id", "genre", "deleted_at")
    assert found == [("0", "g0", None), ("1", "g1", None), ("2", "g2", WHEN), ("3", "g3", None), ("4", "rock", None)]


def test_marks_come_in_batches_of_any_size(tables: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "MARKS_AT_ONCE", 5)
    publish(tables, rejects, *(reject(f"{i:02}") for i in range(20)), replaced=[])
    before = opened(tables, rejects).version()
    all_marks = marks(**{f"{i:02}": WHEN for i in range(12)})
    Writer(tables, "run2").mark(rejects, pa.RecordBatchReader.from_batches(all_marks.schema, all_marks.to_batches(2)))
    # Two, two and two; six and six.
    assert opened(tables, rejects).version() == before + 2
    assert held(tables, rejects, "track_id", "deleted_at") == [(f"{i:02}", WHEN if i < 12 else None) for i in range(20)]
    Writer(tables, "run3").mark(rejects, marks().slice(0, 0))
    assert opened(tables, rejects).version() == before + 2


def test_a_row_is_put_in_the_place_of_its_own(tables: str):
    writer = Writer(tables, "run1")
    for remaining in (3, 2, 0):
        writer.put(
            runs, table(runs, run("run1", state="running", done=6 - remaining, rejected=0, unchanged=0, remaining=remaining))
        )
        writer.put(runs, table(runs, run("run0")))
    assert held(tables, runs, "run_id", "remaining") == [("run0", 0), ("run1", 0)]
    assert opened(tables, runs).version() == 6
    assert len(opened(tables, runs).file_uris()) == 2
    with pytest.raises(ContractViolated):
        writer.put(runs, table(runs, run("run1", listed=1)))


def test_what_writers_know_are_all_tables():
    assert tuple(contract.NAME for contract in store.CONTRACTS) == delta.TABLES


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return str(tmp_path / "tables")
    server: S3 = request.getfixturevalue("s3")
    return server.url(f"tables-{uuid.uuid4().hex}")


def two(place: str, *, there: bool) -> tuple[Writer, Writer]:
    """Of two runs that both have no lock and see the same: tables with a track, or none at all."""
    if there:
        publish(place, labels, label("old"), replaced=[], run_id="run0")
    return Writer(place, "run1"), Writer(place, "run2")


HELD = r"labels: run run1 has committed version \d+ meanwhile, .*; nothing of this commit was published, run again"


@pytest.mark.parametrize("there", [True, False])
def test_two_appends_of_the_same_tracks(place: str, there: bool):
    first, second = two(place, there=there)
    first.commit(labels, [write(place, labels, label("a", genre="rock"))])
    with pytest.raises(TablesHeld, match=HELD):
        second.commit(labels, [write(place, labels, label("a", genre="jazz"))])
    # The first goes on, and the second stays out.
    first.commit(labels, [write(place, labels, label("b"))])
    with pytest.raises(TablesHeld):
        second.commit(labels, [write(place, labels, label("c"))])
    old = [("old", "rock")] if there else []
    assert held(place, labels, "track_id", "genre") == [("a", "rock"), ("b", "rock"), *old]


def test_two_replacements_of_the_same_track(place: str):
    first, second = two(place, there=True)
    first.commit(labels, [write(place, labels, label("old", genre="jazz"))], stale=["old"])
    with pytest.raises(TablesHeld, match=HELD):
        second.commit(labels, [write(place, labels, label("old", genre="metal"))], stale=["old"])
    assert held(place, labels, "track_id", "genre") == [("old", "jazz")]


def test_turns_of_two_runs(place: str):
    """Whoever is late is out, at whatever commit."""
    first, second = two(place, there=True)
    first.commit(labels, [write(place, labels, label("a"))])
    first.commit(labels, [write(place, labels, label("b", run_id="run1"))], stale=["b"])
    for commit in (
        lambda: second.commit(labels, [write(place, labels, label("b"))]),
        lambda: second.commit(labels, [], stale=["old"]),
        lambda: second.mark(labels, marks(old=WHEN)),
    ):
        with pytest.raises(TablesHeld, match=HELD):
            commit()
    # Tables that nobody else has touched since are still its own.
    second.commit(rejects, [write(place, rejects, reject("c"))])
    assert held(place, labels, "track_id", "deleted_at") == [("a", None), ("b", None), ("old", None)]


def test_a_commit_that_landed_although_its_answer_was_lost(tables: str, monkeypatch: pytest.MonkeyPatch):
    writer = Writer(tables, "run1")
    writer.commit(labels, [write(tables, labels, label("a"))])
    real = DeltaTable.create_write_transaction

    def lost(self: DeltaTable, *args: Any, **options: Any) -> None:
        real(self, *args, **options)
        # As by a client that tries again what has reached the store: the version is there.
        real(self, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(DeltaTable, "create_write_transaction", lost)
        writer.commit(labels, [write(tables, labels, label("b"))])
    writer.commit(labels, [write(tables, labels, label("c"))])
    assert held(tables, labels) == [("a",), ("b",), ("c",)]


def test_many_that_make_the_same_table_at_once(tables: str):
    everybody, got, out = threading.Barrier(6), [], []

    def commit(name: str) -> None:
        writer = Writer(tables, name)
        everybody.wait(30)
        try:
            writer.commit(labels, [write(tables, labels, label("a", run_id=name))])
            got.append(name)
        except TablesHeld:
            out.append(name)

    runs_of = [threading.Thread(target=commit, args=(f"run{i}",)) for i in range(6)]
    for each in runs_of:
        each.start()
    for each in runs_of:
        each.join(60)
    assert (len(got), len(out)) == (1, 5)
    assert held(tables, labels, "track_id", "run_id") == [("a", got[0])]


def test_errors_of_deltalake_are_said_plainly(tables: str):
    publish(tables, labels, label("a"), replaced=[])
    mine = opened(tables, labels)
    publish(tables, labels, label("a", genre="jazz"), replaced=["a"])
    with pytest.raises(TablesHeld, match=r"(?s)somebody else committed meanwhile.*nothing was published, run again"):
        remove_all(mine)
    assert held(tables, labels, "track_id", "genre") == [("a", "jazz")]


def remove_all(mine: DeltaTable) -> None:
    with delta.reaching("labels"):
        mine.delete("track_id = 'a'")


def test_a_file_of_a_table_that_is_gone(tables: str):
    publish(tables, labels, label("a"), replaced=[])
    for file in Path(tables, "labels").glob("*.parquet"):
        file.unlink()
    with pytest.raises(StoreUnreachable, match=r"a file of the table .*labels cannot be read: .*parquet is not there"):
        publish(tables, labels, label("a"), replaced=["a"])


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
