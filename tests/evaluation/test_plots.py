"""The picture of a confusion matrix is a picture, and of these counts."""

import io

import numpy as np
from PIL import Image

from genre_batch.evaluation import plots
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
