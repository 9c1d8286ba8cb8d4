"""`label-catalog` against independent single-process lines over the same files, and where the rest of its time goes.

All is told from what the job publishes: when each track was labelled, which part it came in, and the run's own row. A part is one
call of a worker. A call begins with its first track, which took as long as the call's other tracks on average; a lane is what one slot
does, call after call. The job's time after start-up is from the beginning of the first call to the last commit, so that it holds all
waiting in between and at the end.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from genre_batch.cluster import label
from genre_batch.cluster.run import CommitEvery
from genre_batch.tables import delta, store
from schemas import labels, runs


@dataclass(frozen=True)
class Call:
    """One call of a worker, in seconds since 1970."""

    began: float
    ended: float
    tracks: int

    @classmethod
    def of(cls, labelled_at: list[float]) -> "Call":
        """Of the times at which its tracks were labelled, two or more, or one whose call is taken to have had no length."""
        first, last, n = min(labelled_at), max(labelled_at), len(labelled_at)
        return cls(first - (last - first) / max(1, n - 1), last, n)


@dataclass(frozen=True)
class Job:
    """One run of the label job, in seconds since 1970; `started` is when its plan was made."""

    asked: float
    started: float
    finished: float
    returned: float
    tracks: int
    audio_s: float
    slots: int
    calls: list[Call]

    @property
    def began(self) -> float:
        """When the first worker was ready."""
        return min(call.began for call in self.calls)

    @property
    def seconds(self) -> float:
        """After start-up, the last commit included."""
        return self.finished - self.began


def run(library: str, bundle: str, tables: str, slots: int, commit_every: CommitEvery | None = None) -> Job:
    """Within a session of so many slots."""
    asked = time.time()
    request = label.Request(
        library_url=library, bundle_url=bundle, tables=tables, commit_every=commit_every or CommitEvery(seconds=30)
    )
    summary = label.label_catalog(request).summary
    returned = time.time()
    assert summary.done == summary.listed, f"{summary.rejected} tracks were rejected, {summary.remaining} remain"
    told = store.read(tables, runs.NAME, runs.ARROW, ["started_at", "finished_at"], f"run_id = '{summary.run_id}'").to_pylist()[
        0
    ]
    return Job(
        asked=asked,
        started=told["started_at"].timestamp(),
        finished=told["finished_at"].timestamp(),
        returned=returned,
        tracks=summary.done,
        audio_s=summary.audio_s,
        slots=slots,
        calls=calls(tables),
    )


def calls(tables: str) -> list[Call]:
    """Those that wrote the parts of `labels`, in the order in which they began."""
    table = delta.open_table(tables, labels.NAME)
    assert table is not None
    found = []
    for part in table.file_uris():
        times = pq.read_table(part.removeprefix("file://"), columns=["labelled_at"])["labelled_at"].to_pylist()
        found.append(Call.of([each.timestamp() for each in times]))
    return sorted(found, key=lambda call: call.began)


def lines(library: str, bundle: str, folder: Path, n: int) -> list[dict[str, float]]:
    """What n lines in processes of their own, started together, say of themselves; each does its share of the library."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "benchmarks.line", "--bundle", bundle, "--library", library, "--parts", str(n)]
    started = [
        subprocess.Popen(
            [*command, "--part", str(part), "--tables", str(folder / str(part))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # As a Ray worker with one CPU has it.
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for part in range(n)
    ]
    try:
        for process in started:
            assert process.stdout
            assert process.stdout.readline() == "ready\n", "a line ended before it was ready"
        for process in started:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        return [json.loads(process.communicate()[0]) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


def rate(found: list[dict[str, float]]) -> float:
    """Tracks a second of all lines together, each by its own clock, so that one which ends early does not wait for the others."""
    return sum(each["tracks"] / each["seconds"] for each in found)


def lanes(found: list[Call], slots: int) -> list[list[Call]]:
    """Calls by what they ran on, as far as times tell: each in the lane that was free first."""
    free: list[list[Call]] = [[] for _ in range(slots)]
    for call in sorted(found, key=lambda call: call.began):
        min(free, key=lambda lane: lane[-1].ended if lane else -np.inf).append(call)
    return [lane for lane in free if lane]


def where(job: Job, lines_per_s: float) -> dict[str, float]:
    """Shares of the time of all slots after start-up; they sum up to 1. The first is the job's speed against the lines'."""
    whole = job.slots * job.seconds
    busy = sum(call.ended - call.began for call in job.calls)
    last = max(call.ended for call in job.calls)
    each = lanes(job.calls, job.slots)
    begun_late = sum(lane[0].began - job.began for lane in each)
    waiting = sum(last - lane[-1].ended for lane in each) + (job.slots - len(each)) * (last - job.began)
    as_lines = job.slots * job.tracks / lines_per_s
    between = job.slots * (last - job.began) - busy - begun_late - waiting
    return {
        "work, at the lines' speed": as_lines / whole,
        "the same work, slower than in a line": (busy - as_lines) / whole,
        "workers that began after the first": begun_late / whole,
        "between two calls: part written, answer handed over": between / whole,
        "waiting for the last call": waiting / whole,
        "last commit": job.slots * (job.finished - last) / whole,
    }


def compare(
    folder: Path, library: str, bundle: str, slots: int, rounds: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Within a session: a row a round, the lines first; and where the time of the round with the median speed went."""
    found = []
    for n in range(rounds):
        alone = rate(lines(library, bundle, folder / f"lines-{n}", slots))
        job = run(library, bundle, str(folder / f"job-{n}"), slots)
        found.append((alone, job))
    rows = [
        {
            "round": str(n),
            "tracks": job.tracks,
            f"{slots} lines, tracks a s": alone,
            "job after start-up, tracks a s": job.tracks / job.seconds,
            "job / lines": job.tracks / job.seconds / alone,
            "the whole call / lines": job.tracks / (job.returned - job.asked) / alone,
        }
        for n, (alone, job) in enumerate(found, start=1)
    ]
    by_speed = sorted(found, key=lambda pair: pair[1].tracks / pair[1].seconds / pair[0])
    alone, job = by_speed[(len(by_speed) - 1) // 2]
    parts = [{"where the time of the slots goes": name, "%": 100 * share} for name, share in where(job, alone).items()]
    return rows, parts
