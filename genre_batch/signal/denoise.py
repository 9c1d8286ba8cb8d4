"""Spectral subtraction: noise magnitude estimated per frequency, subtracted from each frame, phase kept.

S. Boll, "Suppression of acoustic noise in speech using spectral subtraction", 1979; over-subtraction and the spectral
floor from M. Berouti, R. Schwartz, J. Makhoul, 1979; the noise as the minimum of the smoothed spectrum from R. Martin,
"Noise power spectral density estimation based on optimal smoothing and minimum statistics", 2001: for front ends with a fixed
smoothing and a fixed bias, and for streams (`MinimumStatistics`) with the smoothing and the bias that the signal asks for.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, signal

from genre_batch.front_end import Denoise
from genre_batch.signal.decode import Samples
from genre_batch.signal.spectrogram import hann

Spectrum = npt.NDArray[np.complex64]
Magnitude = npt.NDArray[np.float32]
Estimate = Callable[[Spectrum | None], Iterator[tuple[Spectrum, Magnitude]]]
"""Frames in, None at the end; frames out with the magnitude of the noise in each, sooner or later."""


def subtract(blocks: Iterable[Samples], *, sample_rate_hz: int, denoise: Denoise) -> Iterator[Samples]:
    """The blocks with the noise subtracted; as many samples come out as go in, and the same ones however they are cut.

    Analysis and synthesis by a Hann window; the sum of squared windows is divided out, and frames reach over both ends,
    so that with nothing to subtract the first and last samples come back as well.
    """
    return Subtraction.of(denoise, sample_rate_hz).through(blocks)


class Subtraction:
    """`subtract` for samples that come one block at a time."""

    def __init__(self, denoise: Denoise, estimate: Estimate) -> None:
        """estimate: as MinimumStatistics, which needs no take of noise alone and follows a noise that changes."""
        self.denoise, self.estimate = denoise, estimate
        self.frames = _Frames(denoise.n_fft, denoise.hop_length)

    @classmethod
    def of(cls, denoise: Denoise, sample_rate_hz: int) -> "Subtraction":
        """As `subtract` estimates the noise."""
        return cls(denoise, _estimator(denoise, sample_rate_hz))

    def through(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """All of them, to the end."""
        for block in blocks:
            yield from self.push(block)
        yield from self.end()

    def push(self, block: Samples) -> Iterator[Samples]:
        """[shape=(n,), float32]; what comes out is up to n_fft samples late, and with `first-seconds` waits for these."""
        spectra = self.frames.push(block)
        if spectra is not None:
            yield from self._cleaned(spectra)

    def end(self) -> Iterator[Samples]:
        """What is left."""
        spectra = self.frames.end()
        if spectra is not None:
            yield from self._cleaned(spectra)
        yield from self._cleaned(None)
        yield from self.frames.rest()

    def _cleaned(self, spectra: Spectrum | None) -> Iterator[Samples]:
        for noisy, noise in self.estimate(spectra):
            yield from self.frames.synthesise(_subtracted(noisy, noise, self.denoise))


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
        self.held = np.zeros(self.lead, np.float32)
        self.tail = np.zeros(self.lead, np.float32)
        self.weight = np.zeros(self.lead, np.float32)
        self.received = 0
        self.returned = -self.lead

    def push(self, block: Samples) -> Spectrum | None:
        """Frames that are whole by now; None if there are none."""
        self.received += len(block)
        self.held = np.concatenate([self.held, block])
        n = max(0, 1 + (len(self.held) - self.n_fft) // self.hop)
        if not n:
            return None
        spectra = self._spectra(self.held, n)
        self.held = self.held[n * self.hop :]
        return spectra

    def end(self) -> Spectrum | None:
        """Frames that reach past the end."""
        n = -(-len(self.held) // self.hop)
        return self._spectra(np.concatenate([self.held, np.zeros(self.n_fft, np.float32)]), n) if n else None

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
        self.heard = _heard(denoise)

    def __call__(self, spectra: Spectrum | None) -> Iterator[tuple[Spectrum, Magnitude]]:
        if spectra is None:
            return
        power, self.heard = _power(spectra, self.heard)
        if self.power is None:
            self.power = power[:1]
        smooth, _ = signal.lfilter([1 - self.alpha], [1, -self.alpha], power, axis=0, zi=self.alpha * self.power)
        self.power = smooth[-1:]
        history = np.concatenate([self.recent, smooth])
        # The window of `span` frames that ends at each frame; before the start there is nothing to be the minimum of.
        lowest = ndimage.minimum_filter1d(history, self.span, axis=0, origin=(self.span - 1) // 2, mode="constant", cval=np.inf)
        self.recent = history[-(self.span - 1) :] if self.span > 1 else history[:0]
        yield spectra, np.sqrt(self.bias * lowest[-len(spectra) :]).astype(np.float32)


class MinimumStatistics:
    """Martin's tracker, for streams: power smoothed as much as each frequency allows, its minimum over the last seconds, and the bias of a
    minimum made up for by how much the power varies. The window is searched in `PARTS` parts, so that a noise that grows is followed before
    the window is over. Memory is some spectra, however long the stream. Constants are the paper's.
    """

    PARTS = 8
    ALPHA_MAX, ALPHA_MIN, CORRECTION_MIN = 0.96, 0.3, 0.7
    BETA_MAX = 0.8
    VARIATION = 2.12

    def __init__(self, denoise: Denoise, sample_rate_hz: int) -> None:
        """Reads n_fft, hop_length and minimum_s, the window in which the minimum is looked for."""
        self.part = max(2, round(denoise.minimum_s * sample_rate_hz / denoise.hop_length / self.PARTS))
        self.window = self.part * self.PARTS
        self.heard = _heard(denoise)
        n = denoise.n_fft // 2 + 1
        self.correction = 1.0
        self.smooth: npt.NDArray[np.float64] | None = None
        self.noise, self.mean, self.square = np.empty(n), np.empty(n), np.empty(n)
        self.lowest, self.lowest_of_part = np.full(n, np.inf), np.full(n, np.inf)
        self.lowest_before = np.full((self.PARTS, n), np.inf)
        self.least = np.full(n, np.inf)
        self.falling = np.zeros(n, bool)
        self.frame = self.turn = 0

    def __call__(self, spectra: Spectrum | None) -> Iterator[tuple[Spectrum, Magnitude]]:
        if spectra is None:
            return
        power, self.heard = _power(spectra, self.heard)
        yield spectra, np.sqrt([self._follow(each) for each in power]).astype(np.float32)

    def _follow(self, power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Power of a frame [shape=(n_bins,)] to that of the noise in it."""
        power = np.maximum(power, _LEAST)
        if self.smooth is None:
            self.smooth, self.noise = power.copy(), power.copy()
            self.mean, self.square = power.copy(), np.square(power)
        alpha = self._smoothing(power, self.smooth)
        self.smooth = alpha * self.smooth + (1 - alpha) * power
        inverse_q = self._variation(alpha, self.smooth)
        spread = float(inverse_q.mean())
        more = 1 + self.VARIATION * np.sqrt(spread)
        self._search(self.smooth * more, inverse_q, spread)
        return self.noise

    def _smoothing(self, power: npt.NDArray[np.float64], smooth: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Of each frequency: much where there is noise alone, little where the signal changes."""
        error = smooth.sum() / power.sum() - 1
        self.correction = 0.7 * self.correction + 0.3 * max(1 / (1 + error * error), self.CORRECTION_MIN)
        above = smooth / self.noise - 1
        return np.maximum(self.ALPHA_MAX * self.correction / (1 + above * above), self.ALPHA_MIN)

    def _variation(self, alpha: npt.NDArray[np.float64], smooth: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """One over the degrees of freedom: variance of the smoothed power over twice the square of the noise, at most a half."""
        beta = np.minimum(alpha * alpha, self.BETA_MAX)
        self.mean = beta * self.mean + (1 - beta) * smooth
        self.square = beta * self.square + (1 - beta) * smooth * smooth
        variance = np.maximum(self.square - self.mean * self.mean, 0)
        return np.clip(variance / (2 * self.noise * self.noise), 1e-3, 0.5)

    def _search(self, smooth: npt.NDArray[np.float64], inverse_q: npt.NDArray[np.float64], spread: float) -> None:
        """The minimum of the window's parts; one of the last part alone counts where the noise may have grown."""
        whole, part = smooth * _bias(self.window, inverse_q), smooth * _bias(self.part, inverse_q)
        new = whole < self.lowest
        self.lowest[new], self.lowest_of_part[new] = whole[new], part[new]
        self.frame += 1
        if self.frame < self.part:
            # Within a part, a new minimum may be the noise at once; of the first frames there is no other.
            self.falling |= new & (self.frame > 1)
            self.least = np.minimum(self.least, self.lowest_of_part)
            self.noise = self.least.copy()
            return
        self.falling &= ~new
        self.lowest_before[self.turn] = self.lowest
        self.least = self.lowest_before.min(axis=0)
        grown = self.falling & (self.lowest_of_part < _growth(spread) * self.least) & (self.lowest_of_part > self.least)
        self.least[grown] = self.lowest_of_part[grown]
        self.lowest_before[:, grown] = self.lowest_of_part[grown]
        self.noise = self.least.copy()
        self.turn, self.frame = (self.turn + 1) % self.PARTS, 0
        self.falling[:] = False
        self.lowest[:], self.lowest_of_part[:] = np.inf, np.inf


_LEAST = 1e-20
"""Power that counts as none: a minimum of nothing at all would divide by zero."""
_FRAMES_OF_MINIMUM = (1, 2, 5, 8, 10, 15, 20, 30, 40, 60, 80, 120, 140, 160)
_MINIMUM = (0, 0.26, 0.48, 0.58, 0.61, 0.668, 0.705, 0.762, 0.8, 0.841, 0.865, 0.89, 0.9, 0.91)
"""Mean of the minimum, which the paper calls M(D) and tabulates."""


def _bias(frames: int, inverse_q: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """By how much the minimum of so many frames is smaller than their mean."""
    of_minimum = float(np.interp(frames, _FRAMES_OF_MINIMUM, _MINIMUM))
    freedom = (1 / inverse_q - 2 * of_minimum) / (1 - of_minimum)
    return np.asarray(1 + (frames - 1) * 2 / freedom)


def _growth(spread: float) -> float:
    """How many times a local minimum may exceed the minimum and be taken for a noise that grew: the less, the more the power varies."""
    return next((times for most, times in ((0.03, 8.0), (0.05, 4.0), (0.06, 2.0)) if spread < most), 1.2)


def _heard(denoise: Denoise) -> npt.NDArray[np.float64]:
    """Share of a window's energy that lies in the recording, for the first frames, which lie partly before it: without making up for it,
    theirs would be the minimum for long."""
    energy = np.square(hann(denoise.n_fft), dtype=np.float64)
    before = np.arange(denoise.n_fft - denoise.hop_length, 0, -denoise.hop_length)
    return np.array([energy[n:].sum() for n in before]) / energy.sum()


def _power(spectra: Spectrum, heard: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Power of frames, the first ones raised to what whole ones would have; and the shares of frames that are still to come."""
    power = np.square(np.abs(spectra.astype(np.complex128)))
    starting = heard[: len(power)]
    power[: len(starting)] /= starting[:, None]
    return power, heard[len(power) :]
