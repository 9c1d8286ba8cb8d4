"""Progress: a line now and then where nobody watches, a bar on a terminal, and no thread left behind."""

import os
import pty
import re
import threading
import time

import pytest

from genre_batch import progress

ASKED_S = 30.0


class Work:
    """Work in progress that knows how often it was asked."""

    def __init__(self, count: int, remark: str) -> None:
        self.answer = (count, remark)
        self.asked = threading.Semaphore(0)

    def __call__(self) -> tuple[int, str]:
        self.asked.release()
        return self.answer

    def wait(self) -> None:
        """Until it was asked twice, so that the first answer was shown."""
        assert self.asked.acquire(timeout=ASKED_S)
        assert self.asked.acquire(timeout=ASKED_S)


def fail_while_watching() -> int:
    """How many threads there were before it failed."""
    try:
        with progress.watching("labelling", 10, lambda: (3, "")):
            during = threading.active_count()
            raise KeyError("x")
    except KeyError:
        return during


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.05)
    monkeypatch.setattr(progress, "BAR_EVERY_S", 0.05)


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]):
    with progress.watching("labelling", 10, lambda: (3, "")):
        pass
    assert capsys.readouterr().err == ""


def test_a_line_says_how_far_and_how_long(capsys: pytest.CaptureFixture[str], hasty: None):
    work = Work(4, "1 rejected")
    with progress.watching("labelling", 10, work):
        work.wait()
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"labelling: 4 of 10 after \d+ s, about \d+ s left; 1 rejected", said.err.splitlines()[0])


def test_the_time_left_follows_from_the_pace(capsys: pytest.CaptureFixture[str], hasty: None):
    work, started = Work(1, ""), time.monotonic()
    with progress.watching("labelling", 1001, work):
        work.wait()
    took = time.monotonic() - started
    left = int(capsys.readouterr().err.splitlines()[0].split("about ")[1].split(" s left")[0])
    assert 50 <= left <= 1000 * took


def test_before_the_first_track_no_time_is_promised(capsys: pytest.CaptureFixture[str], hasty: None):
    work = Work(0, "starting")
    with progress.watching("labelling", 10, work):
        work.wait()
    assert re.fullmatch(r"labelling: 0 of 10 after \d+ s; starting", capsys.readouterr().err.splitlines()[0])


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, hasty: None):
    monkeypatch.setenv("TERM", "xterm")
    work = Work(4, "1 rejected")
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        with progress.watching("labelling", 10, work):
            work.wait()
            work.wait()
        terminal.flush()
        shown = os.read(master, 100_000).decode()
        monkeypatch.undo()
    os.close(master)
    assert "labelling" in shown
    assert "4/10" in shown
    assert "1 rejected" in shown


def test_the_thread_ends_with_the_block_even_on_an_error():
    before = threading.active_count()
    during = fail_while_watching()
    assert (during, threading.active_count()) == (before + 1, before)


def test_say_goes_to_stderr(capsys: pytest.CaptureFixture[str]):
    progress.say("starting Ray")
    assert capsys.readouterr() == ("", "starting Ray\n")
