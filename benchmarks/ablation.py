"""The ablation table of docs/results.md: what each part of `compact` is worth, and what others do on the same folds.

All rows but the last of the networks differ in one thing from `compact` by the recipe that the choice began with; that last one has the
recipe that was chosen, which is the default now.

Folds are grouped by artist; seed s has its own partition s and its own weights, so a deviation over seeds holds both kinds of luck. A
difference is of the same seed, so of the same folds. Rows on descriptors and on statistics are an SVM with an RBF kernel (C = 10) on
standardised columns, the softmax of its decision values summed up over a track's segments as logarithms, as a network's. What a fold
found is stored under --out as soon as it is done: the same command goes on after an interruption, and with more --seeds goes further.
"""

import argparse
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from genre_batch import splits
from genre_batch.choices import Augmentation, Protocol
from genre_batch.cluster import folds, segments, session
from genre_batch.cluster.folds import Trial
from genre_batch.cluster.segments import Shards
from genre_batch.models import calibrate, recipes
from genre_batch.models.baselines import select, serve
from genre_batch.models.recipe import Recipe
from genre_batch.signal import statistics
from genre_batch.tables import storage
from genre_batch.taxonomy import Taxonomy

BASE = "compact"
CHOSEN = "as chosen"
SVMS = ("SVM, descriptors", "SVM, statistics")


@dataclass(frozen=True)
class Setting:
    """A row of the table."""

    name: str
    network: str
    recipe: Recipe


def main() -> None:
    asked = _options()
    chosen = settings(asked.epochs)
    names = [*(each.name for each in chosen), *SVMS]
    if unknown := set(asked.only or []) - set(names):
        raise SystemExit(f"there is no setting {sorted(unknown)[0]!r}: there is {', '.join(names)}")
    chosen = [each for each in chosen if each.name in (asked.only or names) or each.name == BASE]
    with session.session():
        shards = segments.open_shards(asked.shards)
        taxonomy = Taxonomy.of(shards.tracks["genre"].to_pylist())
        # All settings of a seed before the next seed: what there is when somebody stops it can be compared.
        trials = [
            (each.name, Trial(network=each.network, recipe=each.recipe, seed=seed))
            for seed in range(asked.seeds)
            for each in chosen
        ]
        held = range(asked.held_out)
        found = folds.cross_validate(shards, [trial for _, trial in trials], storage.normal(asked.out), only=held)
    accuracy: dict[str, list[float]] = {}
    for (name, _), table in zip(trials, found, strict=True):
        accuracy.setdefault(name, []).append(track_accuracy(table, taxonomy))
    for name in SVMS:
        if name in (asked.only or names):
            accuracy[name] = [
                track_accuracy(table, taxonomy) for table in with_svm(shards, name, taxonomy, seeds=asked.seeds, only=held)
            ]
    rows = [row(name, values, accuracy[BASE]) for name, values in accuracy.items()]
    text = as_markdown(rows, asked, n_tracks=shards.tracks.num_rows)
    print(text)
    files = {"ablation.md": text, "ablation.csv": as_csv(rows), "ablation.json": json.dumps(rows, indent=2) + "\n"}
    for file, content in files.items():
        storage.write_bytes(storage.join(storage.normal(asked.out), file), content.encode())


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--shards", required=True, metavar="URL", help="with spectrograms and descriptors")
    options.add_argument("--out", required=True, metavar="URL", help="for the table, and for what each fold found")
    options.add_argument("--seeds", type=int, default=5, help="partitions and weights, 1 or more (default 5)")
    n = splits.FOLDS
    held_out = f"train without only so many of the {n} folds of a seed, and judge on their tracks (default {n})"
    options.add_argument("--held-out", type=int, default=n, choices=range(1, n + 1), metavar="K", help=held_out)
    options.add_argument("--epochs", type=int, help="instead of each recipe's own")
    options.add_argument("--only", action="append", metavar="NAME", help=f"a row, once for each; {BASE} is always there")
    return options.parse_args()


