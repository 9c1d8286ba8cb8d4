"""One run at a time, and no lock outlives its run by much."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from genre_batch.errors import StoreUnreachable, TablesHeld
from genre_batch.tables import lock, processes, retries, storage
from tests.conftest import S3

CLAIM = f"{lock.NAME}.claim"
DEAD = f"{processes.mine()}0"
"""The name of a process of this machine that is gone."""


def content(tables: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((tables / lock.NAME).read_bytes())
    return found


def left_behind(tables: Path, age_s: float, process: str | None = None, name: str = lock.NAME) -> None:
    """The lock, or claim, of a run on another machine that was last heard of so long ago, by the clock of this disk."""
    place = tables / name
    place.write_text(json.dumps({"run_id": "dead", "host": "far:1", "token": "t", "process": process}))
    when = place.stat().st_mtime - age_s
    os.utime(place, (when, when))


def touched(tables: Path) -> int:
    return (tables / lock.NAME).stat().st_mtime_ns


def hold_url(tables: str, run_id: str) -> None:
    with lock.held(tables, run_id):
        pass


def hold(tables: Path, run_id: str) -> None:
    hold_url(str(tables), run_id)


def test_the_lock_says_who_holds_it(tmp_path: Path):
    with lock.held(str(tmp_path), "run1") as mine:
        owner = content(tmp_path)
        mine.still_mine()
    assert owner["run_id"] == mine.run_id == "run1"
    assert str(owner["host"]).endswith(f":{os.getpid()}")
    assert owner["process"] == processes.mine()


def test_a_second_run_is_refused_and_told_by_whom(tmp_path: Path):
    with lock.held(str(tmp_path), "run1"):
        with pytest.raises(TablesHeld, match=r"held by run run1 on .+, last heard of \d s ago; wait for it, or end it$"):
            hold(tmp_path, "run2")
        assert content(tmp_path)["run_id"] == "run1"


def test_another_process_is_refused_too(tmp_path: Path):
    code = f"from genre_batch.tables import lock\nwith lock.held({str(tmp_path)!r}, 'run2'): print('mine')"
    with lock.held(str(tmp_path), "run1"):
        refused = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert refused.stdout == ""
    assert "TablesHeld" in refused.stderr
    allowed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert allowed.stdout == "mine\n"


def test_other_tables_are_free(tmp_path: Path):
    with lock.held(str(tmp_path / "a"), "run1"), lock.held(str(tmp_path / "b"), "run2"):
        assert content(tmp_path / "b")["run_id"] == "run2"


def test_it_is_released_at_the_end(tmp_path: Path):
    hold(tmp_path, "run1")
    assert os.listdir(tmp_path) == []
    hold(tmp_path, "run2")


def fail_while_held(tables: Path) -> None:
    with lock.held(str(tables), "run1"):
        raise KeyError("x")


def test_it_is_released_on_an_error(tmp_path: Path):
    with pytest.raises(KeyError):
        fail_while_held(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_refused_run_releases_nothing(tmp_path: Path):
    left_behind(tmp_path, 30)
    with pytest.raises(TablesHeld, match=r"held by run dead on far:1, last heard of 3\d s ago; .*, run again in [56]\d s$"):
        hold(tmp_path, "run2")
    assert content(tmp_path)["run_id"] == "dead"


def test_a_stale_lock_is_taken_over(tmp_path: Path):
    left_behind(tmp_path, lock.STALE_S + 1)
    with lock.held(str(tmp_path), "run2"):
        assert content(tmp_path)["run_id"] == "run2"
    assert os.listdir(tmp_path) == []


HOLDER = """
import sys, time
from genre_batch.tables import lock
with lock.held(sys.argv[1], "victim"):
    print("mine", flush=True)
    time.sleep(600)
