"""What workers tell the driver while they work; for showing progress only, never for the accounting."""

from collections import Counter

import ray


class Tally:
    """Tracks by outcome, and seconds of audio; a Ray actor."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, outcome: str, audio_s: float) -> None:
        self.counts[outcome] += 1
        self.counts["audio_s"] += round(audio_s)

    def seen(self) -> dict[str, int]:
        return dict(self.counts)


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
