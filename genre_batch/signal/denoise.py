"""Spectral subtraction: noise magnitude estimated per frequency, subtracted from each frame, phase kept.

S. Boll, "Suppression of acoustic noise in speech using spectral subtraction", 1979; over-subtraction and the spectral
floor from M. Berouti, R. Schwartz, J. Makhoul, 1979; the noise as the minimum of the smoothed spectrum from R. Martin,
"Noise power spectral density estimation based on optimal smoothing and minimum statistics", 2001, here with a fixed
smoothing and a fixed bias.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, signal

from genre_batch.front_end import Denoise
from genre_batch.signal.decode import Samples
from genre_batch.signal.spectrogram import hann

Spectrum = npt.NDArray[np.complex64]
Magnitude = npt.NDArray[np.float32]


def subtract(blocks: Iterable[Samples], *, sample_rate_hz: int, denoise: Denoise) -> Iterator[Samples]:
    """The blocks with the noise subtracted; as many samples come out as go in, and the same ones however they are cut.

    Analysis and synthesis by a Hann window; the sum of squared windows is divided out, and frames reach over both ends,
    so that with nothing to subtract the first and last samples come back as well.
    """
    estimate = _estimator(denoise, sample_rate_hz)
    frames = _Frames(denoise.n_fft, denoise.hop_length)
    for spectra in frames.analyse(blocks):
        for noisy, noise in estimate(spectra):
            yield from frames.synthesise(_subtracted(noisy, noise, denoise))
    for noisy, noise in estimate(None):
        yield from frames.synthesise(_subtracted(noisy, noise, denoise))
    yield from frames.rest()


def _subtracted(noisy: Spectrum, noise: Magnitude, denoise: Denoise) -> Spectrum:
    magnitude = np.abs(noisy)
    floor = np.minimum(denoise.floor * noise, magnitude)
    clean = np.maximum(magnitude - denoise.over_subtraction * noise, floor)
    return noisy * np.divide(clean, magnitude, out=np.zeros_like(magnitude), where=magnitude > 0)


class _Frames:
    """Short-time Fourier analysis and overlap-add synthesis of a stream, [frames as rows]."""

    def __init__(self, n_fft: int, hop_length: int) -> None:
        self.n_fft, self.hop = n_fft, hop_length
        self.window = hann(n_fft)
        self.lead = n_fft - hop_length
        self.tail = np.zeros(self.lead, np.float32)
        self.weight = np.zeros(self.lead, np.float32)
        self.received = 0
        self.returned = -self.lead

    def analyse(self, blocks: Iterable[Samples]) -> Iterator[Spectrum]:
        held = np.zeros(self.lead, np.float32)
        for block in blocks:
            self.received += len(block)
            held = np.concatenate([held, block])
            n = max(0, 1 + (len(held) - self.n_fft) // self.hop)
            if n:
                yield self._spectra(held, n)
                held = held[n * self.hop :]
        n = -(-len(held) // self.hop)
        if n:
            yield self._spectra(np.concatenate([held, np.zeros(self.n_fft, np.float32)]), n)

    def _spectra(self, samples: Samples, n: int) -> Spectrum:
        framed = np.lib.stride_tricks.sliding_window_view(samples, self.n_fft)[: (n - 1) * self.hop + 1 : self.hop]
        return np.asarray(fft.rfft(framed * self.window, axis=1), np.complex64)

    def synthesise(self, spectra: Spectrum) -> Iterator[Samples]:
        framed = np.asarray(fft.irfft(spectra, self.n_fft, axis=1), np.float32) * self.window
        n = len(framed)
        out = np.zeros(self.lead + n * self.hop, np.float32)
        weight = np.zeros_like(out)
        out[: self.lead], weight[: self.lead] = self.tail, self.weight
        squared = self.window**2
        for i in range(n):
            out[i * self.hop : i * self.hop + self.n_fft] += framed[i]
            weight[i * self.hop : i * self.hop + self.n_fft] += squared
        self.tail, self.weight = out[n * self.hop :], weight[n * self.hop :]
        yield self._cut(out[: n * self.hop], weight[: n * self.hop])

    def rest(self) -> Iterator[Samples]:
        yield self._cut(self.tail, self.weight)

    def _cut(self, out: Samples, weight: Samples) -> Samples:
        """What of the next samples lies in the recording: not before its start, not past its end."""
        start = max(0, -self.returned)
        stop = max(start, min(len(out), self.received - self.returned))
        self.returned += len(out)
        return np.asarray(out[start:stop] / np.maximum(weight[start:stop], 1e-8), np.float32)


def _estimator(denoise: Denoise, sample_rate_hz: int) -> "_FirstSeconds | _MinimumStatistics":
    frames_per_s = sample_rate_hz / denoise.hop_length
    if denoise.noise == "first-seconds":
        return _FirstSeconds(max(1, round(denoise.first_s * frames_per_s)))
    return _MinimumStatistics(denoise, frames_per_s)


class _FirstSeconds:
    """The mean magnitude of the first n frames that lie in the recording's first seconds; they wait until all are there."""

    def __init__(self, n_frames: int) -> None:
        self.n_frames = n_frames
        self.waiting: list[Spectrum] = []
        self.noise: Magnitude | None = None

    def __call__(self, spectra: Spectrum | None) -> Iterator[tuple[Spectrum, Magnitude]]:
        if self.noise is None:
            if spectra is not None:
                self.waiting.append(spectra)
                if sum(map(len, self.waiting)) < self.n_frames:
                    return
            elif not self.waiting:
                return
            spectra = np.concatenate(self.waiting)
            self.waiting = []
            self.noise = np.abs(spectra[: self.n_frames]).mean(axis=0, keepdims=True, dtype=np.float32)
        if spectra is not None:
            yield spectra, self.noise


