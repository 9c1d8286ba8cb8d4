"""Tracks that something is wrong with."""

import pytest

from genre_batch.audit import faults
from genre_batch.audit.checks import Check
from tests.audit import made


def found(*rows: made.Row, from_recordings: bool = True) -> dict[str, list[tuple[str, str]]]:
    told = faults.faults(made.tracks(rows), from_recordings=from_recordings)
    return {check.value: [(row["track"], row["found"]) for row in rows] for check, rows in told.items() if rows}


WHOLE = [made.row(f"pop/{i}", clipped=0.0, promised_s=20.0) for i in range(3)]


def test_good_tracks_have_no_faults():
    assert found(*WHOLE) == {}


def test_each_fault_is_told_with_its_figure():
    rows = (
        made.row("rock/clipped", clipped=0.02),
        made.row("rock/silent", silent=0.75),
        made.row("rock/cut", promised_s=60.0),
        made.row("rock/broken", duration_s=10.0),
    )
    assert found(*WHOLE, *rows) == {
        "clipped": [("rock/clipped", "2.00% of its samples")],
        "silent": [("rock/silent", "75% of its time")],
        "truncated": [
            ("rock/broken", "10.0 s, where most last 20.0 s"),
            ("rock/cut", "20.0 s of the 60.0 s that its header promises"),
        ],
    }


def test_thresholds_themselves_pass():
    row = made.row("rock/a", clipped=faults.CLIPPED, silent=faults.SILENT, promised_s=20.0 + faults.CUT_S)
    assert found(*WHOLE, row) == {}


def test_short_tracks():
    rows = [made.row(f"pop/{i}", duration_s=seconds) for i, seconds in enumerate((4.9, 5.0, 100.0, 200.0))]
    assert found(*rows) == {"short": [("pop/0", "4.9 s")]}


def test_refused_tracks_are_unreadable_silent_or_short():
    rows = [
        made.refused("pop/a"),
        made.refused("pop/b", "silent", "nothing"),
        made.refused("pop/c", "too_short", "0.50 s long"),
    ]
    assert found(*rows) == {
        "unreadable": [("pop/a", "no audio in it")],
        "silent": [("pop/b", "nothing")],
        "short": [("pop/c", "0.50 s long")],
    }


def test_spectrograms_tell_nothing_of_clipping():
    tracks = made.tracks(WHOLE)
    assert Check.CLIPPED in faults.faults(tracks, from_recordings=True)
    assert Check.CLIPPED not in faults.faults(tracks, from_recordings=False)


@pytest.mark.parametrize(
    ("durations", "usual_s"),
    [
        ([30.0, 30.1, 29.9, 12.0], 30.0),
        ([180.0, 200.0, 240.0, 310.0], None),
        ([30.0, 30.0, 10.0, 10.5, 200.0], None),
        ([30.0], None),
        ([], None),
    ],
)
def test_clips_of_one_length_are_known_by_it(durations: list[float], usual_s: float | None):
    rows = [made.row(f"pop/{i}", duration_s=seconds) for i, seconds in enumerate(durations)]
    assert faults.usual_length(made.tracks([*rows, made.refused("pop/x")])) == usual_s
