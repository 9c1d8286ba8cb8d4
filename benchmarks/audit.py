"""What the audit finds and what it costs: distinct songs that it must not pair, copies that it must find, seconds and memory by size.

Distinct songs are rendered (`--songs`), each by an artist of its own. Copies are of recordings (`--recordings`, a folder of genre folders)
and of rendered songs, `--copies` in all: 3 s cut off the start, 6 dB up or down, MP3 at 128 kbit/s, all three at once. Sizes are told for
fingerprints made up of noise (`--tracks`), of which one in a hundred is there twice; a process each, so that peak memory is its own.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import report
from genre_batch.audit import duplicates, facts, hearing
from genre_batch.audit.bands import Timeline
from genre_batch.audit.facts import Row, Tracks
from genre_batch.audit.fingerprint import Fingerprint, fingerprint, moments, signs
from genre_batch.embedded.genres import RECIPES
from genre_batch.embedded.instruments import RATE_HZ
from genre_batch.embedded.song import Manner, render
from genre_batch.front_end import GTZAN_PUBLISHED, MEL, FrontEnd
from genre_batch.signal import alter, encode
from genre_batch.signal.extract import extract

SONG_S = 15.0
BIT_RATE = 128_000
OFFSET_S = 3.0
NOISE_S = 30.0


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--songs", type=int, default=1000, metavar="N")
    options.add_argument("--copies", type=int, default=100, metavar="N")
    options.add_argument("--recordings", type=Path, metavar="FOLDER")
    options.add_argument("--tracks", type=int, nargs="*", default=[1000, 10_000], metavar="N")
    options.add_argument("--workers", type=int, default=2, metavar="N")
    options.add_argument("--scale", type=int, metavar="N", help="for use by this program itself")
    asked = options.parse_args()
    if asked.scale:
        print(scale(asked.scale))
        return
    rows = [
        row
        for front_end in (None, MEL, GTZAN_PUBLISHED)
        for row in found(asked.songs, asked.copies, asked.recordings, front_end, asked.workers)
    ]
    report.show("What is found", rows, None)
    sizes = [in_a_process(n) for n in asked.tracks]
    if sizes:
        report.show("Finding duplicates among so many fingerprints of 30 s", sizes, asked.json, {"found": rows})


def found(
    n_songs: int, n_copies: int, recordings: Path | None, front_end: FrontEnd | None, workers: int
) -> Iterator[dict[str, Any]]:
    """front_end: of shards; None for recordings as --library hears them."""
    files = sorted(recordings.rglob("*.flac"))[:n_copies] if recordings else []
    originals: list[Path | int] = [*files, *range(n_songs)]
    with ProcessPoolExecutor(workers) as pool:
        prints = list(pool.map(partial(row_of, front_end=front_end, copy=False), originals, chunksize=8))
        copies = list(pool.map(partial(row_of, front_end=front_end, copy=True), originals[:n_copies], chunksize=8))
    tracks = Tracks.of(pa.Table.from_pylist([*prints, *copies], facts.ARROW))
    names = tracks.column("track_id")
    pairs = {(names[pair.first], names[pair.second]): pair.similarity for pair in duplicates.find(tracks)}
    wanted = {tuple(sorted((a["track_id"], b["track_id"]))) for a, b in zip(prints, copies, strict=False)}
    false = [pair for pair in pairs if not any(name.startswith("copy") for name in pair)]
    yield {
        "front end": front_end.name if front_end else "recordings",
        "tracks": len(originals),
        "false pairs": len(false),
        "copies": len(copies),
        "found": len(wanted & pairs.keys()),
        "other pairs": len(pairs.keys() - wanted) - len(false),
        "least similarity": min((pairs[pair] for pair in wanted & pairs.keys()), default=0.0),
    }


def row_of(original: Path | int, *, front_end: FrontEnd | None, copy: bool) -> Row:
    """A file of a recording, or the number of a rendered song."""
    data = song(original) if isinstance(original, int) else original.read_bytes()
    number = original if isinstance(original, int) else sum(original.name.encode())
    if copy:
        data = altered(data, louder=number % 2 == 0)
    name = f"{'copy ' if copy else ''}{original if isinstance(original, int) else original.stem}"
    if front_end is None:
        heard = hearing.hear(data)
        told = fingerprint(heard.pictures, heard.positions, hearing.FRONT_END, heard.duration_s)
        return facts.row(name, None, None, duration_s=heard.duration_s, **facts.stored(told))
    features = extract(data, front_end)
    assert features.spectrograms is not None
    told = fingerprint(features.spectrograms, features.positions, front_end, features.duration_s)
    return facts.row(name, None, None, duration_s=features.duration_s, **facts.stored(told))


def song(number: int) -> bytes:
    """A FLAC file, another for each number."""
    rng = np.random.default_rng((7, number))
    genre = list(RECIPES)[number % len(RECIPES)]
    return encode.libsndfile(render(genre, Manner.of(rng), rng, SONG_S), RATE_HZ, "FLAC", "PCM_16")


def altered(data: bytes, *, louder: bool) -> bytes:
    """All that may befall a copy, at once. Made louder by 6 dB, most recordings clip in the MP3."""
    return alter.mp3(alter.scaled(alter.offset(data, OFFSET_S), 2.0 if louder else 0.5), BIT_RATE)


def in_a_process(n: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.audit", "--scale", str(n)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    names = ("tracks", "moments", "pairs there", "pairs found", "seconds", "MB")
    return dict(zip(names, [*map(int, told[:4]), *map(float, told[4:])], strict=True))


def scale(n: int) -> str:
    """Counts, seconds of finding alone, and peak memory in MB. A hundredth of the tracks is there twice, 3 s later."""
    doubled = max(1, n // 100)
    rows = [facts.row(f"{i:07}", None, None, **facts.stored(noise(i, 0))) for i in range(n - doubled)]
    rows += [facts.row(f"copy {i:07}", None, None, **facts.stored(noise(i, 65))) for i in range(doubled)]
    table = pa.Table.from_pylist(rows, facts.ARROW)
    del rows
    tracks = Tracks.of(table)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    pairs = duplicates.find(tracks)
    seconds = time.monotonic() - started
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    n_moments = sum(len(tracks.moments(i)) for i in range(len(tracks)))
    return f"{n} {n_moments} {doubled} {len(pairs)} {seconds} {more / 1024}"


def noise(number: int, cut: int) -> Fingerprint:
    """As of NOISE_S of music: levels that change about as slowly; `cut` columns of them later."""
    rng = np.random.default_rng((11, number))
    step_s, n = 0.0464, round(NOISE_S / 0.0464)
    levels = np.repeat(rng.normal(0, 6, (32, n // 5 + 2)), 5, axis=1)[:, cut:n].astype(np.float32)
    levels += rng.normal(0, 1.5, (32, n))[:, cut:].astype(np.float32)
    levels -= levels.mean(axis=0)
    fine = Timeline(rng.normal(0, 6, (39, 2 * n)).astype(np.float32)[:, 2 * cut :], step_s / 2)
    return Fingerprint(
        digest=f"{number} {cut}".encode(),
        levels=np.rint(2 * levels).astype(np.int8),
        step_s=step_s,
        signs=signs(fine),
        sign_step_s=fine.step_s,
        moments=moments(levels, np.ones(levels.shape[1], bool), step_s),
        summary=np.zeros((1, 96), np.float32),
    )


if __name__ == "__main__":
    main()
