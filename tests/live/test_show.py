"""Answers as lines, as JSON and as bars."""

import io
import json

import pytest
from rich.console import Console

from genre_batch.errors import Silent
from genre_batch.live.answer import Answer, Ended, State
from genre_batch.live.show import Bars, JsonLines, Lines, picture
from genre_batch.models.verdict import Verdict
from tests.sample_bundle import sample

STABLE = Answer(75.0, State.STABLE, "rock", "rock", 0.75, (("rock", 0.75), ("jazz", 0.25)))
UNKNOWN = Answer(3675.0, State.UNKNOWN, "unknown", "jazz", 0.375, (("jazz", 0.375), ("rock", 0.25)))
SILENCE = Answer(4.0, State.UNKNOWN, "unknown", None, 0.0, ())
VERDICT = Ended(76.5, Verdict("unknown", 0.4, "rock", "jazz", [0.375, 0.4]))
REFUSED = Ended(2.0, None, Silent("no segment is louder than -60 dBFS"))


def test_lines(capsys: pytest.CaptureFixture[str]):
    with Lines(sample()) as show:
        for answer in (STABLE, UNKNOWN, SILENCE):
            show(answer)
        for ended in (VERDICT, REFUSED, Ended(76.5, Verdict("rock", 0.8, "rock", "jazz", [0.2, 0.8]), exact=False)):
            show.end(ended)
    assert capsys.readouterr().out.splitlines() == [
        "1:15  stable  rock 0.75  (rock 0.75, jazz 0.25)",
        "1:01:15  unknown unknown 0.38  (jazz 0.38, rock 0.25)",
        "0:04  unknown unknown",
        "1:16 heard: unknown, most likely rock, confidence 0.40",
        "0:02 heard: no label (silent: no segment is louder than -60 dBFS)",
        "1:16 heard: rock, confidence 0.80; about: it was too long to be drawn as one",
    ]


def test_json(capsys: pytest.CaptureFixture[str]):
    with JsonLines(sample()) as show:
        show(STABLE)
        show(SILENCE)
        show.end(VERDICT)
        show.end(REFUSED)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {
            "t": 75.0,
            "state": "stable",
            "genre": "rock",
            "best_genre": "rock",
            "confidence": 0.75,
            "top": [{"genre": "rock", "probability": 0.75}, {"genre": "jazz", "probability": 0.25}],
        },
        {"t": 4.0, "state": "unknown", "genre": "unknown", "best_genre": None, "confidence": 0.0, "top": []},
        {
            "t": 76.5,
            "state": "ended",
            "genre": "unknown",
            "best_genre": "rock",
            "confidence": 0.4,
            "runner_up": "jazz",
            "probabilities": {"jazz": 0.375, "rock": 0.4},
            "exact": True,
        },
        {"t": 2.0, "state": "ended", "genre": None, "reason": "silent", "detail": "no segment is louder than -60 dBFS"},
    ]


def test_bars_are_as_long_as_genres_are_likely():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    console.print(picture(STABLE))
    assert isinstance(console.file, io.StringIO)
    head, rock, jazz = console.file.getvalue().splitlines()
    assert head.strip() == "1:15  stable  rock 0.75"
    assert rock.startswith("rock")
    assert rock.rstrip().endswith("0.75")
    assert jazz.rstrip().endswith("0.25")
    assert (rock.count("━"), jazz.count("━")) == (22, 7)


def test_bars_leave_the_verdict_on_the_terminal(capsys: pytest.CaptureFixture[str]):
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with Bars(sample(), console) as show:
        show(STABLE)
        show(SILENCE)
        show.end(VERDICT)
    assert capsys.readouterr().out == "1:16 heard: unknown, most likely rock, confidence 0.40\n"
    assert isinstance(console.file, io.StringIO)
    assert "stable" in console.file.getvalue()
