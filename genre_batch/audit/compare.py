"""Two tracks laid over one another where they fit best."""

import numpy as np
import numpy.typing as npt
from scipy import fft

Int8 = npt.NDArray[np.int8]


def best_fit(a: Int8, b: Int8, least: int) -> tuple[float, int]:
    """The correlation of two tracks' levels, or signs, at the lag where it is greatest, and that lag: column t of b lies on column
    t + lag of a.

    a, b: [shape=(bands, n)]; least: columns that must lie on one another, no more than either has. -1..1; 0 where either is
    silent. Computed for all lags at once through the frequency domain.
    """
    n_a, n_b = a.shape[1], b.shape[1]
    size = fft.next_fast_len(n_a + n_b, real=True)
    first, second = (fft.rfft(each.astype(np.float32), size, axis=1) for each in (a, b))
    products = fft.irfft((first * second.conj()).sum(axis=0), size)
    lags = np.arange(least - n_b, n_a - least + 1)
    starts, ends = np.maximum(lags, 0), np.minimum(n_a, n_b + lags)
    energy = _energy(a, starts, ends) * _energy(b, starts - lags, ends - lags)
    found = np.divide(products[lags % size], np.sqrt(energy), out=np.zeros(len(lags)), where=energy > 0)
    best = int(found.argmax())
    return float(found[best]), int(lags[best])


def _energy(levels: Int8, starts: npt.NDArray[np.intp], ends: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Between pairs of columns."""
    sums = np.concatenate([[0], np.cumsum(np.square(levels, dtype=np.float64).sum(axis=0))])
    return sums[ends] - sums[starts]
