"""Harmonic and percussive sound of a segment, parted by medians along time and along frequency.

D. FitzGerald, "Harmonic/percussive separation using median filtering", DAFx 2010, with the soft masks of librosa. The two
masks add up to one and the inverse transform is linear, so the percussive samples are what the harmonic ones leave.
"""

import numpy as np
import numpy.typing as npt

from genre_batch.signal import median
from genre_batch.signal.compiled import exact, regrouped
from genre_batch.signal.stft import Stft

Floats = npt.NDArray[np.float32]

TINY = np.finfo(np.float32).tiny


class Separation:
    """Working memory for one shape of segment.

    turned: the magnitudes with bins as rows, [shape=(n_bins, n_frames rounded up)], which `part` takes and others may read.
    """

    def __init__(self, n_frames: int, n_bins: int, n_samples: int, median_size: int, mask_power: float) -> None:
        self.median_size, self.mask_power = median_size, mask_power
        lanes = -(-n_frames // 8) * 8
        self.turned: Floats = np.zeros((n_bins, lanes), np.float32)
        self._percussive = np.empty_like(self.turned)
        self._harmonic = np.empty((n_frames, n_bins), np.float32)
        # In the memory of `turned`, which is read no more by then.
        self._percussive_frames = self.turned.reshape(lanes, n_bins)
        self._work = median.buffer(median_size)
        self._samples = np.empty(n_samples, np.float32)

    def turn(self, magnitude: Floats) -> None:
        _turn(magnitude, self.turned)

    def part(self, stft: Stft) -> tuple[float, float, float, float]:
        """Mean and variance of the harmonic samples, then of the percussive ones. `stft.spectra` becomes the harmonic part."""
        median.rows(stft.magnitude, self.median_size, self._harmonic, self._work)
        median.rows(self.turned, self.median_size, self._percussive, self._work)
        _turn(self._percussive, self._percussive_frames)
        _mask(stft.spectra.view(np.float32), self._harmonic, self._percussive_frames, self.mask_power, TINY)
        stft.synthesise(self._samples)
        return _figures(self._samples, stft.padded[stft.half : stft.half + stft.n_samples])


@exact
def _turn(source: Floats, out: Floats) -> None:
    n_rows, n_columns = source.shape
    whole = n_rows - n_rows % 8
    for top in range(0, whole, 8):
        # Eight rows by name: read side by side, they are written without a jump for each.
        a, b, c, d = source[top], source[top + 1], source[top + 2], source[top + 3]
        e, f, g, h = source[top + 4], source[top + 5], source[top + 6], source[top + 7]
        for column in range(n_columns):
            row = out[column, top:]
            row[0], row[1], row[2], row[3] = a[column], b[column], c[column], d[column]
            row[4], row[5], row[6], row[7] = e[column], f[column], g[column], h[column]
    for top in range(whole, n_rows):
        for column in range(n_columns):
            out[column, top] = source[top, column]


@exact
def _mask(spectra: Floats, harmonic: Floats, percussive: Floats, power: float, tiny: np.float32) -> None:
    """The harmonic mask onto `spectra`, whose real and imaginary parts alternate."""
    n_frames, n_bins = harmonic.shape
    ratio = np.empty(n_bins, np.float32)
    one = np.float32(1)
    for frame in range(n_frames):
        parts, hs, ps = spectra[frame], harmonic[frame], percussive[frame]
        for k in range(n_bins):
            large, small = max(hs[k], ps[k]), min(hs[k], ps[k])
            # Where neither sounds, both get half.
            ratio[k] = small / large if large >= tiny else one
        for k in range(n_bins):
            ratio[k] = ratio[k] * ratio[k] if power == 2 else ratio[k] ** power
        for k in range(n_bins):
            ratio[k] = (one if hs[k] > ps[k] else ratio[k]) / (one + ratio[k])
        for k in range(n_bins):
            parts[2 * k] *= ratio[k]
            parts[2 * k + 1] *= ratio[k]


@regrouped
def _figures(harmonic: Floats, samples: Floats) -> tuple[float, float, float, float]:
    n = len(samples)
    h1 = h2 = p1 = p2 = 0.0
    for i in range(n):
        h = np.float64(harmonic[i])
        p = np.float64(samples[i] - harmonic[i])
        h1 += h
        h2 += h * h
        p1 += p
        p2 += p * p
    h1, p1 = h1 / n, p1 / n
    return h1, max(h2 / n - h1 * h1, 0.0), p1, max(p2 / n - p1 * p1, 0.0)
