"""`extract`: the one way from the bytes of a recording to what models see, for training and for labelling."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genre_batch.errors import Empty, Undecodable
from genre_batch.front_end import FrontEnd
from genre_batch.signal import decode, segment, spectrogram


@dataclass(frozen=True, slots=True)
class TrackFeatures:
    """One track: spectrograms [shape=(n_segments, rows, columns), uint8]; their positions [shape=(n_segments,), int32], in
    segment hops from the start; duration in seconds."""

    spectrograms: npt.NDArray[np.uint8]
    positions: npt.NDArray[np.int32]
    duration_s: float


def extract(data: bytes, front_end: FrontEnd) -> TrackFeatures:
    """Decode, mix to mono, resample, denoise where the front end says so, cut, and draw each segment's spectrogram.

    Raises TrackError with its reason code for a track that cannot be used, and nothing else.
    """
    if not data:
        raise Empty("no bytes")
    try:
        return _extract(decode.open_libsndfile, data, front_end)
    except (Undecodable, Empty) as refused:
        try:
            return _extract(decode.open_ffmpeg, data, front_end)
        except Undecodable as error:
            if isinstance(refused, Empty):
                raise refused from error
            raise Undecodable(f"{refused}; {error}") from error


def _extract(open_stream: Callable[[bytes, float], decode.Stream], data: bytes, front_end: FrontEnd) -> TrackFeatures:
    stream = open_stream(data, front_end.block_s)
    rate_hz = front_end.sample_rate_hz
    duration = segment.Duration()
    blocks = duration.of(
        decode.resample(decode.mono(stream), from_hz=stream.rate_hz, to_hz=rate_hz, quality=front_end.resample_quality)
    )
    if front_end.denoise:
        from genre_batch.signal import (
            denoise,  # scipy.signal costs a second that most workers need not pay
        )

        blocks = denoise.subtract(blocks, sample_rate_hz=rate_hz, denoise=front_end.denoise)
    cut = segment.segments(blocks, front_end)
    # Relative to the track's maximum, they can only be finished when all are there; others at once, to keep memory flat.
    if front_end.reference == "track":
        energies = [(position, spectrogram.power(samples, front_end)) for position, samples in cut]
        loudest = max(float(energy.max()) for _, energy in energies)
        drawn = [(position, _draw(energy, front_end, loudest)) for position, energy in energies]
    else:
        drawn = []
        for position, samples in cut:
            energy = spectrogram.power(samples, front_end)
            drawn.append((position, _draw(energy, front_end, float(energy.max()))))
    return TrackFeatures(
        spectrograms=np.stack([picture for _, picture in drawn]),
        positions=np.array([position for position, _ in drawn], np.int32),
        duration_s=duration.samples / rate_hz,
    )


def _draw(energy: spectrogram.Floats, front_end: FrontEnd, loudest: float) -> spectrogram.Picture:
    return spectrogram.picture(spectrogram.decibels(energy, front_end, loudest), front_end)
