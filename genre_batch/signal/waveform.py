"""Loudness and zero crossings of each frame of a segment, straight from its samples."""

from math import gcd

import numpy as np
import numpy.typing as npt

from genre_batch.signal.compiled import exact, regrouped
from genre_batch.signal.decode import Samples

Figures = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int32]


class Waveform:
    """Working memory for one shape of segment; out: [shape=(n_frames,)] figures, one a frame of n_fft samples."""

    def __init__(self, n_padded: int, n_fft: int, hop_length: int) -> None:
        self.half = n_fft // 2
        # Frames overlap: sums are taken once, over the longest stretches that all frames are made of.
        step = gcd(n_fft, hop_length)
        self._steps = step, n_fft // step, hop_length // step
        self._energy = np.empty(n_padded // step)
        self._counts = np.empty(n_padded // step, np.int32)
        self._crossings = np.empty(n_padded, np.int32)

    def rms(self, padded: Samples, out: Figures) -> None:
        """Root mean square; `padded` has n_fft // 2 zeros past either end."""
        _rms(padded, *self._steps, self._energy, out)

    def zero_crossing_rate(self, padded: Samples, threshold: float, out: Figures) -> None:
        """Changes of sign over samples.

        Samples no louder than `threshold` are zero, and zero is positive. Past the ends the outermost sample goes on, so nothing
        crosses there; the first sample of a frame has none before it.
        """
        _zero_crossing_rate(padded, self.half, np.float32(threshold), *self._steps, self._crossings, self._counts, out)


@regrouped
def _rms(padded: Samples, step: int, per_frame: int, per_hop: int, energy: Figures, out: Figures) -> None:
    for part in range(len(energy)):
        samples = padded[part * step : (part + 1) * step]
        total = 0.0
        for i in range(step):
            total += np.float64(samples[i]) * np.float64(samples[i])
        energy[part] = total
    for frame in range(len(out)):
        total = 0.0
        for part in range(frame * per_hop, frame * per_hop + per_frame):
            total += energy[part]
        out[frame] = np.sqrt(total / (per_frame * step))


@exact
def _zero_crossing_rate(
    padded: Samples,
    half: int,
    threshold: np.float32,
    step: int,
    per_frame: int,
    per_hop: int,
    crossings: Counts,
    counts: Counts,
    out: Figures,
) -> None:
    before, after = padded, padded[1:]
    crossings[0] = 0
    changes = crossings[1:]
    for i in range(len(after)):
        changes[i] = (before[i] < -threshold) != (after[i] < -threshold)
    crossings[half] = 0
    crossings[len(padded) - half] = 0
    for part in range(len(counts)):
        samples = crossings[part * step : (part + 1) * step]
        n = np.int32(0)
        for i in range(step):
            n += samples[i]
        counts[part] = n
    for frame in range(len(out)):
        n = -crossings[frame * per_hop * step]
        for part in range(frame * per_hop, frame * per_hop + per_frame):
            n += counts[part]
        out[frame] = n / (per_frame * step)
