"""Progress: a forecast from the newest speed, lines where nobody watches, a bar on a terminal, JSON for collectors of logs."""

import json
import logging
import os
import pty
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genre_batch import progress
from genre_batch.progress import LogFormat, Pace, Standing

ASKED_S = 30.0


class Work:
    """Work in progress that knows how often it was asked; `steps` are done each time."""

    def __init__(self, count: int, remark: str, steps: int = 0) -> None:
        self.count, self.remark, self.steps = count, remark, steps
        self.asked = threading.Semaphore(0)

    def __call__(self) -> tuple[int, str]:
        self.count += self.steps
        self.asked.release()
        return self.count, self.remark

    def wait(self, times: int = 3) -> None:
        """Until it was asked so often; the answer before the last one was shown then."""
        for _ in range(times):
            assert self.asked.acquire(timeout=ASKED_S)


def fail_while_watching() -> int:
    """How many threads there were before it failed."""
    try:
        with progress.watching("labelling", 10, lambda: (3, "")):
            during = threading.active_count()
            raise KeyError("x")
    except KeyError:
        return during


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)


@pytest.fixture
def as_json() -> Iterator[None]:
    progress.set_format(LogFormat.JSON)
    yield
    progress.set_format(LogFormat.TEXT)


def test_speed_and_time_left_by_hand():
    pace = Pace(100, started=1000.0)
    assert pace.see(1001.0, 0) == Standing(0, 100, 1.0, None, None)
    assert pace.see(1011.0, 20, "2 rejected") == Standing(20, 100, 11.0, 2.0, 40.0, "2 rejected")
    assert pace.see(1021.0, 60) == Standing(60, 100, 21.0, 3.0, 40.0 / 3)
    assert pace.see(1031.0, 100).left_s == 0.0


def test_a_slow_start_does_not_count():
    """Two minutes of loading models, then a track a second: a mean over all would tell 18 minutes instead of 6."""
    pace = Pace(400, started=0.0)
    for now in range(120):
        assert pace.see(float(now), 0).left_s is None
    standing = pace.see(159.0, 40)
    assert (standing.per_s, standing.left_s) == (1.0, 360.0)
    assert 159.0 / 40 * 360 > 1080


def test_what_was_done_before_the_first_look_does_not_count():
    pace = Pace(100, started=0.0)
    assert pace.see(1.0, 50).left_s is None
    standing = pace.see(11.0, 55)
    assert (standing.per_s, standing.left_s) == (0.5, 90.0)


def test_speed_is_that_of_the_window():
    """A hundred a second for ten minutes, then one a second: six minutes later nothing is left of the burst."""
    pace = Pace(100_000, started=0.0, window_s=300.0)
    for now in range(0, 601, 10):
        fast = pace.see(float(now), 100 * now)
    assert fast.per_s == 100.0
    for now in range(610, 961, 10):
        slow = pace.see(float(now), 60_000 + now - 600)
    assert slow.per_s == 1.0
    assert slow.left_s == 100_000 - 60_360


def test_work_that_stands_still_has_no_end():
    pace = Pace(10, started=0.0, window_s=60.0)
    pace.see(0.0, 0)
    pace.see(10.0, 5)
    assert [pace.see(float(now), 5).left_s for now in range(20, 70, 10)] == [20.0, 30.0, 40.0, 50.0, 60.0]
    standing = pace.see(80.0, 5)
    assert (standing.per_s, standing.left_s) == (0.0, None)


@given(st.lists(st.tuples(st.floats(0.1, 100), st.integers(0, 50)), min_size=1, max_size=60), st.floats(1, 500))
def test_a_steady_or_unsteady_pace_never_tells_nonsense(steps: list[tuple[float, int]], window_s: float):
    pace, now, done = Pace(10_000, started=0.0, window_s=window_s), 0.0, 0
    speeds = [n / dt for dt, n in steps]
    for dt, n in steps:
        now, done = now + dt, done + n
        standing = pace.see(now, done)
        assert standing.done == done
        if standing.per_s is not None:
            assert 0 <= standing.per_s <= max(speeds) * (1 + 1e-6)
            assert (standing.left_s is None) == (standing.per_s == 0)


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (754, "13 min"), (7199, "120 min"), (12_240, "3.4 h")]
)
def test_durations_for_people(seconds: float, told: str):
    assert progress.duration(seconds) == told


def test_told_to_people():
    standing = Standing(40, 1000, 60.0, 1.3333, 720.0, "1 rejected")
    assert progress.told("labelling", standing) == (
        "labelling: 40 of 1000 after 60 s, 1.33 a second, about 12 min left; 1 rejected"
    )


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]):
    with progress.watching("labelling", 10, lambda: (3, "")):
        pass
    assert said(capsys) == []


def test_a_line_says_how_far_and_how_long(capsys: pytest.CaptureFixture[str], hasty: None):
    work = Work(4, "1 rejected", steps=1)
    with progress.watching("labelling", 1000, work):
        work.wait()
    lines = said(capsys)
    assert re.fullmatch(r"labelling: 5 of 1000 after 0 s; 1 rejected", lines[0])
    assert re.fullmatch(r"labelling: 6 of 1000 after \d+ s, [\d.]+ a second, about \d+ (s|min|h) left; 1 rejected", lines[1])


