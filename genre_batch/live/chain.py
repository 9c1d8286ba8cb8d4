"""From samples to what models see, as `extract` does it, for one segment at a time."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from genre_batch.front_end import Denoise, FrontEnd
from genre_batch.models.scorer import Descriptions, Spectrograms
from genre_batch.signal import spectrogram
from genre_batch.signal.decode import Samples

if TYPE_CHECKING:
    from genre_batch.signal.denoise import Subtraction

DENOISE = Denoise(noise="minimum-statistics", minimum_s=6.0, over_subtraction=1.0, floor=0.3)
"""What `--denoise` does, with frames of `frames_for` and the noise tracked as Martin does. Gentler than is usual for speech: music holds
notes for seconds, and what subtraction leaves must look like what the models know (docs/live.md)."""
FRAME_S = 0.046


def frames_for(denoise: Denoise, sample_rate_hz: int) -> Denoise:
    """With frames of some FRAME_S seconds, a power of two, four times overlapped."""
    n_fft = 1 << round(float(np.log2(FRAME_S * sample_rate_hz)))
    return dataclasses.replace(denoise, n_fft=n_fft, hop_length=n_fft // 4)


def subtraction(front_end: FrontEnd, denoise: Denoise | None) -> "Subtraction | None":
    """The bundle's own, or that which was asked for, or none."""
    if front_end.denoise is None and denoise is None:
        return None
    from genre_batch.signal.denoise import MinimumStatistics, Subtraction  # scipy.signal costs a second

    if front_end.denoise is not None:
        return Subtraction.of(front_end.denoise, front_end.sample_rate_hz)
    assert denoise is not None
    denoise = frames_for(denoise, front_end.sample_rate_hz)
    return Subtraction(denoise, MinimumStatistics(denoise, front_end.sample_rate_hz))


def energy(samples: Samples, front_end: FrontEnd) -> spectrogram.Floats | None:
    """Power of a segment [shape=(front_end.segment_samples,)] in each band; None where the front end draws no spectrograms."""
    return spectrogram.power(samples, front_end) if front_end.spectrograms else None


def drawn(energies: list[spectrogram.Floats], front_end: FrontEnd, loudest: float | None = None) -> Spectrograms | None:
    """Spectrograms relative to `loudest`, or each to its own maximum."""
    if not energies:
        return None
    of = (loudest if loudest is not None else float(each.max()) for each in energies)
    pairs = zip(energies, of, strict=True)
    return np.stack([spectrogram.picture(spectrogram.decibels(each, front_end, most), front_end) for each, most in pairs])


def described(samples: Samples, front_end: FrontEnd) -> Descriptions | None:
    """Descriptors of a segment, [shape=(1, 57)]; None where the front end computes none."""
    if front_end.descriptors is None:
        return None
    from genre_batch.signal import descriptors  # numba costs seconds

    return descriptors.describe(samples, sample_rate_hz=front_end.sample_rate_hz, parameters=front_end.descriptors)[None]
