"""The short-time Fourier transform of a segment and its inverse, in librosa's arithmetic and into memory that is kept."""

import numpy as np
import numpy.typing as npt
from scipy import signal

from genre_batch.signal.compiled import exact, regrouped
from genre_batch.signal.decode import Samples

Floats = npt.NDArray[np.float32]
Figures = npt.NDArray[np.float64]

BLOCK = 32
"""Frames transformed at a time: their double precision then stays in the cache."""


class Stft:
    """Centred frames with zeros past both ends, periodic Hann window; [frames as rows].

    padded: the samples between the zeros. spectra: [shape=(n_frames, 1 + n_fft // 2), complex64]. magnitude and power: the
    same shape, float32. Magnitudes are librosa's to the last bit: the transform in double precision, rounded, then numpy's abs.
    """

    def __init__(self, n_samples: int, n_fft: int, hop_length: int) -> None:
        self.n_samples, self.n_fft, self.hop = n_samples, n_fft, hop_length
        self.half = n_fft // 2
        self.n_frames = 1 + (n_samples + 2 * self.half - n_fft) // hop_length
        shape = (self.n_frames, 1 + self.half)
        self.padded: Samples = np.zeros(n_samples + 2 * self.half, np.float32)
        self.spectra = np.empty(shape, np.complex64)
        self.magnitude: Floats = np.empty(shape, np.float32)
        self.power: Floats = np.empty(shape, np.float32)
        self._window = signal.windows.hann(n_fft, sym=False)
        self._window32 = self._window.astype(np.float32)
        self._frames = np.empty((BLOCK, n_fft))
        self._transformed = np.empty((BLOCK, shape[1]), np.complex128)
        self._inverted = np.empty((BLOCK, n_fft), np.float32)
        self._sum = np.empty_like(self.padded)
        self._weight = _weight(self._window, self.n_frames, hop_length)[self.half :][:n_samples]

    def analyse(self, samples: Samples) -> None:
        self.padded[self.half : self.half + self.n_samples] = samples
        for first in range(0, self.n_frames, BLOCK):
            block = slice(first, min(first + BLOCK, self.n_frames))
            n = block.stop - first
            _windowed(self.padded, first * self.hop, self.hop, self._window, self._frames[:n])
            np.fft.rfft(self._frames[:n], axis=1, out=self._transformed[:n])
            self.spectra[block] = self._transformed[:n]
            np.abs(self.spectra[block], out=self.magnitude[block])
            np.square(self.magnitude[block], out=self.power[block])

    def synthesise(self, out: Samples) -> None:
        """The samples of `spectra`, [shape=(n_samples,), float32], by overlap-add over the sum of squared windows."""
        self._sum.fill(0)
        for first in range(0, self.n_frames, BLOCK):
            block = slice(first, min(first + BLOCK, self.n_frames))
            frames = self._inverted[: block.stop - first]
            np.fft.irfft(self.spectra[block], self.n_fft, axis=1, out=frames)  # type: ignore[arg-type]  # numpy's stub knows no float32
            _overlapped(frames, self._window32, first * self.hop, self.hop, self._sum)
        np.multiply(self._sum[self.half : self.half + self.n_samples], self._weight, out=out)


def _weight(window: Figures, n_frames: int, hop: int) -> Floats:
    """What the overlapped frames are multiplied by: one over the sum of squared windows, one where there is none."""
    total = np.zeros(len(window) * 2 + hop * n_frames)
    for frame in range(n_frames):
        total[frame * hop : frame * hop + len(window)] += window**2
    return np.where(total > np.finfo(np.float32).tiny, 1 / np.maximum(total, np.finfo(np.float32).tiny), 1).astype(np.float32)


@exact
def _windowed(padded: Samples, start: int, hop: int, window: Figures, out: Figures) -> None:
    for frame in range(len(out)):
        samples = padded[start + frame * hop :]
        for i in range(len(window)):
            out[frame, i] = window[i] * samples[i]


@regrouped
def _overlapped(frames: Floats, window: Floats, start: int, hop: int, out: Samples) -> None:
    for frame in range(len(frames)):
        samples = out[start + frame * hop :]
        for i in range(len(window)):
            samples[i] += window[i] * frames[frame, i]