def test_before_the_first_track_no_time_is_promised(capsys: pytest.CaptureFixture[str], hasty: None):
    work = Work(0, "starting")
    with progress.watching("labelling", 10, work):
        work.wait()
    assert all(re.fullmatch(r"labelling: 0 of 10 after \d+ s; starting", line) for line in said(capsys)[:2])


def test_lines_come_seldom_and_looks_often(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(progress, "LOOK_EVERY_S", 0.01)
    work = Work(0, "")
    with progress.watching("labelling", 10, work):
        work.wait(times=10)
    assert said(capsys) == []


def test_others_hear_of_it_too(hasty: None):
    heard: list[Standing] = []
    work = Work(0, "", steps=2)
    with progress.watching("labelling", 1000, work, seen=heard.append):
        work.wait()
    assert [each.done for each in heard[:2]] == [2, 4]
    assert heard[1].per_s == pytest.approx(2 / (heard[1].elapsed_s - heard[0].elapsed_s))


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, work: Work) -> str:
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        with progress.watching("labelling", 1000, work):
            work.wait(times=5)
        terminal.flush()
        shown = os.read(master, 100_000).decode()
        monkeypatch.undo()
    os.close(master)
    return shown


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, hasty: None):
    shown = on_a_terminal(monkeypatch, Work(4, "1 rejected", steps=1))
    assert "labelling" in shown
    assert re.search(r"\b[5-9]/1000", shown)
    assert "left" in shown
    assert "1 rejected" in shown


def test_a_terminal_gets_no_bar_where_json_is_asked_for(monkeypatch: pytest.MonkeyPatch, hasty: None, as_json: None):
    shown = on_a_terminal(monkeypatch, Work(4, "1 rejected", steps=1)).splitlines()
    assert json.loads(shown[0])["done"] == 5


def test_the_thread_ends_with_the_block_even_on_an_error():
    before = threading.active_count()
    during = fail_while_watching()
    assert (during, threading.active_count()) == (before + 1, before)


def test_say_warn_and_fail_go_to_stderr(capsys: pytest.CaptureFixture[str]):
    progress.say("starting Ray", nodes=3)
    progress.warn("no room")
    progress.fail("the store is gone")
    assert said(capsys) == ["starting Ray", "warning: no room", "error: the store is gone"]


def test_json_lines(capsys: pytest.CaptureFixture[str], as_json: None):
    began = datetime.now(UTC)
    with progress.about(job="label-catalog", run_id="r1"):
        progress.say("committed", tracks=500, path="/müsik/\nlist")
        with progress.about(job="inner"):
            progress.warn("slow")
    progress.fail("over")
    first, second, third = map(json.loads, said(capsys))
    assert list(first)[:3] == ["time", "level", "message"]
    assert began.timestamp() - 0.002 <= datetime.fromisoformat(first.pop("time")).timestamp() <= datetime.now(UTC).timestamp()
    expected = {"level": "info", "message": "committed", "job": "label-catalog", "run_id": "r1", "tracks": 500}
    assert first == expected | {"path": "/müsik/\nlist"}
    assert (second["level"], second["job"], second["run_id"]) == ("warning", "inner", "r1")
    assert third.keys() == {"time", "level", "message"}
    assert (third["level"], third["message"]) == ("error", "over")


def test_times_in_json_are_in_utc(capsys: pytest.CaptureFixture[str], as_json: None):
    progress.say("x")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", json.loads(said(capsys)[0])["time"])


def test_progress_in_json(capsys: pytest.CaptureFixture[str], hasty: None, as_json: None):
    work = Work(4, "1 rejected", steps=1)
    with progress.about(run_id="r1"), progress.watching("labelling", 1000, work):
        work.wait()
    first, second, *_ = map(json.loads, said(capsys))
    assert first["message"].startswith("labelling: 5 of 1000 after")
    assert {key: first[key] for key in ("event", "what", "done", "total", "per_s", "left_s", "remark", "run_id")} == {
        "event": "progress",
        "what": "labelling",
        "done": 5,
        "total": 1000,
        "per_s": None,
        "left_s": None,
        "remark": "1 rejected",
        "run_id": "r1",
    }
    assert second["left_s"] == pytest.approx(994 / second["per_s"])


def test_what_modules_log_looks_alike(capsys: pytest.CaptureFixture[str]):
    logging.getLogger("genre_batch.tables.store").warning("%s is slow", "s3://music")
    assert said(capsys) == ["warning: s3://music is slow"]


def test_warnings_of_python_are_json_too(capsys: pytest.CaptureFixture[str], as_json: None):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old file", UserWarning, stacklevel=1)
    (line,) = said(capsys)
    assert json.loads(line)["level"] == "warning"
    assert "UserWarning: old file" in json.loads(line)["message"]


def test_a_defect_is_one_object_with_its_trace(capsys: pytest.CaptureFixture[str], as_json: None):
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    (line,) = said(capsys)
    found = json.loads(line)
    assert (found["level"], found["message"]) == ("error", "ZeroDivisionError: by zero")
    assert 'raise ZeroDivisionError("by zero")' in found["trace"]


def test_text_again_after_json(capsys: pytest.CaptureFixture[str]):
    progress.set_format(LogFormat.JSON)
    progress.set_format(LogFormat.TEXT)
    progress.say("x")
    assert said(capsys) == ["x"]
    assert sys.excepthook is sys.__excepthook__
