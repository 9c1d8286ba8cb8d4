"""The label job's own worker in one process and one thread, without Ray; as a process of its own, what the whole job is held against.

    python -m benchmarks.line --bundle URL --library URL --tables URL --part 0 --parts 2

says `ready` when it has labelled its first tracks, waits for a line on standard input, labels its part of the library, and ends with a line
of JSON: tracks, seconds, and the most memory that it ever had, in MB.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from genre_batch.choices import Layout
from genre_batch.cluster.accounts import Stamp, Written
from genre_batch.cluster.label import MOST_TRACKS_A_CALL
from genre_batch.cluster.labeller import Labeller
from genre_batch.cluster.run import new_run_id
from genre_batch.limits import Limits
from genre_batch.models import bundle as bundles
from genre_batch.tables import library, storage

WARM_UP = 2


class Line:
    """Rows of the inventory to rows of `labels` in a Parquet part that could be committed."""

    def __init__(self, bundle_url: str, tables: str) -> None:
        bundle = bundles.load(bundle_url)
        stamp = Stamp("label-catalog", storage.normal(tables), new_run_id(), bundle.front_end.digest, bundle.bundle_id)
        self.worker = Labeller(stamp, bundle_url, Limits(), _Nobody(), until=None, timeline=False, gpu=False)

    def __call__(self, tracks: list[dict[str, Any]]) -> Written:
        """Raises AssertionError if a track was refused: its time would be no track's."""
        written = self.worker(tracks)
        assert written.done == len(tracks), written.profile.reasons
        return written


class _Nobody:
    """Stands where the actor is that a run's progress is told to."""

    @property
    def add_all(self) -> "_Nobody":
        return self

    def remote(self, counts: dict[str, int], audio_s: float) -> None:
        pass


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--bundle", "--library", "--tables"):
        options.add_argument(name, required=True, metavar="URL")
    options.add_argument("--part", type=int, default=0)
    options.add_argument("--parts", type=int, default=1)
    asked = options.parse_args()
    tracks = library.read(asked.library, Layout.TREE).tracks.to_pylist()[asked.part :: asked.parts]
    line = Line(asked.bundle, asked.tables)
    line(tracks[:WARM_UP])
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.monotonic()
    audio_s = sum(line(tracks[i : i + MOST_TRACKS_A_CALL]).audio_s for i in range(0, len(tracks), MOST_TRACKS_A_CALL))
    seconds = time.monotonic() - started
    print(json.dumps({"tracks": len(tracks), "seconds": seconds, "audio_s": audio_s, "most_mb": most_mb()}), flush=True)


def most_mb() -> float:
    """The most memory that this process ever held, as Linux tells it."""
    # Not getrusage: what it tells begins with what the parent held when it started this process.
    told = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in told if line.startswith("VmHWM:")) / 1024


if __name__ == "__main__":
    main()
