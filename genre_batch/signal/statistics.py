"""Statistics of a spectrogram for classifiers that see no pictures: how loud each band is, how much it varies, and how fast.

Mean, deviation and deviation of the difference between neighbouring columns of each band, after Tzanetakis and Cook (2002), who took
them of other descriptors.
"""

import numpy as np
import numpy.typing as npt

PARTS = ("mean", "deviation", "change")


def describe(spectrograms: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Spectrograms [shape=(n, rows, columns), uint8] to statistics [shape=(n, 3 * rows), float64], in levels, 0..255."""
    # One at a time: all at once would be eight times as large as the spectrograms.
    return np.stack([_describe(each.astype(np.float64)) for each in spectrograms])


def names(rows: int) -> list[str]:
    """What the columns are called."""
    return [f"band{row}_{part}" for part in PARTS for row in range(rows)]


def _describe(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    change = np.diff(levels, axis=1)
    return np.concatenate([levels.mean(axis=1), levels.std(axis=1), change.std(axis=1)])
