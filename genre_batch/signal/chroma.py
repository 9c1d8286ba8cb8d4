"""Chroma: the power of each frame by pitch class, after the segment's own tuning.

The filters are D. P. W. Ellis, "Chroma feature analysis and synthesis", 2007, as librosa has them; the tuning is the commonest
deviation from equal temperament among the spectrum's peaks, each placed by a parabola through three bins (J. O. Smith,
"Spectral Audio Signal Processing", 2011).
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from genre_batch.front_end import Descriptors
from genre_batch.signal.compiled import exact, regrouped

Floats = npt.NDArray[np.float32]
Figures = npt.NDArray[np.float64]

TINY = float(np.finfo(np.float32).tiny)
A0_HZ = 440.0 / 16
CENTRE_OCTAVE, OCTAVE_WIDTH = 5.0, 2.0
"""Octaves above A0 around which bins count most, and the deviation of that weight."""


class Chroma:
    """Working memory for one shape of segment."""

    def __init__(self, n_frames: int, sample_rate_hz: int, parameters: Descriptors) -> None:
        self.rate_hz, self.parameters = sample_rate_hz, parameters
        n_bins = parameters.n_fft // 2 + 1
        frequencies = np.fft.rfftfreq(parameters.n_fft, 1 / sample_rate_hz)
        highest = min(parameters.pitch_fmax_hz, sample_rate_hz / 2)
        heard = np.flatnonzero((frequencies >= max(parameters.pitch_fmin_hz, 0)) & (frequencies < highest))
        # A peak has a neighbour on either side.
        self._bins = (max(heard[0], 1), min(heard[-1] + 1, n_bins - 1)) if len(heard) else (1, 1)
        self._edges = np.linspace(-0.5, 0.5, int(np.ceil(1 / parameters.tuning_resolution)) + 1)
        # Two neighbours cannot both be peaks.
        self._peaks = np.empty((2, n_frames * (1 + (self._bins[1] - self._bins[0]) // 2)), np.float32)
        self._loudest = np.empty(n_frames, np.float32)
        self._chroma = np.empty((n_frames, parameters.n_chroma), np.float32)

    def tuning(self, power: Floats) -> float:
        """Deviation from A = 440 Hz in semitones (fractions of a pitch class), [-0.5, 0.5), 0 where there is no peak.

        power: [shape=(n_frames, n_bins)]. In librosa's arithmetic step for step: the fullest of a hundred bins is chosen, and a
        peak that changes bins by a last bit could change the choice.
        """
        p = self.parameters
        np.max(power, axis=1, out=self._loudest)
        n = _peaks(power, self._loudest, *self._bins, np.float32(p.pitch_threshold), float(self.rate_hz), p.n_fft, self._peaks)
        if not n:
            return 0.0
        pitch, height = self._peaks[:, :n]
        loud = pitch[height >= np.median(height)]
        residual = np.mod(p.n_chroma * np.log2(loud / A0_HZ), 1.0)
        residual[residual >= 0.5] -= 1.0
        return float(self._edges[np.argmax(_histogram(residual, self._edges))])

    def figures(self, power: Floats) -> tuple[float, float]:
        """Mean and variance of all cells, each frame divided by its largest."""
        p = self.parameters
        np.matmul(power, filters(self.rate_hz, p.n_fft, p.n_chroma, self.tuning(power)), out=self._chroma)
        return _figures(self._chroma, TINY)


@lru_cache(maxsize=128)
def filters(sample_rate_hz: int, n_fft: int, n_chroma: int, tuning: float) -> Floats:
    """[shape=(1 + n_fft // 2, n_chroma)], C first; `tuning` in fractions of a pitch class."""
    n_bins = n_fft // 2 + 1
    hz = np.linspace(0, sample_rate_hz, n_fft, endpoint=False)[1 : n_bins + 1]
    octaves = np.log2(hz / (440.0 * 2.0 ** (tuning / n_chroma) / 16))
    # Bin 0 has no pitch: one and a half octaves below bin 1, half a turn away from it.
    pitch = n_chroma * np.concatenate([[octaves[0] - 1.5], octaves])
    width = np.maximum(np.diff(pitch), 1.0)
    pitch = pitch[:n_bins]
    half = np.round(n_chroma / 2)
    away = np.remainder(pitch - np.arange(n_chroma)[:, None] + half + 10 * n_chroma, n_chroma) - half
    bumps = np.exp(-0.5 * (2 * away / width[:n_bins]) ** 2)
    bumps /= np.sqrt(np.sum(bumps**2, axis=0))
    bumps *= np.exp(-0.5 * ((pitch / n_chroma - CENTRE_OCTAVE) / OCTAVE_WIDTH) ** 2)
    return np.ascontiguousarray(np.roll(bumps, -3 * (n_chroma // 12), axis=0).T, np.float32)


@exact
def _peaks(
    power: Floats, loudest: Floats, lowest: int, stop: int, threshold: np.float32, rate_hz: float, n_fft: int, out: Floats
) -> int:
    """Frequency and height of every peak between the bins into the two rows of `out`; how many."""
    n = 0
    for frame in range(len(power)):
        s = power[frame]
        floor = threshold * loudest[frame]
        for k in range(lowest, stop):
            if s[k] > floor and s[k] > s[k - 1] and s[k] >= s[k + 1]:
                bend = np.float64(s[k + 1] + s[k - 1]) - 2 * np.float64(s[k])
                slope = np.float64(s[k + 1] - s[k - 1]) / 2
                shift = np.float32(0) if abs(slope) >= abs(bend) else np.float32(-slope / bend)
                gradient = (s[k + 1] - s[k - 1]) / np.float32(2)
                out[0, n] = (k + np.float64(shift)) * rate_hz / n_fft
                out[1, n] = s[k] + np.float32(0.5) * gradient * shift
                n += 1
    return n


@exact
def _histogram(values: Floats, edges: Figures) -> npt.NDArray[np.int64]:
    """How many values lie between each edge and the next, as numpy's: the last edge belongs to the last bin."""
    n = len(edges) - 1
    counts = np.zeros(n, np.int64)
    for value in values:
        place = min(max(int((value - edges[0]) / (edges[n] - edges[0]) * n), 0), n - 1)
        while place > 0 and value < edges[place]:
            place -= 1
        while place < n - 1 and value >= edges[place + 1]:
            place += 1
        counts[place] += 1
    return counts


@regrouped
def _figures(chroma: Floats, tiny: float) -> tuple[float, float]:
    total = squares = 0.0
    for frame in range(len(chroma)):
        largest = np.float32(0)
        for c in range(chroma.shape[1]):
            largest = max(largest, chroma[frame, c])
        norm = np.float64(largest) if largest >= tiny else 1.0
        for c in range(chroma.shape[1]):
            share = chroma[frame, c] / norm
            total += share
            squares += share * share
    mean = total / chroma.size
    return mean, max(squares / chroma.size - mean * mean, 0.0)
