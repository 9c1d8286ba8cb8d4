"""What a long first run costs the log of its tables: seconds a commit, seconds to open, and bytes, by the files that the table has.

One table of labels on a local disk gets commit after commit of `--parts` parts each, as a run makes every half minute; the parts are one
and the same file under many names, for a commit does not read them.
"""

import dataclasses
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import report
from benchmarks.plan import as_markdown, labelled, listing_rows
from genre_batch.tables import delta, store
from schemas import labels

TRACKS = 512


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--commits", type=int, nargs="+", default=[10, 100, 1000], metavar="N", help="told after so many")
    options.add_argument("--parts", type=int, default=16, help="files in one commit (default 16)")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measured(folder, asked.commits, asked.parts)
    report.show(f"Commits of {asked.parts} parts of {TRACKS} tracks", rows, asked.json)
    print("\n".join(as_markdown(rows)))


def measured(folder: str, told_after: list[int], parts: int) -> list[dict[str, float]]:
    """After each number of commits: the seconds of the last ones, of opening the table, and the size of its log."""
    part = store.write_part(folder, labels, labelled(listing_rows(np.arange(TRACKS))))
    writer, rows, spent = store.Writer(folder, "benchmark", [labels]), [], []
    for n in range(1, max(told_after) + 1):
        receipts = [dataclasses.replace(part, path=f"{n:06}-{i:03}.parquet") for i in range(parts)]
        started = time.monotonic()
        writer.commit(labels, receipts)
        spent.append(time.monotonic() - started)
        if n in told_after:
            rows.append({"commits": n, "files": n * parts, "seconds a commit": float(np.median(spent[-50:])), **opened(folder)})
    return rows


def opened(folder: str) -> dict[str, float]:
    """Seconds to open the table and to know its files, and what its log takes."""
    started = time.monotonic()
    table = delta.open_table(folder, labels.NAME)
    assert table is not None
    table.get_add_actions()
    seconds = time.monotonic() - started
    log = Path(folder, labels.NAME, "_delta_log")
    return {"seconds to open": seconds, "MB of log": sum(os.path.getsize(file) for file in log.iterdir()) / 1e6}


if __name__ == "__main__":
    main()
