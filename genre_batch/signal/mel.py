"""Mel filters as librosa makes them: Slaney's scale (Auditory Toolbox, 1998), linear below 1 kHz and logarithmic above, each
triangle of unit area. Written out because importing librosa costs every worker some four seconds; tests hold the two equal.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

LINEAR_HZ_PER_MEL = 200 / 3
KNEE_HZ = 1000.0
LOG_STEP = np.log(6.4) / 27
KNEE_MEL = KNEE_HZ / LINEAR_HZ_PER_MEL

Floats = npt.NDArray[np.float64]


@cache
def filters(sample_rate_hz: int, n_fft: int, n_bands: int, fmin_hz: float, fmax_hz: float | None) -> sparse.csr_array:
    """[shape=(n_bands, 1 + n_fft // 2), float32], sparse."""
    lowest, highest = _to_mel(np.array([fmin_hz, fmax_hz or sample_rate_hz / 2]))
    edges = _to_hz(np.linspace(lowest, highest, n_bands + 2))
    bins = np.linspace(0, sample_rate_hz / 2, 1 + n_fft // 2)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return sparse.csr_array(triangles.astype(np.float32))


def _to_mel(hz: Floats) -> Floats:
    above = KNEE_MEL + np.log(np.maximum(hz, KNEE_HZ) / KNEE_HZ) / LOG_STEP
    return np.where(hz < KNEE_HZ, hz / LINEAR_HZ_PER_MEL, above)


def _to_hz(mel: Floats) -> Floats:
    return np.where(mel < KNEE_MEL, mel * LINEAR_HZ_PER_MEL, KNEE_HZ * np.exp(LOG_STEP * (mel - KNEE_MEL)))
