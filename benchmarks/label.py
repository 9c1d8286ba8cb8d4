"""Labelling: what a track costs in one process, how near the whole job comes to that, what it holds in memory; all in one run.

    one-process  stereo mp3 to a row in a Parquet part, against librosa and eager PyTorch; CPU seconds of one thread, in turn
    start-up     what comes before the first track and after the last
    job          label-catalog on --slots slots against as many independent single-process lines, in turn; and where the rest goes
    slots        throughput with 1, 2 and 4 slots, and what a million tracks cost
    memory       of a worker after 100, 1,000 and 10,000 tracks, and of a process that labels a two-hour mp3

Recordings are songs of the embedded library as 44.1 kHz stereo mp3. The networks are untrained where no bundle is named: their time is
that of trained ones. Reads and writes are of the local disk.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import catalogs, memory, one_process, report, slots, start_up, whole_job
from benchmarks.sessions import session
from genre_batch.front_end import MEL
from genre_batch.models import bundle as bundles

IDLE = 0.5
"""Load below which the machine has nothing else to do."""
PARTS = ("one-process", "start-up", "job", "slots", "memory")
Rows = list[dict[str, Any]]


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--only", action="append", choices=PARTS, help="once for each part; default: all")
    options.add_argument("--songs", type=int, default=8, help="different recordings (default 8)")
    options.add_argument("--song-s", type=float, default=30.0, help="seconds of each (default 30)")
    options.add_argument(
        "--tracks", type=int, default=1000, help="of the whole job; most are links to the same songs (default 1000)"
    )
    options.add_argument("--alone", type=int, default=32, help="tracks of one process in a round (default 32)")
    options.add_argument("--rounds", type=int, default=3, help="in turn (default 3)")
    options.add_argument("--slots", type=int, default=2, help="of job and start-up (default 2)")
    options.add_argument("--count", type=int, action="append", help="of tracks, for memory; default: 100, 1000 and 10000")
    options.add_argument("--bundle", help="of the whole job (default: one `compact` network, untrained)")
    options.add_argument("--price", type=float, default=0.05, help="of an hour of one core, in USD (default %(default)s)")
    asked = options.parse_args()
    wanted = asked.only or PARTS
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        folder = Path(place)
        songs = catalogs.recordings(asked.songs, asked.song_s)
        compact = catalogs.untrained("compact", MEL, folder / "bundle")
        bundle = asked.bundle or compact
        library = catalogs.write(folder / "library", songs, "mp3", asked.tracks)
        found: dict[str, Rows] = {}
        print(f"{machine(os.cpu_count() or 1, load)}\n", flush=True)

        def tell(title: str, rows: Rows) -> None:
            found[title] = rows
            print(f"{title}\n\n{as_markdown(rows)}\n", flush=True)

        if "one-process" in wanted:
            rows = one_process.compare(folder / "alone", songs, asked.alone, asked.rounds, asked.song_s)
            tell(f"One process, one thread: stereo mp3 of {asked.song_s:g} s to a label, CPU time", rows)
        if "start-up" in wanted:
            tell("From the command to its end, seconds", start_up.measure(folder, library, bundle, asked.slots))
        if "job" in wanted:
            with session(asked.slots):
                # Start-up is not part of this: worker processes are there when it begins.
                whole_job.run(library, bundle, str(folder / "warm"), asked.slots)
                rounds, parts = whole_job.compare(folder / "job", library, bundle, asked.slots, asked.rounds)
            tell(f"The whole job on {asked.slots} slots against {asked.slots} independent lines", rounds)
            tell("Where the job's time goes after start-up, round of the median", parts)
        if "slots" in wanted:
            formula = f"{slots.TRACKS:,} × {slots.TRACK_S:g} s ÷ (audio s a s ÷ cores) ÷ 3600 × {asked.price:g} USD a core hour"
            tell(f"Slots, and a million tracks: {formula}", slots.measure(folder, library, bundle, asked.price))
        if "memory" in wanted:
            counts = asked.count or [100, 1000, 10_000]
            tell("Resident memory of the one worker of a run, tracks of 2 s", memory.by_tracks(folder, bundle, counts))
            both = {"compact": compact, bundles.PUBLISHED: bundles.PUBLISHED}
            tell("The most memory of a process that labels one recording", memory.of_long(folder, songs[0], both))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")


def machine(cores: int, load: float) -> str:
    """What the figures were measured on, and which of them not to believe."""
    said = f"{cores} cores, load {load:.1f} when this began."
    busy = " Other work ran beside: only ratios of CPU time (one process) and memory mean anything."
    return said + (busy if load > IDLE else "")


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with equal keys as a table: texts to the left, figures to the right with three significant digits."""
    head = list(rows[0])
    lines = [head, ["---" if isinstance(value, str) else "--:" for value in rows[0].values()]]
    lines += [[report._figure(value) for value in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
