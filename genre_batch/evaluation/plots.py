"""Pictures of an evaluation and of a training, as PNG."""

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter
from scipy.stats import binomtest
from sklearn.metrics import ConfusionMatrixDisplay

from genre_batch.taxonomy import Taxonomy

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.45"
"""Told apart by the colour-blind (Okabe and Ito 2008); lines differ in more than colour all the same."""


def confusion(counts: list[list[int]], taxonomy: Taxonomy, title: str) -> bytes:
    """The confusion matrix: rows are the true genres, columns what was heard, cells count tracks."""
    size = max(4.6, 2.5 + 0.45 * len(taxonomy))  # a title needs room where genres do not
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.add_subplot()
    shown = ConfusionMatrixDisplay(np.array(counts), display_labels=taxonomy.genres)
    shown.plot(ax=axes, cmap="cividis", xticks_rotation=45, colorbar=False)
    axes.set(xlabel="labelled", ylabel="true genre")
    figure.suptitle(title, fontsize=11)
    return _png(figure)


def reliability(figures: dict[str, Any], title: str) -> bytes:
    """Accuracy against confidence in each bin of `figures["reliability"]`, with Wilson's 95 % interval (1927), over the bins' sizes."""
    bins = figures["reliability"]
    confidence, accuracy = (np.array([each[key] for each in bins]) for key in ("confidence", "accuracy"))
    bounds = np.array([_wilson(round(each["accuracy"] * each["n"]), each["n"]) for each in bins]).T
    figure = Figure(figsize=(5.2, 6.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="as sure as it is right")
    above.errorbar(
        confidence,
        accuracy,
        np.abs(bounds - accuracy),
        color=BLUE,
        fmt="o-",
        capsize=3,
        clip_on=False,
        label="tracks (95 % interval)",
    )
    above.set(xlim=(0, 1), ylim=(-0.02, 1.02), ylabel="tracks that are right")
    edges = np.array([each["low"] for each in bins]), np.array([each["high"] - each["low"] for each in bins])
    below.bar(edges[0], [each["n"] for each in bins], edges[1], align="edge", color=BLUE, edgecolor="white")
    below.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    below.set(xlabel="confidence of the label", ylabel="number of tracks")
    _in_percent(above.xaxis, above.yaxis)
    above.grid(alpha=0.3)
    error = f"calibration error {figures['ece']:.3f}, before temperature {figures['ece_before_temperature']:.3f}"
    figure.suptitle(f"{title}\n{error}", fontsize=11)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return _png(figure)


def coverage(figures: dict[str, Any], title: str) -> bytes:
    """Accuracy of the surest tracks against the share of tracks labelled, and where the threshold of `unknown` puts the bundle."""
    curve = figures["selective"]
    figure = Figure(figsize=(6, 4.4), layout="constrained")
    axes = figure.add_subplot()
    shares, accuracies = ([point[key] for point in curve] for key in ("coverage", "accuracy"))
    axes.axhline(
        figures["track_accuracy"], color=GREY, linestyle="--", label=f"all tracks: {figures['track_accuracy']:.1%} right"
    )
    axes.plot(shares, accuracies, color=BLUE, marker=".", clip_on=False, label="the surest tracks")
    if figures["coverage"]:
        named = f"{figures['coverage']:.0%} of tracks named, {figures['selective_accuracy']:.1%} of these right"
        place = figures["coverage"], figures["selective_accuracy"]
        axes.plot(*place, color=ORANGE, marker="D", markersize=9, linestyle="none", zorder=3, clip_on=False)
        axes.lines[-1].set_label(f"unknown below {figures['unknown_below']:.2f}: {named}")
    seen = [*accuracies, figures["track_accuracy"], *([figures["selective_accuracy"]] if figures["coverage"] else [])]
    axes.set(xlim=(0, 1), ylim=(max(0, min(0.5, np.floor(10 * min(seen)) / 10)), 1.02))
    axes.set(xlabel="tracks that are given a genre", ylabel="of these, right")
    axes.yaxis.set_major_locator(MultipleLocator(0.1))
    figure.suptitle(title, fontsize=11)
    axes.grid(alpha=0.3)
    _in_percent(axes.xaxis, axes.yaxis)
    figure.legend(loc="outside lower center", frameon=False)
    return _png(figure)


def learning_curves(history: list[dict[str, Any]], title: str) -> bytes:
    """Loss and accuracy by epoch. history: `epoch`, `train_loss`, `train_accuracy` and, where there is a validation part,
    `valid_loss`, `valid_accuracy`; losses are cross-entropies in nats. The epoch of the lowest validation loss is marked."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for axes, kind in ((loss, "loss"), (accuracy, "accuracy")):
        _curve(axes, history, f"train_{kind}", "training", color=ORANGE, linestyle="--", marker=".")
        _curve(axes, history, f"valid_{kind}", "validation", color=BLUE, linestyle="-", marker=".")
    watched = [row for row in history if row.get("valid_loss") is not None]
    if watched:
        best = min(watched, key=lambda row: row["valid_loss"])["epoch"]
        for axes in (loss, accuracy):
            axes.axvline(best, color=GREY, linestyle=":", label=f"lowest validation loss (epoch {best})")
    for axes in (loss, accuracy):
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    loss.set_ylabel("cross-entropy (nats)")
    loss.set_ylim(bottom=0)
    accuracy.set(ylabel="segments that are right", ylim=(0, 1.02))
    _in_percent(accuracy.yaxis)
    figure.suptitle(title, fontsize=11)
    figure.legend(*loss.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return _png(figure)


def _curve(axes: Axes, history: list[dict[str, Any]], key: str, label: str, **style: Any) -> None:
    points = [(row["epoch"], row[key]) for row in history if row.get(key) is not None]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, **style)


def _wilson(right: int, n: int) -> tuple[float, float]:
    found = binomtest(right, n).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def _in_percent(*axes: Any) -> None:
    for axis in axes:
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _png(figure: Figure) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()
