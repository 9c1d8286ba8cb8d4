"""What a bundle's models cost: time of one core for a segment, and bytes."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from genre_batch.front_end import FrontEnd
from genre_batch.models import scorer
from genre_batch.models.bundle import Member, Served
from genre_batch.models.scorer import Scorer
from schemas.descriptors import NAMES

SEGMENTS = 6
"""Scored at a time, as of a track of half a minute."""
BUDGET_S = 0.2
"""Of each model; one that takes longer for a single segment is run once."""


def measure(members: Sequence[Member], front_end: FrontEnd) -> dict[str, Any]:
    """`members`: of each the name of its `model`, `milliseconds` a segment on one core, as served on a CPU, and `bytes` of its
    files; then the sums of both.

    Time to decode a recording and to compute what the models see is not in it.
    """
    scorers = [scorer.of_served(Served((member.served,), None, front_end)) for member in members]
    spent = [round(milliseconds(score, front_end), 3) for score in scorers]
    sizes = [sum(len(data) for data in member.files.values()) for member in members]
    return {
        "members": [
            {"model": member.model, "milliseconds": ms, "bytes": size}
            for member, ms, size in zip(members, spent, sizes, strict=True)
        ],
        "milliseconds": round(sum(spent), 3),
        "bytes": sum(sizes),
    }


def milliseconds(score: Scorer, front_end: FrontEnd) -> float:
    """Time of one core for a segment: the least of several runs, for other work on the machine only adds to it."""
    rng = np.random.default_rng(0)
    spectrograms = descriptors = None
    if front_end.spectrograms:
        spectrograms = rng.integers(0, 256, (SEGMENTS, *front_end.spectrogram_shape), np.uint8)
    if front_end.descriptors:
        descriptors = rng.normal(size=(SEGMENTS, len(NAMES)))

    def run(n: int) -> float:
        # Of this thread, not of the clock on the wall: what waits for a core costs nothing.
        started = time.thread_time()
        score(None if spectrograms is None else spectrograms[:n], None if descriptors is None else descriptors[:n])
        return 1000 * (time.thread_time() - started) / n

    with threadpool_limits(1):
        first = run(1)
        if first > 1000 * BUDGET_S:
            return first
        until, least = time.monotonic() + BUDGET_S, run(SEGMENTS)
        while time.monotonic() < until:
            least = min(least, run(SEGMENTS))
        return least
