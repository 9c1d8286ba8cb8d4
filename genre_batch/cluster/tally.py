"""What workers tell the driver while they work; for showing progress only, never for the accounting."""

import time
from collections import Counter

import ray

TELL_EVERY_S = 0.5


class Tally:
    """Tracks by outcome, and seconds of audio; a Ray actor."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, outcome: str, audio_s: float) -> None:
        self.counts[outcome] += 1
        self.counts["audio_s"] += round(audio_s)

    def add_all(self, counts: dict[str, int], audio_s: float) -> None:
        self.counts.update(counts)
        self.counts["audio_s"] += round(audio_s)

    def seen(self) -> dict[str, int]:
        return dict(self.counts)


class Teller:
    """What a worker tells the tally, at most every TELL_EVERY_S and at the end of a call: to tell of every track costs both of them."""

    def __init__(self, counted: "ray.actor.ActorHandle") -> None:
        self.counted, self.told_at = counted, time.monotonic()
        self.counts: Counter[str] = Counter()
        self.audio_s = 0.0

    def add(self, outcome: str, audio_s: float) -> None:
        self.counts[outcome] += 1
        self.audio_s += audio_s
        if time.monotonic() - self.told_at >= TELL_EVERY_S:
            self.tell()

    def tell(self) -> None:
        if self.counts:
            self.counted.add_all.remote(dict(self.counts), self.audio_s)
        self.counts.clear()
        self.audio_s, self.told_at = 0.0, time.monotonic()


class Latest:
    """The newest figures of a training; a Ray actor."""

    def __init__(self) -> None:
        self.count, self.remark = 0, "starting"

    def set(self, count: int, remark: str) -> None:
        self.count, self.remark = count, remark

    def seen(self) -> tuple[int, str]:
        return self.count, self.remark


def progress(tally: "ray.actor.ActorHandle") -> tuple[int, str]:
    """For progress.watching: how many tracks, and what became of them."""
    counts = ray.get(tally.seen.remote())
    audio_s = counts.pop("audio_s", 0)
    remark = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items()))
    return sum(counts.values()), remark + (f", {audio_s / 3600:.1f} h of audio" if audio_s else "")
