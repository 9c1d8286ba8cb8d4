"""Pictures are pictures, and of these figures."""

import io
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from genre_batch.evaluation import metrics, plots
from genre_batch.models.calibrate import Calibration
from genre_batch.taxonomy import GTZAN, Taxonomy

THREE = Taxonomy(("a_b $x$", "hip hop ü", "rock"))


def drawn(counts: list[list[int]], taxonomy: Taxonomy = THREE, title: str = "3 tracks") -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(plots.confusion(counts, taxonomy, title))).convert("L"), np.float64)


def test_it_is_a_png_of_readable_size():
    png = plots.confusion(np.eye(3, dtype=int).tolist(), THREE, "3 tracks")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    height, width = drawn(np.eye(3, dtype=int).tolist()).shape
    assert min(height, width) > 300


def test_more_genres_get_more_room():
    small, large = drawn(np.eye(3, dtype=int).tolist()), drawn(np.eye(10, dtype=int).tolist(), GTZAN)
    assert large.shape[0] > 1.5 * small.shape[0]


def test_the_same_counts_are_the_same_picture_and_others_are_not():
    diagonal = drawn([[5, 0, 0], [0, 5, 0], [0, 0, 5]])
    np.testing.assert_array_equal(diagonal, drawn([[5, 0, 0], [0, 5, 0], [0, 0, 5]]))
    transposed = [drawn(np.array(counts).tolist()) for counts in (np.diag([4, 4], 1), np.diag([4, 4], -1))]
    assert np.abs(transposed[0] - transposed[1]).max() > 100


def test_rows_are_the_true_genres():
    """All of the first genre heard as the last: the light cell is at the right of the top row."""
    picture = drawn([[0, 0, 9], [0, 0, 0], [0, 0, 0]])
    plain = drawn([[0, 0, 0], [0, 0, 0], [0, 0, 9]])
    rows, columns = np.nonzero(np.abs(picture - plain) > 100)
    # The two cells that differ: at the top and at the bottom of the last column.
    top, bottom = rows < rows.mean(), rows > rows.mean()
    assert abs(columns[top].mean() - columns[bottom].mean()) < 5
    assert picture[rows[top], columns[top]].mean() > plain[rows[top], columns[top]].mean() + 100


def test_the_title_is_drawn():
    counts = np.eye(3, dtype=int).tolist()
    assert (drawn(counts, title="A") != drawn(counts, title="B")).any()


def coloured(png: bytes, colour: str) -> np.ndarray:
    """Where a colour stands: [shape=(height, width)], bool."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.float64)
    return np.abs(pixels - 255 * np.array(to_rgb(colour))).max(axis=2) < 3


def of(*confidence: float, wrong: int, unknown_below: float = 0.0) -> dict[str, Any]:
    """Figures of tracks of one segment; the last `wrong` of them are."""
    labels = (np.arange(len(confidence)) >= len(confidence) - wrong).astype(np.int64)
    logits = np.log([[c, 1 - c] for c in confidence])
    taxonomy, calibration = Taxonomy(("jazz", "rock")), Calibration(1.0, unknown_below)
    return metrics.evaluate(logits, np.arange(len(confidence)), labels, taxonomy, calibration)


TEN = (0.98, 0.95, 0.9, 0.88, 0.83, 0.8, 0.75, 0.7, 0.65, 0.6)


def threshold_mark(figures: dict[str, Any]) -> tuple[float, float]:
    """Row and column of the threshold's mark; the one in the legend stands below the axes."""
    seen = coloured(plots.coverage(figures, "10 tracks"), plots.ORANGE)
    rows, columns = np.nonzero(seen[: int(0.7 * len(seen))])
    return rows.mean(), columns.mean()


def test_the_threshold_stands_at_its_coverage_and_accuracy():
    half, most, worse = (
        of(*TEN, wrong=2, unknown_below=0.81),
        of(*TEN, wrong=2, unknown_below=0.61),
        of(*TEN, wrong=3, unknown_below=0.61),
    )
    assert [figures["coverage"] for figures in (half, most, worse)] == [0.5, 0.9, 0.9]
    (half_y, half_x), (most_y, most_x), (worse_y, worse_x) = map(threshold_mark, (half, most, worse))
    assert most_x - half_x > 100, "further right is more tracks"
    assert abs(most_x - worse_x) < 3
    # Five of five, eight of nine, seven of nine are right; the axis runs from .5.
    assert half_y < most_y < worse_y
    assert (worse_y - half_y) / (most_y - half_y) == pytest.approx(2, abs=0.15)


