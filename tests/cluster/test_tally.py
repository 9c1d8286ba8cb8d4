"""What workers tell while they work."""

import time

import pytest

from genre_batch.cluster.tally import TELL_EVERY_S, Tally, Teller


class Local:
    """A tally in this process, called as Ray's actors are."""

    def __init__(self) -> None:
        self.tally, self.calls = Tally(), 0

    @property
    def add_all(self) -> "Local":
        return self

    def remote(self, counts: dict[str, int], audio_s: float) -> None:
        self.calls += 1
        self.tally.add_all(counts, audio_s)


def test_some_at_a_time(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    counted = Local()
    teller = Teller(counted)  # type: ignore[arg-type]
    for _ in range(10):
        teller.add("labelled", 30.4)
    assert counted.calls == 0
    now += TELL_EVERY_S
    teller.add("silent", 0.0)
    assert (counted.calls, counted.tally.seen()) == (1, {"labelled": 10, "silent": 1, "audio_s": 304})
    teller.add("labelled", 1.0)
    teller.tell()
    teller.tell()
    assert (counted.calls, counted.tally.seen()) == (2, {"labelled": 11, "silent": 1, "audio_s": 305})


def test_one_by_one():
    tally = Tally()
    tally.add("done", 0.0)
    tally.add("done", 2.6)
    assert tally.seen() == {"done": 2, "audio_s": 3}