class _MinimumStatistics:
    """The minimum of the smoothed power over the last frames, times a bias: follows a noise that changes, needs no pause."""

    def __init__(self, denoise: Denoise, frames_per_s: float) -> None:
        self.alpha = float(np.exp(-1.0 / (denoise.smoothing_s * frames_per_s)))
        self.span = max(1, round(denoise.minimum_s * frames_per_s))
        self.bias = denoise.minimum_bias
        self.power: npt.NDArray[np.float64] | None = None
        self.recent = np.zeros((0, denoise.n_fft // 2 + 1))
        # The first frames lie partly before the recording: without making up for it, theirs would be the minimum for long.
        energy = np.square(hann(denoise.n_fft), dtype=np.float64)
        before = np.arange(denoise.n_fft - denoise.hop_length, 0, -denoise.hop_length)
        self.heard = np.array([energy[n:].sum() for n in before]) / energy.sum()

    def __call__(self, spectra: Spectrum | None) -> Iterator[tuple[Spectrum, Magnitude]]:
        if spectra is None:
            return
        power = np.square(np.abs(spectra.astype(np.complex128)))
        starting, self.heard = self.heard[: len(power)], self.heard[len(power) :]
        power[: len(starting)] /= starting[:, None]
        if self.power is None:
            self.power = power[:1]
        smooth, _ = signal.lfilter([1 - self.alpha], [1, -self.alpha], power, axis=0, zi=self.alpha * self.power)
        self.power = smooth[-1:]
        history = np.concatenate([self.recent, smooth])
        # The window of `span` frames that ends at each frame; before the start there is nothing to be the minimum of.
        lowest = ndimage.minimum_filter1d(history, self.span, axis=0, origin=(self.span - 1) // 2, mode="constant", cval=np.inf)
        self.recent = history[-(self.span - 1) :] if self.span > 1 else history[:0]
        yield spectra, np.sqrt(self.bias * lowest[-len(spectra) :]).astype(np.float32)
