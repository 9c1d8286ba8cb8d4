"""Do the original's four networks train here, and how much memory does it take? An epoch of each through `train-network`, from shards.

On songs of the embedded library, one of each artist, just long enough for one segment. `GiB` is the most that all processes of the job
held at a time: the private memory of each, and once what they share.
"""

import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks import report
from genre_batch.embedded import library

NETWORKS = {
    "mini-vgg-v5": "seed-10s",
    "mini-vgg-v6": "seed-3s",
    "resnet34-seed": "seed-3s",
    "resnet34-fusion": "seed-3s",
}
SONG_S = {"seed-10s": 10.5, "seed-3s": 3.2}
SONG = "Song 1."
EVERY_S = 0.2
LIMIT_GIB = 24.0


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--only", choices=sorted(NETWORKS), action="append", help="may be repeated; default: all")
    asked = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="genre-batch-") as name:
        folder = Path(name)
        for network in asked.only or NETWORKS:
            shards = _shards(folder, NETWORKS[network])
            bundle = folder / network
            print(f"{network} …", file=sys.stderr)
            started = time.monotonic()
            held = most_held(_job("train-network", "--shards", shards, "--bundle", bundle, "--network", network, "--epochs", 1))
            rows.append({"network": network, "seconds": time.monotonic() - started, "GiB": held, "allowed": LIMIT_GIB})
    report.show("An epoch through train-network", rows, asked.json)


def _shards(folder: Path, front_end: str) -> Path:
    place = folder / front_end
    if not place.exists():
        songs = folder / f"{front_end}-songs"
        with library.write(songs, song_s=SONG_S[front_end]).open() as text:
            rows = [row for row in csv.DictReader(text) if SONG in row["uri"]]
        with (songs / "few.csv").open("w", newline="") as text:
            writer = csv.DictWriter(text, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        asked = ("--library", songs / "few.csv", "--shards", place, "--front-end", front_end, "--descriptors")
        subprocess.run(_job("build-shards", *asked), check=True)
    return place


def _job(*arguments: Any) -> list[str]:
    return [sys.executable, "-m", "jobs", *map(str, arguments)]


def most_held(command: list[str]) -> float:
    """GiB that a command and what it started held at most at a time. Raises CalledProcessError."""
    most = 0
    with subprocess.Popen(command) as job:
        while job.poll() is None:
            most = max(most, _held(job.pid))
            time.sleep(EVERY_S)
    if job.returncode:
        raise subprocess.CalledProcessError(job.returncode, command)
    return most / 2**30


def _held(pid: int) -> int:
    """Bytes now."""
    private, shared = 0, 0
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            memory = process.memory_info()
            private += memory.rss - memory.shared
            shared = max(shared, memory.shared)
    except psutil.NoSuchProcess:
        # One ended between the list and the look: the next look counts.
        pass
    return private + shared


if __name__ == "__main__":
    main()
