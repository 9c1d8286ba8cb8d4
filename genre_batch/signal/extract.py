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

KEPT_BYTES = 64 * 2**20
"""Of energies that wait for the loudest of their track. A longer recording, of some forty minutes and more, is heard twice."""


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
    found = decode.decoded(data, front_end.block_s, partial(_extract, front_end=front_end, limits=limits))
    if isinstance(found, float):
        found = decode.decoded(data, front_end.block_s, partial(_extract, front_end=front_end, limits=limits, loudest=found))
    assert isinstance(found, TrackFeatures)
    return found


def _extract(stream: decode.Stream, front_end: FrontEnd, limits: Limits, loudest: float | None = None) -> TrackFeatures | float:
    """The features, or for a recording too long to keep all energies of: the largest of them, to begin again with as `loudest`."""
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
    by_track = front_end.reference == "track" and loudest is None
    largest, kept = 0.0, 0
    positions: list[int] = []
    drawn: list[npt.NDArray[Any]] = []
    described: list[npt.NDArray[np.float64]] = []
    for position, samples in segment.segments(blocks, front_end):
        positions.append(position)
        if front_end.spectrograms:
            energy = spectrogram.power(samples, front_end)
            # Relative to the track's maximum, they can only be finished when that is known; others at once, to keep memory flat.
            if by_track:
                largest, kept = max(largest, float(energy.max())), kept + energy.nbytes
                if kept <= KEPT_BYTES:
                    drawn.append(energy)
                else:
                    drawn, described, describe = [], [], None
            else:
                drawn.append(_draw(energy, front_end, float(energy.max()) if loudest is None else loudest))
        if describe:
            described.append(describe(samples))
    if kept > KEPT_BYTES:
        return largest
    if by_track:
        # One at a time in its place: all energies and all pictures together are a third more.
        for i, energy in enumerate(drawn):
            drawn[i] = _draw(energy, front_end, largest)
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