def settings(epochs: int | None) -> list[Setting]:
    """`compact`, what is joined to it or put after it, its recipe with one part added or left out, and the recipe that was chosen."""

    def began(network: str) -> Recipe:
        return replace(of(network), label_smoothing=0.1, augment=(Augmentation.CROP, Augmentation.MIXUP))

    def of(network: str) -> Recipe:
        own = recipes.of(network)
        return own if epochs is None else replace(own, epochs=epochs)

    base = began(BASE)
    found = [Setting(name, name, began(name)) for name in (BASE, "compact-fusion", "crnn", "crnn-fusion")]
    for part in Augmentation:
        there = part in base.augment
        parts = tuple(each for each in base.augment if each is not part) if there else (*base.augment, part)
        found.append(Setting(f"{'without' if there else 'with'} {part}", BASE, replace(base, augment=parts)))
    found.append(Setting("without label smoothing", BASE, replace(base, label_smoothing=0.0)))
    found.append(Setting("without averaging of weights", BASE, replace(base, averaging=0.0)))
    return [*found, Setting(CHOSEN, BASE, of(BASE))]


def with_svm(shards: Shards, name: str, taxonomy: Taxonomy, *, seeds: int, only: range) -> Iterator[pa.Table]:
    """What an SVM finds on the folds that the networks are trained on, rows as folds.FOUND but without artists, a table a seed."""
    column = "descriptors" if name == SVMS[0] else "spectrogram"
    rows = shards.read(shards.tracks["track_id"].to_pylist(), (column,))
    x = (
        segments.descriptions(rows[column])
        if column == "descriptors"
        else statistics.describe(segments.pictures(rows[column], shards.front_end.spectrogram_shape))
    )
    y = np.array([taxonomy.index(genre) for genre in rows["genre"].to_pylist()])
    tracks = np.array(rows["track_id"].to_pylist())
    ordered = shards.tracks.sort_by("track_id")
    for seed in range(seeds):
        parts = []
        for number, fold in enumerate(splits.folds(ordered, Protocol.ARTIST, seed=seed)):
            if number in only:
                test = np.isin(tracks, ordered["track_id"].take(fold.test).to_pylist())
                fitted = make_pipeline(StandardScaler(), SVC(C=10)).fit(x[~test], y[~test])
                logits = serve.logits(select.shares(fitted, x[test], len(taxonomy)))
                judged = rows.filter(pa.array(test)).select(["track_id", "genre", "segment"])
                parts.append(judged.append_column("logits", pa.array(logits.tolist(), pa.list_(pa.float32()))))
        yield pa.concat_tables(parts).sort_by([("track_id", "ascending"), ("segment", "ascending")])


def track_accuracy(found: pa.Table, taxonomy: Taxonomy) -> float:
    scored = segments.arrays(found, taxonomy)
    return float((calibrate.pool(scored.logits, scored.tracks).argmax(axis=1) == scored.labels).mean())


def row(name: str, values: list[float], base: list[float]) -> dict[str, Any]:
    """Track accuracies of a setting, one a seed, beside those of BASE with the same seeds; deviations (n - 1), 0 of a single seed."""
    difference = np.array(values) - base
    return {
        "setting": name,
        "track_accuracy": float(np.mean(values)),
        "deviation": _deviation(values),
        "difference": float(difference.mean()),
        "difference_deviation": _deviation(difference.tolist()),
        "by_seed": values,
    }


def _deviation(values: list[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def as_markdown(rows: list[dict[str, Any]], asked: argparse.Namespace, *, n_tracks: int) -> str:
    trained = "all five folds" if asked.held_out == splits.FOLDS else f"only {asked.held_out} of five folds"
    lines = ["| | track accuracy | difference to `compact`, same folds |", "| --- | --- | --- |"]
    for each in rows:
        told = "" if each["setting"] == BASE else f"{each['difference']:+.3f} ± {each['difference_deviation']:.3f}"
        lines.append(f"| {each['setting']} | {each['track_accuracy']:.3f} ± {each['deviation']:.3f} | {told} |")
    lines += ["", f"Mean ± deviation over {asked.seeds} seeds, {trained} of {n_tracks} tracks grouped by artist in each."]
    if asked.seeds > 1:
        lines += [
            f"The standard error of a mean is the deviation divided by {asked.seeds**0.5:.2f}, the square root of the seeds."
        ]
    if asked.epochs:
        lines += [f"Trained for {asked.epochs} epochs instead of the recipes' own."]
    return "\n".join(lines) + "\n"


def as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**each, "by_seed": " ".join(f"{value:.4f}" for value in each["by_seed"])} for each in rows)
    return text.getvalue()


if __name__ == "__main__":
    main()
