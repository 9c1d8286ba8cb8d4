"""What a worker's memory comes to: after hundreds, thousands and ten thousands of tracks, and for a recording of two hours."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks import catalogs, whole_job
from benchmarks.sessions import session
from genre_batch.cluster.run import CommitEvery
from genre_batch.tables import store
from schemas import labels

EVERY_S = 0.1
SHORT = 20
"""Different recordings among the many short ones."""
TWO_HOURS_S = 7200.0
MB = 2**20


class Sample(NamedTuple):
    """What the largest worker held at a time, in seconds since 1970 and MB."""

    at: float
    rss_mb: float


def by_tracks(folder: Path, bundle: str, counts: list[int]) -> list[dict[str, Any]]:
    """A row for each count: resident memory of the one worker of a run when it had labelled so many."""
    library = catalogs.write(folder / "short", catalogs.short(SHORT), "ogg", max(counts))
    with session(1), sampling() as samples:
        whole_job.run(library, bundle, str(folder / "short-tables"), 1, CommitEvery(tracks=1000))
    labelled = store.read(str(folder / "short-tables"), labels.NAME, labels.ARROW, ["labelled_at"])["labelled_at"]
    times = sorted(each.timestamp() for each in labelled.to_pylist())
    found = [(n, held_after(samples, times[n - 1])) for n in sorted(counts)]
    return [{"tracks": n, "worker MB": held, "more than after the first": held - found[0][1]} for n, held in found]


def held_after(samples: list[Sample], at: float) -> float:
    """The sample nearest to a time."""
    return min(samples, key=lambda sample: abs(sample.at - at)).rss_mb


@contextmanager
def sampling() -> Iterator[list[Sample]]:
    """Samples of this process's Ray workers, more and more of them until the block is left."""
    samples: list[Sample] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(EVERY_S):
            held = [rss for rss in map(worker_rss, psutil.Process().children(recursive=True)) if rss]
            if held:
                samples.append(Sample(time.time(), max(held) / MB))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield samples
    finally:
        stop.set()
        looking.join()


def worker_rss(process: psutil.Process) -> int:
    """Bytes; 0 for a process that does no tracks, or is gone."""
    try:
        return process.memory_info().rss if process.name().startswith(("ray::Map", "ray::_call")) else 0
    except psutil.NoSuchProcess:
        return 0


def of_long(folder: Path, song: bytes, bundles: dict[str, str]) -> list[dict[str, Any]]:
    """The most memory that a process ever had which labels one recording, for half a minute and for two hours."""
    half = catalogs.write(folder / "half-a-minute", [song], "mp3", 1)
    long = catalogs.write(folder / "two-hours", [catalogs.hours(song, TWO_HOURS_S)], "mp3", 1)
    rows = []
    for name, bundle in bundles.items():
        (small,) = whole_job.lines(half, bundle, folder / f"half-{name}", 1)
        (large,) = whole_job.lines(long, bundle, folder / f"long-{name}", 1)
        rows.append(
            {
                "bundle": name,
                "minutes": large["audio_s"] / 60,
                "file MB": (Path(long) / "000000.mp3").stat().st_size / MB,
                "MB for 30 s": small["most_mb"],
                "MB for two hours": large["most_mb"],
                "more": large["most_mb"] - small["most_mb"],
            }
        )
    return rows
