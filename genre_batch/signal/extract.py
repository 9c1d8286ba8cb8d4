"""`extract`: the one way from the bytes of a recording to what models see, for training and for labelling."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from genre_batch.front_end import FrontEnd
from genre_batch.limits import Limits
from genre_batch.signal import decode, segment, spectrogram
from genre_batch.signal.decode import Samples


@dataclass(frozen=True, slots=True)
class TrackFeatures:
    """One track: spectrograms [shape=(n_segments, rows, columns), uint8] and descriptors [shape=(n_segments, 57), float64], either None
    where the front end does not compute it; positions [shape=(n_segments,), int32], in segment hops from the start; duration in seconds;
    loudness: root mean square of the mono recording as it was decoded, in dB re full scale, None for what never was a recording."""

    spectrograms: npt.NDArray[np.uint8] | None
    descriptors: npt.NDArray[np.float64] | None
    positions: npt.NDArray[np.int32]
    duration_s: float
    loudness_db: float | None = None


def extract(data: bytes, front_end: FrontEnd, limits: Limits = Limits()) -> TrackFeatures:
    """Decode, mix to mono, resample, denoise where the front end says so, cut, and draw and describe each segment.

    Raises TrackError with its reason code for a track that cannot be used, or of which more than `limits.audio_s` come, and nothing else.
    """
    return decode.decoded(data, front_end.block_s, partial(_extract, front_end=front_end, limits=limits))


def _extract(stream: decode.Stream, front_end: FrontEnd, limits: Limits) -> TrackFeatures:
    rate_hz = front_end.sample_rate_hz
    loudness, duration = decode.Loudness(), segment.Duration()
    heard = decode.within(decode.mono(stream), rate_hz=stream.rate_hz, most_s=limits.audio_s)
    blocks = duration.of(
        decode.resample(loudness.of(heard), from_hz=stream.rate_hz, to_hz=rate_hz, quality=front_end.resample_quality)
    )
    if front_end.denoise:
        from genre_batch.signal import (
            denoise,  # scipy.signal costs a second that most workers need not pay
        )

        blocks = denoise.subtract(blocks, sample_rate_hz=rate_hz, denoise=front_end.denoise)
    describe = _describer(front_end)
    by_track = front_end.reference == "track"
    positions: list[int] = []
    drawn: list[npt.NDArray[Any]] = []
    described: list[npt.NDArray[np.float64]] = []
    for position, samples in segment.segments(blocks, front_end):
        positions.append(position)
        if front_end.spectrograms:
            energy = spectrogram.power(samples, front_end)
            # Relative to the track's maximum, they can only be finished when all are there; others at once, to keep memory flat.
            drawn.append(energy if by_track else _draw(energy, front_end, float(energy.max())))
        if describe:
            described.append(describe(samples))
    if drawn and by_track:
        loudest = max(float(energy.max()) for energy in drawn)
        # One at a time in its place: of two hours, all energies and all pictures together are a third more.
        for i, energy in enumerate(drawn):
            drawn[i] = _draw(energy, front_end, loudest)
    return TrackFeatures(
        spectrograms=np.stack(drawn) if drawn else None,
        descriptors=np.stack(described) if described else None,
        positions=np.array(positions, np.int32),
        duration_s=duration.samples / rate_hz,
        loudness_db=loudness.db,
    )


def _draw(energy: spectrogram.Floats, front_end: FrontEnd, loudest: float) -> spectrogram.Picture:
    return spectrogram.picture(spectrogram.decibels(energy, front_end, loudest), front_end)


def _describer(front_end: FrontEnd) -> Callable[[Samples], npt.NDArray[np.float64]] | None:
    if front_end.descriptors is None:
        return None
    from genre_batch.signal import descriptors  # numba costs seconds that most workers need not pay

    return partial(descriptors.describe, sample_rate_hz=front_end.sample_rate_hz, parameters=front_end.descriptors)
