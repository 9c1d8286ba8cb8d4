"""Bytes that are on their way while others are worked on."""

import time
from pathlib import Path
from typing import Any

import pytest

from genre_batch.cluster import ahead
from genre_batch.errors import Missing, TooLarge
from genre_batch.limits import Limits
from tests.rows import listed


def tracks_in(folder: Path, n: int) -> list[dict[str, Any]]:
    """So many files, each holding its number."""
    for i in range(n):
        (folder / f"{i}.wav").write_bytes(b"%d" % i)
    return [listed(str(i), uri=str(folder / f"{i}.wav"), size=1) for i in range(n)]


def slowly(monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[str]:
    """Each read takes so long; gives the ids in the order in which they were begun."""
    begun, real = [], ahead.read_track

    def slow(track: dict[str, Any], limits: Limits) -> bytes:
        begun.append(track["track_id"])
        time.sleep(seconds)
        return real(track, limits)

    monkeypatch.setattr(ahead, "read_track", slow)
    return begun


@pytest.mark.parametrize("n", [0, 1, 5])
def test_each_track_has_its_own_bytes(tmp_path: Path, n: int):
    found = [(track["track_id"], read()) for track, read in ahead.each(tracks_in(tmp_path, n), Limits())]
    assert found == [(str(i), b"%d" % i) for i in range(n)]


def test_reading_and_work_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    slowly(monkeypatch, 0.2)
    started = time.monotonic()
    for _, read in ahead.each(tracks_in(tmp_path, 6), Limits()):
        read()
        time.sleep(0.2)
    # Seven times 0.2 s, for the first is waited for; one after the other it is twelve times.
    assert 1.4 <= time.monotonic() - started < 2.0


def test_what_a_read_raises_is_raised_for_its_track(tmp_path: Path):
    tracks = tracks_in(tmp_path, 4)
    (tmp_path / "1.wav").unlink()
    (tmp_path / "2.wav").write_bytes(b"many")
    told = []
    for track, read in ahead.each(tracks, Limits(bytes=3)):
        try:
            told.append(read())
        except (Missing, TooLarge) as error:
            told.append((track["track_id"], type(error)))
    assert told == [b"0", ("1", Missing), ("2", TooLarge), b"3"]


def test_what_is_large_waits_for_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    begun = slowly(monkeypatch, 0.0)
    tracks = tracks_in(tmp_path, 3)
    tracks[1]["size"] = ahead.MOST_BYTES + 1
    for track, read in ahead.each(tracks, Limits()):
        time.sleep(0.1)
        assert begun == {"0": [], "1": ["0", "2"], "2": ["0", "2", "1"]}[track["track_id"]]
        read()


def test_a_read_that_hangs_holds_up_its_own_track_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = ahead.read_track

    def hanging(track: dict[str, Any], limits: Limits) -> bytes:
        if track["track_id"] == "1":
            time.sleep(3)
        return real(track, limits)

    monkeypatch.setattr(ahead, "read_track", hanging)
    started = time.monotonic()
    for track, read in ahead.each(tracks_in(tmp_path, 4), Limits()):
        # As after TooSlow: whoever works on it has given up.
        if track["track_id"] != "1":
            read()
    assert time.monotonic() - started < 2
