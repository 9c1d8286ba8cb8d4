"""The tempo of a segment from the rises in its mel bands.

D. P. W. Ellis, "Beat tracking by dynamic programming", Journal of New Music Research, 2007: the onset envelope's autocorrelation
under a log-normal prior. As librosa, the autocorrelation is the mean over frames of that of a Hann window around each, divided by
its largest, which is at lag 0. It is linear in the power spectrum: the spectra are averaged and transformed once. From frame to
frame the spectrum slides (E. Jacobsen and R. Lyons, "The sliding DFT", IEEE Signal Processing Magazine, 2003); with
twice the window's length as its own, the Hann window is a sum of three neighbours two bins apart.
"""

import numpy as np
import numpy.typing as npt

from genre_batch.front_end import Descriptors
from genre_batch.signal.compiled import regrouped

Floats = npt.NDArray[np.float32]
Figures = npt.NDArray[np.float64]

LAG = 1
"""Frames between which a band's level rises."""


class Tempo:
    """Working memory for one shape of segment."""

    def __init__(self, n_frames: int, sample_rate_hz: int, parameters: Descriptors) -> None:
        p = parameters
        self.lead = LAG + p.n_fft // (2 * p.hop_length)
        self.window = max(1, int(p.tempo_window_s * sample_rate_hz) // p.hop_length)
        self._rises = np.empty((max(0, n_frames - LAG), p.n_mels), np.float32)
        self._envelope = np.zeros(n_frames, np.float32)
        with np.errstate(divide="ignore"):
            self._bpm = 60.0 * sample_rate_hz / (p.hop_length * np.arange(float(self.window)))
        self._prior = -0.5 * ((np.log2(self._bpm) - np.log2(p.start_bpm)) / p.bpm_octaves) ** 2
        self._prior[: np.argmax(self._bpm < p.max_bpm)] = -np.inf
        # Bins -2 to window + 2 of a transform of twice the window's length.
        angle = np.pi / self.window * np.arange(-2, self.window + 3)
        self._turn = np.array([np.cos(angle), np.sin(angle)])
        self._weights = 0.5 - 0.5 * np.cos(2 * np.pi / self.window * np.arange(self.window))
        self._spectrum = np.empty((2, len(angle)))

    def bpm(self, decibels: Floats) -> float:
        """Beats a minute, 0 where nothing rises; decibels: of the mel bands, [shape=(n_frames, n_mels)]."""
        envelope = self.onsets(decibels)
        if not envelope.any():
            return 0.0
        correlation = self.correlation(envelope)
        return float(self._bpm[np.argmax(np.log1p(1e6 * correlation) + self._prior)])

    def onsets(self, decibels: Floats) -> Floats:
        """The median over bands of the rise since the frame before, [shape=(n_frames,)], as late as a frame's window reaches."""
        rises = self._rises
        np.subtract(decibels[LAG:], decibels[:-LAG], out=rises)
        np.maximum(rises, np.float32(0), out=rises)
        n_bands = rises.shape[1]
        lower, upper = (n_bands - 1) // 2, n_bands // 2
        rises.partition((lower, upper), axis=1)
        strength = (rises[:, lower] + rises[:, upper]) / np.float32(2)
        self._envelope[self.lead :] = strength[: max(0, len(self._envelope) - self.lead)]
        return self._envelope

    def correlation(self, envelope: Floats) -> Figures:
        """Mean over frames of the autocorrelation within a window around each, 1 at lag 0, [shape=(window,)]."""
        n, side = len(envelope), self.window // 2
        padded = np.pad(envelope, side, mode="linear_ramp").astype(np.float64)
        start = np.fft.fft(padded[: self.window], 2 * self.window)[np.arange(-2, self.window + 3) % (2 * self.window)]
        self._spectrum[:] = start.real, start.imag
        power = _power(padded, n, self._weights, self._turn, self._spectrum)
        return np.fft.irfft(power[2:-2], 2 * self.window)[: self.window] / n


@regrouped
def _power(padded: Figures, n_frames: int, weights: Figures, turn: Figures, spectrum: Figures) -> Figures:
    """The sum over frames of the power spectrum of the frame under the window, divided by its energy."""
    window, n_bins = len(weights), spectrum.shape[1]
    real, imaginary = spectrum
    total = np.zeros(n_bins)
    for frame in range(n_frames):
        energy = 0.0
        for i in range(window):
            value = weights[i] * padded[frame + i]
            energy += value * value
        if energy > 0:
            share = 1 / energy
            for k in range(2, n_bins - 2):
                a = 0.5 * real[k] - 0.25 * (real[k - 2] + real[k + 2])
                b = 0.5 * imaginary[k] - 0.25 * (imaginary[k - 2] + imaginary[k + 2])
                total[k] += share * (a * a + b * b)
        if frame + 1 < n_frames:
            # The sample that leaves has turned by 0; the one that enters by half a turn for every bin.
            even = padded[frame + window] - padded[frame]
            odd = -padded[frame + window] - padded[frame]
            for k in range(n_bins):
                a = real[k] + (odd if k % 2 else even)
                b = imaginary[k]
                real[k] = a * turn[0, k] - b * turn[1, k]
                imaginary[k] = a * turn[1, k] + b * turn[0, k]
    return total
