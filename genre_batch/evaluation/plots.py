"""Pictures of an evaluation."""

import io

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from genre_batch.taxonomy import Taxonomy


def confusion(counts: list[list[int]], taxonomy: Taxonomy, title: str) -> bytes:
    """The confusion matrix as a PNG: rows are the true genres, columns what was heard, cells count tracks."""
    size = 2.5 + 0.45 * len(taxonomy)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.add_subplot()
    shown = ConfusionMatrixDisplay(np.array(counts), display_labels=taxonomy.genres)
    shown.plot(ax=axes, cmap="cividis", xticks_rotation=45, colorbar=False)
    axes.set(xlabel="labelled", ylabel="true genre", title=title)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()
