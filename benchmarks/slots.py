"""Throughput with one, two and four slots, and what a million tracks cost at that speed."""

import os
from pathlib import Path
from typing import Any

from benchmarks import whole_job
from benchmarks.sessions import session

SLOTS = (1, 2, 4)
TRACK_S = 240.0
"""A song. Work grows with its length, so that it may be told from shorter ones."""
TRACKS = 1_000_000


def measure(folder: Path, library: str, bundle: str, price: float) -> list[dict[str, Any]]:
    """A row for each number of slots, after start-up; price: of an hour of one core, in USD."""
    found = {}
    for slots in SLOTS:
        with session(slots):
            found[slots] = whole_job.run(library, bundle, str(folder / f"slots-{slots}"), slots)
    one = found[SLOTS[0]].tracks / found[SLOTS[0]].seconds
    return [row(job, price, one, os.cpu_count() or 1) for job in found.values()]


def row(job: whole_job.Job, price: float, one: float, machine: int) -> dict[str, Any]:
    """one: tracks a second with one slot; machine: cores that there are. More slots than cores cost no more than all cores."""
    cores, audio_per_s = min(job.slots, machine), job.audio_s / job.seconds
    hours = core_hours(audio_per_s / cores)
    return {
        "slots": str(job.slots),
        "cores": cores,
        "tracks a s": job.tracks / job.seconds,
        "times one slot": job.tracks / job.seconds / one,
        "audio s a s": audio_per_s,
        "core hours a million": hours,
        "USD a million": hours * price,
    }


def core_hours(audio_per_core_s: float) -> float:
    """For TRACKS of TRACK_S each; audio_per_core_s: seconds of audio that a core does in a second."""
    return TRACKS * TRACK_S / audio_per_core_s / 3600
