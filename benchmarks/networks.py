"""Networks served and trained: ONNX Runtime against eager PyTorch, int8 against float, Ray Train against a plain loop, in one run.

Serving is on one core, CPU seconds. Each network is trained here first, a few epochs, so that labels mean something: int8 is worth
using only where its labels are those of float for 99 % of segments. Training is in segments a second of wall time in the median epoch
from the second on: one Ray Train worker that streams shards and stores a checkpoint an epoch, against the same loop, recipe and number
of threads on the same segments in this process's memory. Without --shards both are made of the embedded library, where an epoch is so
short that its checkpoint weighs more than on a real catalog.
"""

import tempfile
from pathlib import Path
from typing import Any

from benchmarks import report, serving, training
from genre_batch.choices import Redo
from genre_batch.cluster import segments, session
from genre_batch.cluster.shards import build_shards
from genre_batch.embedded import library
from genre_batch.front_end import MEL

AGREED = 0.99
"""Share of segments on which labels must agree."""


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--shards", metavar="URL", help="segments to train on and to label (default: the embedded library)")
    options.add_argument("--network", action="append", help="once for each; default: compact and crnn")
    options.add_argument("--epochs", type=int, default=5, help="of training, at least 2 (default 5)")
    options.add_argument("--without-training", action="store_true", help="leave Ray Train out")
    asked = options.parse_args()
    names = asked.network or ["compact", "crnn"]
    with tempfile.TemporaryDirectory() as folder, session.session():
        shards = segments.open_shards(asked.shards or rendered(folder))
        made = [training.plain(shards, name, max(2, asked.epochs)) for name in names]
        trained = None if asked.without_training else training.compare(shards, made[0], folder)
    served = [row for each in made for row in serving.compare(each.name, each.network, each.examples)]
    more = {"training": trained, "agreement_needed": AGREED}
    report.show(
        f"Serving on one core, {serving.SIZES[0]} segments at a time; × eager for so many at a time", served, asked.json, more
    )
    print("\n".join(verdicts(served)))
    if trained:
        report.show("Training through Ray Train, one worker", [trained], None)


def verdicts(rows: list[dict[str, Any]]) -> list[str]:
    """Whether each int8 may be used, and what for."""
    speed = {(row["network"], row["runs as"]): row["segments a CPU s"] for row in rows}
    said = []
    for row in rows:
        if row["runs as"].startswith("int8"):
            agrees = row["same label"] >= AGREED
            faster = row["segments a CPU s"] / speed[row["network"], "ONNX Runtime"]
            said.append(
                f"{row['network']}, {row['runs as']}: {faster:.2f} times as fast as float, {row['same label']:.1%} of labels agree: "
                f"{'it may be used' if agrees else 'it must not be used'}{', but gains nothing' if agrees and faster < 1 else ''}."
            )
    return said


def rendered(folder: str) -> str:
    """Shards of the embedded library."""
    manifest = library.write(Path(folder) / "library")
    url = f"{folder}/shards"
    build_shards(
        library_url=str(manifest), shards_url=url, front_end=MEL, artists=None, redo=Redo.NOTHING, max_reject_fraction=0
    )
    return url


if __name__ == "__main__":
    main()
