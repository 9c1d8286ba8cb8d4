"""One run at a time, and no lock outlives its run by much."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from genre_batch.errors import TablesHeld
from genre_batch.tables import lock


def content(tables: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((tables / lock.NAME).read_bytes())
    return found


def left_behind(tables: Path, age_s: float) -> None:
    """The lock of a run that ended without a word so long ago."""
    owner = {"run_id": "dead", "host": "far:1", "refreshed": time.time() - age_s}
    (tables / lock.NAME).write_text(json.dumps(owner))


def hold(tables: Path, run_id: str) -> None:
    with lock.held(str(tables), run_id):
        pass


def test_the_lock_says_who_holds_it(tmp_path: Path):
    before = time.time()
    with lock.held(str(tmp_path), "run1"):
        owner = content(tmp_path)
    assert owner["run_id"] == "run1"
    assert str(owner["host"]).endswith(f":{os.getpid()}")
    assert before <= float(str(owner["refreshed"])) <= time.time()


def test_a_second_run_is_refused_and_told_by_whom(tmp_path: Path):
    with lock.held(str(tmp_path), "run1"):
        with pytest.raises(TablesHeld, match=r"held by run run1 on .+ since \d s ago; .* run again in (90|8\d) s"):
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
    with pytest.raises(TablesHeld, match=r"held by run dead on far:1 since 3\d s ago"):
        hold(tmp_path, "run2")
    assert content(tmp_path)["run_id"] == "dead"


def test_a_stale_lock_is_taken_over(tmp_path: Path):
    left_behind(tmp_path, lock.STALE_S + 1)
    with lock.held(str(tmp_path), "run2"):
        assert content(tmp_path)["run_id"] == "run2"
    assert os.listdir(tmp_path) == []


def test_a_stale_lock_is_taken_over_by_one_run_at_a_time(tmp_path: Path):
    left_behind(tmp_path, lock.STALE_S + 1)
    claim = tmp_path / f"{lock.NAME}.claim"
    claim.write_text("run2")
    with pytest.raises(TablesHeld, match=r"another run is taking over .* if it was killed, remove .*_lock\.json\.claim"):
        hold(tmp_path, "run3")
    assert content(tmp_path)["run_id"] == "dead"
    claim.unlink()
    hold(tmp_path, "run3")


@pytest.mark.parametrize("unfinished", [b"", b'{"run_id": "ru'])
def test_a_lock_that_is_just_being_written_is_held(tmp_path: Path, unfinished: bytes):
    (tmp_path / lock.NAME).write_bytes(unfinished)
    with pytest.raises(TablesHeld, match="held by run unknown"):
        hold(tmp_path, "run2")
    old = time.time() - lock.STALE_S - 1
    os.utime(tmp_path / lock.NAME, (old, old))
    hold(tmp_path, "run2")


def test_it_is_kept_fresh_while_the_run_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lock, "REFRESH_S", 0.02)
    with lock.held(str(tmp_path), "run1"):
        first = content(tmp_path)
        until = time.monotonic() + 30
        while content(tmp_path)["refreshed"] == first["refreshed"] and time.monotonic() < until:
            time.sleep(0.01)
        later = content(tmp_path)
    assert float(str(later["refreshed"])) > float(str(first["refreshed"]))
    assert later["run_id"] == "run1"
    assert os.listdir(tmp_path) == []


def test_a_lost_refresh_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lock, "REFRESH_S", 0.02)
    tables = tmp_path / "tables"
    with lock.held(str(tables), "run1"):
        first = content(tables)
        tables.rename(tmp_path / "away")
        tables.write_text("in the way")
        time.sleep(0.2)
        tables.unlink()
        (tmp_path / "away").rename(tables)
        until = time.monotonic() + 30
        while content(tables)["refreshed"] == first["refreshed"] and time.monotonic() < until:
            time.sleep(0.01)
        assert content(tables)["refreshed"] != first["refreshed"]


def test_a_lock_outlasts_several_lost_refreshes():
    assert lock.STALE_S >= 4 * lock.REFRESH_S


@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize("again", range(10))
def test_of_many_runs_at_once_one_gets_it(tmp_path: Path, stale: bool, again: int):
    if stale:
        left_behind(tmp_path, lock.STALE_S + 1)
    got, done, everybody = [], threading.Barrier(8), threading.Barrier(8)

    def run(name: str) -> None:
        everybody.wait(30)
        try:
            with lock.held(str(tmp_path), name):
                got.append(name)
                done.wait(30)
        except TablesHeld:
            done.wait(30)

    runs = [threading.Thread(target=run, args=(f"run{i}",)) for i in range(8)]
    for each in runs:
        each.start()
    for each in runs:
        each.join(60)
    assert len(got) == 1
    assert os.listdir(tmp_path) == []