"""


def started(tables: str) -> "subprocess.Popen[str]":
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tables], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "mine\n"
    return holder


def check_that_it_is_taken_over_once_killed(tables: str) -> None:
    holder = started(tables)
    try:
        with pytest.raises(TablesHeld, match="held by run victim"):
            hold_url(tables, "run2")
        holder.send_signal(signal.SIGKILL)
        # Before its parent has asked, it is still listed as a process.
        time.sleep(0.2)
        hold_url(tables, "run2")
    finally:
        holder.kill()
        holder.wait()


def test_a_lock_of_a_run_killed_on_this_machine_is_taken_over_at_once(tmp_path: Path):
    check_that_it_is_taken_over_once_killed(str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_the_same_on_s3(s3: S3):
    check_that_it_is_taken_over_once_killed(s3.url("killed"))
    assert [found.uri for found in storage.walk(s3.url()) if "/killed/" in found.uri] == []


@pytest.mark.parametrize("age_s", [lock.STALE_S + 1, 1e6, -1e6])
def test_a_run_that_lives_on_this_machine_keeps_its_lock_whatever_the_clock(tmp_path: Path, age_s: float):
    holder = started(str(tmp_path))
    try:
        holder.send_signal(signal.SIGSTOP)
        when = time.time() - age_s
        os.utime(tmp_path / lock.NAME, (when, when))
        with pytest.raises(TablesHeld, match=r"held by run victim .*; wait for it, or end it$"):
            hold(tmp_path, "run2")
    finally:
        holder.kill()
        holder.wait()


@pytest.mark.parametrize("clock_s", [0.0, 3600.0, -3600.0, 1e6])
def test_the_clock_of_another_machine_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock_s: float):
    left_behind(tmp_path, 30)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + clock_s)
    with pytest.raises(TablesHeld, match=r"last heard of 3\d s ago"):
        hold(tmp_path, "run2")


def test_the_clock_of_the_store_counts_on_s3(s3: S3, monkeypatch: pytest.MonkeyPatch):
    tables = s3.url("clocks")
    storage.write_bytes(f"{tables}/{lock.NAME}", b'{"run_id": "dead", "host": "far:1", "token": "t"}')
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        with pytest.raises(TablesHeld, match=r"held by run dead on far:1, last heard of \d s ago"):
            hold_url(tables, "run2")
        monkeypatch.setattr(lock, "STALE_S", 1.0)
        time.sleep(2.1)
        hold_url(tables, "run2")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert not storage.exists(f"{tables}/{lock.NAME}")


def test_a_lock_from_the_future_is_taken_over(tmp_path: Path):
    """It was written while the clock was wrong; whoever lives refreshes it with the right time."""
    left_behind(tmp_path, -lock.STALE_S - 10)
    hold(tmp_path, "run2")


def test_a_lock_of_before_this_machine_started_is_judged_by_its_age(tmp_path: Path):
    left_behind(tmp_path, 30, f"another-boot:pid:[1]:{os.getpid()}:7")
    with pytest.raises(TablesHeld, match=r"run again in [56]\d s$"):
        hold(tmp_path, "run2")


def taken_over_by_another(tables: Path) -> None:
    (tables / lock.NAME).write_text('{"run_id": "other", "host": "far:1", "token": "t"}')


def test_who_lost_the_lock_notices_and_leaves_that_of_the_other_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lock, "REFRESH_S", 0.02)
    with lock.held(str(tmp_path), "run1") as mine:
        taken_over_by_another(tmp_path)
        before = touched(tmp_path)
        with pytest.raises(TablesHeld, match=r"run has lost its lock, .*: run other on far:1 has taken it over; .* run again"):
            mine.still_mine()
        time.sleep(0.2)
        assert touched(tmp_path) == before
    assert content(tmp_path)["run_id"] == "other"


def test_who_lost_the_lock_to_a_run_that_is_over_notices(tmp_path: Path):
    with lock.held(str(tmp_path), "run1") as mine:
        (tmp_path / lock.NAME).unlink()
        with pytest.raises(TablesHeld, match=r"this run has lost its lock, .*: it is gone"):
            mine.still_mine()
    assert os.listdir(tmp_path) == []


def lose_the_store_while_held(tables: Path) -> None:
    with lock.held(str(tables), "run1"):
        shutil.rmtree(tables)
        tables.write_text("in the way")
        raise KeyError("x")


def test_a_store_that_fails_at_the_end_does_not_hide_how_the_run_ended(tmp_path: Path):
    with pytest.raises(KeyError):
        lose_the_store_while_held(tmp_path / "tables")


@pytest.mark.parametrize(
    ("age_s", "process", "said"),
    [
        (30, None, r"last heard of 3\d s ago; wait for it, or if it was killed, run again in 5[67]\d s$"),
        (lock.CLAIM_S - 20, None, r"last heard of 58\d s ago; wait for it, or if it was killed, run again in [12]?\d s$"),
        (20 - lock.CLAIM_S, None, r"last heard of 0 s ago; .* run again in 11\d\d s$"),
        (1e6, processes.mine(), "last heard of 100000. s ago; wait for it, or end it$"),
    ],
    # With the names of processes in them, test processes would not agree on what there is to do.
    ids=["young", "almost stale", "of the future", "alive"],
)
def test_a_stale_lock_is_taken_over_by_one_run_at_a_time(tmp_path: Path, age_s: float, process: str | None, said: str):
    left_behind(tmp_path, lock.STALE_S + 1)
    left_behind(tmp_path, age_s, process, CLAIM)
    with pytest.raises(TablesHeld, match=f" is being taken over by run dead on far:1, {said}"):
        hold(tmp_path, "run3")
    assert content(tmp_path)["run_id"] == "dead"
    assert sorted(os.listdir(tmp_path)) == [lock.NAME, CLAIM]


@pytest.mark.parametrize(
    ("age_s", "process"),
    [(0, DEAD), (lock.CLAIM_S + 1, None), (-lock.CLAIM_S - 10, None)],
    ids=["dead", "stale", "of the future"],
)
def test_so_is_the_claim_of_a_run_that_was_killed_while_it_took_a_lock_over(tmp_path: Path, age_s: float, process: str | None):
    left_behind(tmp_path, lock.STALE_S + 1)
    left_behind(tmp_path, age_s, process, CLAIM)
    with lock.held(str(tmp_path), "run3"):
        assert content(tmp_path)["run_id"] == "run3"
        assert os.listdir(tmp_path) == [lock.NAME]
    assert os.listdir(tmp_path) == []


def test_a_claim_that_is_just_being_written_is_held(tmp_path: Path):
    left_behind(tmp_path, lock.STALE_S + 1)
    (tmp_path / CLAIM).touch()
    with pytest.raises(TablesHeld, match="is being taken over by run unknown"):
        hold(tmp_path, "run2")


def test_a_claim_outlasts_any_take_over():
    assert lock.CLAIM_S > 8 * retries.TROUBLE_S


VICTIM = """
import os, signal, sys
from genre_batch.tables import lock, storage

