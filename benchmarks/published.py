"""How near front end `gtzan-published` comes to the published GTZAN spectrograms, and what each of its choices is worth.

Needs two things that are not part of this project: whole GTZAN recordings with a manifest.csv, and the published log-mel
spectrograms, `dB = -80 + 80 * X / 255` relative to the track's maximum. Errors are those of all cells of all recordings.
"""

import csv
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import report
from genre_batch.front_end import GTZAN_PUBLISHED, FrontEnd
from genre_batch.signal.extract import extract

WHOLE_S = 30.0
SAME_RECORDING_DB = 0.15
"""The manifest's error of a recording that is the one the spectrogram was made of; others are another encoding or level."""

VARIANTS = {
    "as it is: 10 s segments, frames from sample 617": GTZAN_PUBLISHED,
    "one segment of 30 s": replace(GTZAN_PUBLISHED, segment_s=30.0, segment_hop_s=30.0),
    "frames from sample 0": replace(GTZAN_PUBLISHED, frame_offset=0),
    "0 dB is the segment's maximum": replace(GTZAN_PUBLISHED, reference="segment"),
    "bands from 30 Hz": replace(GTZAN_PUBLISHED, fmin_hz=30.0),
}


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--data", type=Path, default=Path("../shared/data/gtzan"), help="default %(default)s")
    asked = options.parse_args()
    if not (asked.data / "audio" / "manifest.csv").is_file():
        sys.exit(f"{asked.data} holds no GTZAN recordings (audio/manifest.csv): name the folder with --data")
    recordings = dict(whole(asked.data / "audio"))
    with np.load(asked.data / "logmel_u8_128x387.npz") as archive:
        published = dict(zip((str(name) for name in archive["name"]), archive["X"], strict=True))
    recordings = {track: data for track, data in recordings.items() if track in published}
    rows = [{"front end": name} | compare(front_end, recordings, published) for name, front_end in VARIANTS.items()]
    report.show(f"{len(recordings)} recordings against the published spectrograms, in dB", rows, asked.json)


def whole(audio: Path) -> Iterator[tuple[str, bytes]]:
    """Track and bytes of the recordings that are 30 s long and the very ones that were published."""
    with (audio / "manifest.csv").open() as file:
        for row in csv.DictReader(file):
            if float(row["seconds"]) >= WHOLE_S and float(row["median_abs_error_db"]) <= SAME_RECORDING_DB:
                track = row["track"]
                yield track, (audio / track.split(".")[0] / f"{track}.flac").read_bytes()


def compare(front_end: FrontEnd, recordings: dict[str, bytes], published: dict[str, npt.NDArray[np.uint8]]) -> dict[str, float]:
    """Median and 95th percentile of the absolute error, and the mean error, ours less theirs."""
    errors = []
    for track, data in recordings.items():
        ours, theirs = extract(data, front_end).spectrograms, published[track]
        # Segment by segment: a front end that draws a column more must not shift what follows.
        columns = theirs.shape[1] // len(ours)
        for i, picture in enumerate(ours):
            pair = picture[:, :columns], theirs[:, i * columns : (i + 1) * columns]
            errors.append((pair[0].astype(np.float32) - pair[1]) * np.float32(front_end.top_db / 255))
    error = np.concatenate([e.ravel() for e in errors])
    return {
        "median |error|": float(np.median(np.abs(error))),
        "95 % below": float(np.percentile(np.abs(error), 95)),
        "bias": float(error.mean()),
    }


if __name__ == "__main__":
    main()
