"""A count that all workers of a run add to; for showing progress only, never for the accounting."""

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


def progress(tally: "ray.actor.ActorHandle") -> tuple[int, str]:
    """For progress.watching: how many tracks, and what became of them."""
    counts = ray.get(tally.seen.remote())
    audio_s = counts.pop("audio_s", 0)
    remark = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items()))
    return sum(counts.values()), f"{remark}, {audio_s / 3600:.1f} h of audio"