left = int(sys.argv[2])

def counted(act):
    def acted(*arguments):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return act(*arguments)
    return acted

storage.create, storage.remove = counted(storage.create), counted(storage.remove)
with lock.held(sys.argv[1], "victim"):
    print("mine")
"""


def kill(tables: str, before: int) -> None:
    """A run that is killed before so many-th change that it makes to its lock."""
    ended = subprocess.run([sys.executable, "-c", VICTIM, tables, str(before)], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGKILL, "", "")


@pytest.mark.parametrize(
    ("kills", "left"),
    [
        ([3], [lock.NAME, CLAIM]),
        ([4], [lock.NAME, CLAIM]),
        ([5], [CLAIM]),
        ([6], [lock.NAME, CLAIM]),
        ([4, 4], [lock.NAME, CLAIM, f"{CLAIM}.claim"]),
        ([4, 6], [lock.NAME, f"{CLAIM}.claim"]),
        ([4, 7], [lock.NAME, CLAIM, f"{CLAIM}.claim"]),
        ([4, 10], [CLAIM]),
    ],
)
def test_wherever_runs_are_killed_while_they_take_over_the_next_one_gets_it(tmp_path: Path, kills: list[int], left: list[str]):
    left_behind(tmp_path, 0, DEAD)
    for before in kills:
        kill(str(tmp_path), before)
    assert sorted(os.listdir(tmp_path)) == left
    # What is left may only be in the way of the one after it.
    for run_id in ("run2", "run3"):
        with lock.held(str(tmp_path), run_id):
            assert content(tmp_path)["run_id"] == run_id
        left_behind(tmp_path, 0, DEAD)


def test_the_same_of_a_claim_on_s3(s3: S3):
    tables = s3.url("claimed")
    dead = json.dumps({"run_id": "dead", "host": "far:1", "token": "t", "process": DEAD}).encode()
    storage.write_bytes(f"{tables}/{lock.NAME}", dead)
    kill(tables, 4)
    assert storage.exists(f"{tables}/{CLAIM}")
    hold_url(tables, "run2")
    assert [found.uri for found in storage.walk(s3.url()) if "/claimed/" in found.uri] == []


@pytest.mark.parametrize("unfinished", [b"", b'{"run_id": "ru'])
def test_a_lock_that_is_just_being_written_is_held(tmp_path: Path, unfinished: bytes):
    (tmp_path / lock.NAME).write_bytes(unfinished)
    with pytest.raises(TablesHeld, match="held by run unknown"):
        hold(tmp_path, "run2")
    old = time.time() - lock.STALE_S - 1
    os.utime(tmp_path / lock.NAME, (old, old))
    hold(tmp_path, "run2")


def changes(tables: Path, before: int) -> bool:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with suppress(OSError):
            if touched(tables) != before:
                return True
        time.sleep(0.01)
    return False


def test_it_is_kept_fresh_while_the_run_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lock, "REFRESH_S", 0.02)
    with lock.held(str(tmp_path), "run1"):
        first = content(tmp_path)
        assert changes(tmp_path, touched(tmp_path))
        assert content(tmp_path) == first
    assert os.listdir(tmp_path) == []


def test_a_lost_refresh_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lock, "REFRESH_S", 0.02)
    tables = tmp_path / "tables"
    with lock.held(str(tables), "run1") as mine:
        first = touched(tables)
        shutil.copy(tables / lock.NAME, tmp_path / "copy")
        (tmp_path / "loop").symlink_to(lock.NAME)
        os.rename(tmp_path / "loop", tables / lock.NAME)
        with pytest.raises(StoreUnreachable):
            mine.still_mine()
        time.sleep(0.1)
        os.rename(tmp_path / "copy", tables / lock.NAME)
        assert changes(tables, first)
        mine.still_mine()


def test_a_lock_outlasts_several_lost_refreshes():
    assert lock.STALE_S >= 4 * lock.REFRESH_S


@pytest.mark.parametrize("left", [[], [lock.NAME], [lock.NAME, CLAIM], [lock.NAME, CLAIM, f"{CLAIM}.claim"]])
@pytest.mark.parametrize("again", range(10))
def test_of_many_runs_at_once_one_gets_it(tmp_path: Path, left: list[str], again: int):
    for name in left:
        left_behind(tmp_path, lock.CLAIM_S + 1, name=name)
    assert len(who_get_it(str(tmp_path))) == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("killed", [False, True])
def test_of_many_runs_at_once_one_gets_it_on_s3(s3: S3, killed: bool):
    tables = s3.url(f"many-{killed}")
    if killed:
        content = json.dumps({"run_id": "dead", "host": "far:1", "token": "t", "process": DEAD})
        storage.write_bytes(f"{tables}/{lock.NAME}", content.encode())
    assert len(who_get_it(tables)) == 1
    assert not storage.exists(f"{tables}/{lock.NAME}")


def who_get_it(tables: str) -> list[str]:
    """Of eight runs started at the same moment."""
    got: list[str] = []
    done, everybody = threading.Barrier(8), threading.Barrier(8)

    def run(name: str) -> None:
        everybody.wait(30)
        try:
            with lock.held(tables, name):
                got.append(name)
                done.wait(30)
        except TablesHeld:
            done.wait(30)

    runs = [threading.Thread(target=run, args=(f"run{i}",)) for i in range(8)]
    for each in runs:
        each.start()
    for each in runs:
        each.join(60)
    return got
