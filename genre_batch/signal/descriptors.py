"""The 57 descriptors of GTZAN's tables for one segment, at librosa's numbers and a small part of its time.

One transform serves all of them; what librosa computes again for each feature is computed once. Definitions are those of
librosa 0.11 (B. McFee et al., "librosa: Audio and music signal analysis in Python", SciPy 2015), and the tests hold the two
together.
"""

from functools import lru_cache
from threading import Lock

import numpy as np
import numpy.typing as npt

from genre_batch.front_end import Descriptors
from genre_batch.signal import spectrum
from genre_batch.signal.cepstrum import Cepstrum
from genre_batch.signal.chroma import Chroma
from genre_batch.signal.decode import Samples
from genre_batch.signal.harmonic import Separation
from genre_batch.signal.stft import Stft
from genre_batch.signal.tempo import Tempo
from genre_batch.signal.waveform import Waveform
from schemas.descriptors import N_MFCC

SHAPES_KEPT = 3


def describe(samples: Samples, sample_rate_hz: int, parameters: Descriptors) -> npt.NDArray[np.float64]:
    """[shape=(57,), float64] in the order of schemas.descriptors.NAMES; samples are mono and finite, full scale ±1.

    Raises ValueError for fewer samples than half an STFT window. Working memory is kept for the last few shapes of segment
    (about 2 MB a second of audio each); threads take turns.
    """
    if samples.ndim != 1 or len(samples) < parameters.n_fft // 2:
        raise ValueError(f"samples of shape {samples.shape}: one channel of at least {parameters.n_fft // 2} is needed")
    workspace = _workspace(len(samples), sample_rate_hz, parameters)
    with workspace.lock:
        return workspace.describe(samples)


class _Workspace:
    """Everything that depends on the length of a segment, the sample rate and the parameters alone."""

    def __init__(self, n_samples: int, sample_rate_hz: int, parameters: Descriptors) -> None:
        p = parameters
        self.lock = Lock()
        self.parameters = p
        self.stft = Stft(n_samples, p.n_fft, p.hop_length)
        n_frames, n_bins = self.stft.magnitude.shape
        self.waveform = Waveform(len(self.stft.padded), p.n_fft, p.hop_length)
        self.separation = Separation(n_frames, n_bins, n_samples, p.median_size, p.mask_power)
        self.chroma = Chroma(n_frames, sample_rate_hz, p)
        self.cepstrum = Cepstrum(n_frames, sample_rate_hz, N_MFCC, p)
        self.tempo = Tempo(n_frames, sample_rate_hz, p)
        self.frequencies = np.asarray(np.fft.rfftfreq(p.n_fft, 1 / sample_rate_hz), np.float64)
        self.series = np.empty((5, n_frames))

    def describe(self, samples: Samples) -> npt.NDArray[np.float64]:
        p, stft, series = self.parameters, self.stft, self.series
        stft.analyse(samples)
        self.separation.turn(stft.magnitude)
        self.cepstrum.listen(stft.power)
        rms, centroid, bandwidth, rolloff, zcr = series
        self.waveform.rms(stft.padded, rms)
        self.waveform.zero_crossing_rate(stft.padded, p.zero_threshold, zcr)
        spectrum.centroid_and_bandwidth(stft.magnitude, self.frequencies[1], centroid, bandwidth)
        spectrum.rolloff(self.separation.turned, p.roll_percent, self.frequencies, rolloff)
        return np.concatenate(
            [
                self.chroma.figures(stft.power),
                np.column_stack([series.mean(axis=1), series.var(axis=1)]).ravel(),
                # Last of those that read the spectra: it leaves the harmonic ones in their place.
                self.separation.part(stft),
                [self.tempo.bpm(self.cepstrum.decibels)],
                self.cepstrum.figures().ravel(),
            ]
        )


@lru_cache(maxsize=SHAPES_KEPT)
def _workspace(n_samples: int, sample_rate_hz: int, parameters: Descriptors) -> _Workspace:
    return _Workspace(n_samples, sample_rate_hz, parameters)
