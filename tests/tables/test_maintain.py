"""Few files, no rubbish, and nothing taken from under anybody's feet."""

import os
import time
import uuid
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from genre_batch.errors import TablesHeld, UsageError
from genre_batch.tables import lock, maintain, parts, query, storage, store
from genre_batch.tables.maintain import Maintained
from genre_batch.tables.store import Receipt, Writer
from schemas import labels, rejects, runs
from tests.conftest import S3
from tests.rows import label, reject, run, table

WEEK_S = 7 * 86_400
MB = 2**20


@pytest.fixture
def tables(tmp_path: Path) -> str:
    return str(tmp_path / "tables")


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tables: str) -> str:
    if request.param == "disk":
        return tables
    server: S3 = request.getfixturevalue("s3")
    return server.url(f"maintained-{uuid.uuid4().hex}")


def part(url: str, *track_ids: str, genre: str = "rock") -> Receipt:
    return store.write_part(url, labels, table(labels, *(label(track_id, genre=genre) for track_id in track_ids)))


def fill(url: str, commits: int = 6) -> list[tuple[str, str]]:
    """Labels in so many small files, of which the first was written anew; and their rows."""
    writer = Writer(url, "run1")
    for i in range(commits):
        writer.commit(labels, [part(url, f"{i}a", f"{i}b")])
    writer.commit(labels, [part(url, "0a", genre="jazz")], stale=["0a"])
    return [("0a", "jazz"), *((f"{i}{c}", "rock") for i in range(commits) for c in "ab" if (i, c) != (0, "a"))]


def options(url: str) -> dict[str, str]:
    """As a reader has them who is not of this project."""
    return {"AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"], "AWS_ALLOW_HTTP": "true"} if storage.is_s3(url) else {}


def rows(url: str, version: int | None = None) -> list[tuple[str, str]]:
    found = pl.read_delta(f"{url}/labels", version=version, storage_options=options(url))
    return found.select("track_id", "genre").sort("track_id").rows()


def opened(url: str) -> DeltaTable:
    return DeltaTable(f"{url}/labels", storage_options=storage.delta_options())


def files(url: str) -> set[str]:
    """All that lie there, whether a version has them or not."""
    names = {found.uri.removeprefix(f"{url}/labels/") for found in storage.walk(f"{url}/labels")}
    return {name for name in names if not name.startswith("_delta_log/")}


def done(url: str, keep_s: float = WEEK_S, target_bytes: int = 256 * MB) -> dict[str, Maintained]:
    made = maintain.maintain(url, keep_s=keep_s, target_bytes=target_bytes, any_keep=True)
    return {each.table: each for each in made}


def age(url: str, seconds: float, *names: str) -> None:
    """Files of a table on disk were written so long ago."""
    when = time.time() - seconds
    for name in names:
        os.utime(Path(url, "labels", name), (when, when))


def test_small_files_become_one_and_no_row_is_lost(place: str):
    expected = fill(place)
    before = files(place)
    found = done(place)
    assert list(found) == ["labels"]
    assert (found["labels"].files_before, found["labels"].files_after, found["labels"].freed) == (7, 1, 0)
    assert rows(place) == expected
    assert query.query(place, "SELECT track_id, genre FROM labels ORDER BY 1").to_pylist() == [
        {"track_id": track_id, "genre": genre} for track_id, genre in expected
    ]
    assert files(place) > before
    assert not storage.exists(f"{place}/{lock.NAME}")


def test_what_is_old_goes_and_every_version_that_is_told_can_be_read(place: str):
    expected = fill(place)
    time.sleep(3.1)
    current = opened(place).version()
    removed = files(place) - {os.path.basename(path) for path in opened(place).file_uris()}
    size = sum(found.size for found in storage.walk(f"{place}/labels") if found.uri.rsplit("/", 1)[1] in removed)
    found = done(place, keep_s=2)["labels"]
    assert found.freed == size > 0
    assert not removed & files(place)
    assert (found.oldest_version, found.newest_version) == (current, opened(place).version())
    for version in range(found.oldest_version, found.newest_version + 1):
        assert rows(place, version) == expected
    time.sleep(3.1)
    again = done(place, keep_s=2)["labels"]
    assert (again.files_before, again.files_after) == (1, 1)
    assert len(files(place)) == 1
    assert rows(place) == expected


def test_every_table_is_maintained(tables: str):
    fill(tables)
    writer = Writer(tables, "run1")
    for i in range(3):
        writer.commit(rejects, [store.write_part(tables, rejects, table(rejects, reject(f"{i}")))])
        writer.put(runs, table(runs, run(f"run{i}")))
    found = done(tables)
    assert {name: (each.files_before, each.files_after) for name, each in found.items()} == {
        "labels": (7, 1),
        "rejects": (3, 1),
        "runs": (3, 1),
    }
    assert query.query(tables, "SELECT count(*) AS n FROM rejects, runs").to_pylist() == [{"n": 9}]


def test_again_does_nothing(tables: str):
    fill(tables)
    first, second = done(tables)["labels"], done(tables)["labels"]
    assert (second.files_before, second.files_after, second.freed) == (1, 1, 0)
    assert second.newest_version == first.newest_version