def test_where_no_track_is_named_there_is_no_threshold_to_mark():
    picture = plots.coverage(of(*TEN, wrong=2, unknown_below=1.1), "10 tracks")
    assert not coloured(picture, plots.ORANGE).any()
    assert coloured(picture, plots.BLUE).any()


def test_bars_of_reliability_are_the_sizes_of_bins():
    """All tracks in one bin are one bar; tracks spread over bins are several, and the sure ones stand at the right."""
    sure, spread = (plots.reliability(of(*confidence, wrong=1), "10 tracks") for confidence in ((0.95,) * 10, TEN))
    one, several = (coloured(png, plots.BLUE) for png in (sure, spread))
    bars = slice(int(0.72 * len(one)), int(0.85 * len(one)))
    assert one[bars].any(axis=0).sum() < 0.3 * several[bars].any(axis=0).sum()
    assert np.nonzero(one[bars])[1].min() > 0.8 * one.shape[1]


def test_error_bars_are_wilsons():
    assert plots._wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    low, high = plots._wilson(0, 4)
    assert (low, high) == pytest.approx((0, 1.96**2 / (4 + 1.96**2)), abs=1e-4)
    narrow, wide = (coloured(plots.reliability(of(*(0.8,) * n, wrong=n // 4), "x"), plots.BLUE) for n in (400, 4))
    above = slice(0, int(0.6 * len(wide)))
    assert wide[above].any(axis=1).sum() > 3 * narrow[above].any(axis=1).sum()


def epochs(n: int, best: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"epoch": i, "train_loss": 2.0 / i, "train_accuracy": 1 - 0.9 / i, "valid_loss": 1 + 0.1 * abs(i - best)}
        | {"valid_accuracy": 0.6 - 0.02 * abs(i - best)}
        | more
        for i in range(1, n + 1)
    ]


def test_both_curves_are_drawn_in_colours_of_their_own():
    picture = plots.learning_curves(epochs(10, 4), "seed 3")
    blue, orange = coloured(picture, plots.BLUE), coloured(picture, plots.ORANGE)
    left, right = np.array_split(np.arange(blue.shape[1]), 2)
    for curve in (blue, orange):
        assert curve[:300, left].any()
        assert curve[:300, right].any()


@pytest.mark.parametrize("missing", ["left out", "none"])
def test_training_without_a_validation_part_has_one_curve(missing: str):
    history = epochs(5, 3, valid_loss=None, valid_accuracy=None)
    if missing == "left out":
        history = [{key: value for key, value in row.items() if "valid" not in key} for row in history]
    picture = plots.learning_curves(history, "seed 3")
    assert coloured(picture, plots.ORANGE).any()
    assert not coloured(picture, plots.BLUE).any()


def test_validation_may_begin_late():
    history = epochs(6, 5)
    del history[0]["valid_loss"], history[0]["valid_accuracy"]
    late, whole = (coloured(plots.learning_curves(each, "x"), plots.BLUE) for each in (history, epochs(6, 5)))
    assert late.any()
    assert late.sum() < whole.sum()


def test_the_best_epoch_is_marked():
    """Where the best epoch moves, the upright line does, to the right."""
    places = []
    for best in (3, 8):
        picture = np.asarray(Image.open(io.BytesIO(plots.learning_curves(epochs(10, best), "x"))).convert("L"), np.float64)
        dotted = ((picture > 90) & (picture < 140))[50:380, : picture.shape[1] // 2].sum(axis=0)
        places.append(int(dotted.argmax()))
    assert 150 < places[1] - places[0] < 300, "five of nine steps of an axis 450 wide"


def test_one_epoch_is_enough():
    assert coloured(plots.learning_curves(epochs(1, 1), "x"), plots.BLUE).any()
