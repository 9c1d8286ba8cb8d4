"""Stereo mp3 to label in one process and one thread: ours against librosa and eager PyTorch, the same work on the same files."""

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import catalogs, report
from benchmarks.line import Line
from benchmarks.notebook import Notebook
from genre_batch.front_end import MEL
from genre_batch.models import bundle as bundles

LABELS_ONLY, EVERYTHING, SHIPPED = (
    "labels only",
    "denoised, with 57 descriptors",
    f"labels only, {bundles.PUBLISHED} that ships",
)
FEWER = 8
"""librosa needs seconds for the descriptors of a track: so many times fewer tracks are done with them."""
OFTENER = 3
"""What is soon done is done so many times as often: the least of more rounds is nearer to an idle machine's."""


def compare(folder: Path, songs: list[bytes], n_tracks: int, rounds: int, song_s: float) -> list[dict[str, Any]]:
    """A row for each kind of work, CPU time of the least of some rounds; one call of a worker for all tracks, as in the job."""
    made = {
        LABELS_ONLY: catalogs.untrained("compact", MEL, folder / "compact"),
        EVERYTHING: catalogs.untrained("compact-fusion", catalogs.EVERYTHING, folder / "everything"),
        SHIPPED: bundles.PUBLISHED,
    }
    listed = catalogs.tracks(catalogs.write(folder / "library", songs, "mp3", n_tracks))
    rows = []
    for kind, bundle in made.items():
        some, times = (listed[: max(1, n_tracks // FEWER)], rounds) if kind == EVERYTHING else (listed, OFTENER * rounds)
        files = [track["uri"] for track in some]
        line, notebook = Line(bundle, str(folder / "tables")), Notebook(bundles.load(bundle), folder / "notebook.parquet")
        spent = report.cpu_seconds({"ours": partial(line, some), "theirs": partial(notebook, files)}, times)
        rows.append(
            {
                "work": kind,
                "tracks": len(some),
                "ours, ms a track": 1000 * spent["ours"] / len(some),
                "librosa and eager PyTorch, ms a track": 1000 * spent["theirs"] / len(some),
                "times as fast": spent["theirs"] / spent["ours"],
                "audio s a CPU s": song_s * len(some) / spent["ours"],
            }
        )
    return rows