def test_parts_of_killed_runs_go_by_their_age(tables: str):
    fill(tables)
    old, new = part(tables, "x"), part(tables, "y")
    half = f"{old.path}.partial-77"
    Path(tables, "labels", half).write_bytes(b"PAR1")
    age(tables, WEEK_S + 60, old.path, half)
    age(tables, WEEK_S - 60, new.path)
    assert done(tables)["labels"].freed == old.size + 4
    left = os.listdir(f"{tables}/labels")
    assert old.path not in left
    assert half not in left
    assert new.path in left


def test_a_file_that_was_replaced_today_stays_however_old_it_is(tables: str):
    expected = fill(tables)
    first = {path: rows(tables, 1) for path in files(tables)}
    age(tables, 10 * WEEK_S, *first)
    done(tables)
    assert files(tables) > set(first)
    assert rows(tables, 1) == [("0a", "rock"), ("0b", "rock")]
    assert rows(tables) == expected


def test_a_reader_that_opened_an_older_version_reads_on(place: str, monkeypatch: pytest.MonkeyPatch):
    expected = fill(place)
    frame = pl.scan_delta(f"{place}/labels", storage_options=options(place))
    real = query.files_of

    def files_then_maintained(*args: object) -> dict[str, str]:
        found = real(*args)
        assert done(place, keep_s=3600)["labels"].files_before == 7
        return found

    monkeypatch.setattr(query, "files_of", files_then_maintained)
    answer = query.query(place, "SELECT track_id, genre FROM labels ORDER BY 1").to_pylist()
    assert [tuple(row.values()) for row in answer] == expected
    assert len(opened(place).file_uris()) == 1
    assert frame.select("track_id", "genre").sort("track_id").collect().rows() == expected


def test_not_while_a_run_holds_the_tables(tables: str):
    fill(tables)
    with lock.held(tables, "run7"), pytest.raises(TablesHeld, match="held by run run7"):
        done(tables)


def test_a_run_without_a_lock_is_out_after_it(place: str):
    fill(place)
    late = Writer(place, "late")
    done(place)
    with pytest.raises(TablesHeld, match=r"labels: run maintain-\w{6} has committed version \d+ meanwhile"):
        late.commit(labels, [part(place, "0a")], stale=["0a"])
    Writer(place, "run2").commit(labels, [part(place, "0a", genre="metal")], stale=["0a"])
    assert ("0a", "metal") in rows(place)
    assert len(rows(place)) == 12


def test_what_is_put_together_keeps_its_order(tables: str):
    writer = Writer(tables, "run1")
    for i in range(40):
        writer.commit(labels, [part(tables, *(f"{i:02}-{j:03}" for j in range(50)))])
    done(tables, target_bytes=60_000)
    found = sorted(parts.of(opened(tables), "track_id"), key=lambda each: str(each.low))
    assert 3 < len(found) < 20
    assert all(str(one.high) < str(following.low) for one, following in pairwise(found))


def test_a_table_of_an_older_version_is_put_together(tables: str):
    older = labels.ARROW.remove(labels.ARROW.get_field_index("deleted_at"))
    store.create(tables, "labels", older)
    part_of = parts.write(f"{tables}/labels", table(labels, label("old")).drop_columns("deleted_at").cast(older), "track_id")
    opened(tables).create_write_transaction([parts.added(part_of, "track_id")], "append", older)
    Writer(tables, "run1").commit(labels, [part(tables, "new")])
    assert done(tables)["labels"].files_after == 1
    found = store.read(tables, "labels", labels.ARROW, ["track_id", "deleted_at"])
    assert found.sort_by("track_id").to_pylist() == [{"track_id": each, "deleted_at": None} for each in ("new", "old")]


def test_the_log_is_kept_as_long_as_the_files(tables: str):
    fill(tables)
    done(tables)
    log = [f"_delta_log/{name}" for name in os.listdir(f"{tables}/labels/_delta_log")]
    age(tables, WEEK_S + 60, *log)
    Writer(tables, "run2").commit(labels, [part(tables, "x")])
    found = done(tables)["labels"]
    versions = {name.split(".")[0] for name in os.listdir(f"{tables}/labels/_delta_log") if name[0] == "0"}
    assert min(map(int, versions)) == found.oldest_version == found.newest_version - 2
    assert len(rows(tables, found.oldest_version)) == 12
    kept = opened(tables).metadata().configuration
    assert kept == dict.fromkeys(
        ("delta.deletedFileRetentionDuration", "delta.logRetentionDuration"), "interval 604800 seconds"
    )


@pytest.mark.parametrize("keep_s", [1, 3599])
def test_what_is_kept_for_too_short_is_refused(tables: str, keep_s: float):
    fill(tables)
    with pytest.raises(UsageError, match=r"less than 1h may be taken away while somebody reads it; --any-keep allows it"):
        list(maintain.maintain(tables, keep_s=keep_s, target_bytes=MB))
    assert len(list(maintain.maintain(tables, keep_s=3600, target_bytes=MB))) == 1


def test_no_tables(tables: str):
    with pytest.raises(UsageError, match=r"holds no tables \(labels, rejects, runs, segments, shards, trials\)"):
        done(tables)
    assert not os.path.exists(tables)
