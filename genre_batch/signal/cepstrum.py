"""Mel bands in decibels, and from them the cepstrum: S. Davis and P. Mermelstein, "Comparison of parametric representations for
monosyllabic word recognition in continuously spoken sentences", IEEE Transactions on ASSP, 1980.
"""

import numpy as np
import numpy.typing as npt

from genre_batch.front_end import Descriptors
from genre_batch.signal import mel

Floats = npt.NDArray[np.float32]


class Cepstrum:
    """Working memory for one shape of segment; decibels: of the mel bands, [shape=(n_frames, n_mels)]."""

    def __init__(self, n_frames: int, sample_rate_hz: int, n_mfcc: int, parameters: Descriptors) -> None:
        self.floor, self.top_db = np.float32(parameters.power_floor), np.float32(parameters.top_db)
        filters = mel.filters(sample_rate_hz, parameters.n_fft, parameters.n_mels, 0.0, None)
        # Not sparse, though it would be faster: added up in librosa's order, the level of a steady sound wavers by the same last
        # bits or not at all, and on these hangs whether it has a tempo.
        self._filters: Floats = filters.toarray().T
        self._cosines = _cosines(parameters.n_mels, n_mfcc)
        self.decibels: Floats = np.empty((n_frames, parameters.n_mels), np.float32)
        self._coefficients = np.empty((n_frames, n_mfcc))

    def listen(self, power: Floats) -> None:
        """Fill `decibels`, at most top_db below the loudest cell; power: [shape=(n_frames, n_bins)]."""
        level = self.decibels
        np.matmul(power, self._filters, out=level)
        np.maximum(level, self.floor, out=level)
        np.log10(level, out=level)
        np.multiply(level, np.float32(10), out=level)
        np.maximum(level, level.max() - self.top_db, out=level)

    def figures(self) -> npt.NDArray[np.float64]:
        """Mean and variance of each coefficient, [shape=(n_mfcc, 2)]."""
        np.matmul(self.decibels, self._cosines, out=self._coefficients)
        return np.column_stack([self._coefficients.mean(axis=0), self._coefficients.var(axis=0)])


def _cosines(n_bands: int, n_coefficients: int) -> npt.NDArray[np.float64]:
    """The orthonormal cosine transform of type 2, [shape=(n_bands, n_coefficients)]."""
    place = np.arange(n_bands)[:, None] + 0.5
    waves = np.cos(np.pi / n_bands * place * np.arange(n_coefficients)) * np.sqrt(2 / n_bands)
    waves[:, 0] = np.sqrt(1 / n_bands)
    return np.asarray(waves)
