"""A recording decoded whole, for those who change it: `extract` itself never holds one.

One channel and two are kept, more are mixed to one: all that models hear is the mean.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from genre_batch.signal import decode, encode
from genre_batch.signal.decode import Samples

BLOCK_S = 10.0
MPEG_RATES_HZ = (32_000, 44_100, 48_000)
"""Of MPEG-1. The lower rates of MPEG-2 do not know every bit rate, nor libmpg123 all that LAME makes of them."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Decoded whole: samples [shape=(n, channels), float32, full scale ±1], one channel or two."""

    rate_hz: int
    samples: Samples

    @property
    def mono(self) -> Samples:
        """What models hear, [shape=(n,), float32]."""
        return np.concatenate(list(decode.mono(decode.Stream(self.rate_hz, [self.samples]))))

    def at(self, rate_hz: int) -> "Sound":
        """Resampled, each channel by itself."""
        channels = [self._resampled(np.ascontiguousarray(channel), rate_hz) for channel in self.samples.T]
        return Sound(rate_hz, np.column_stack(channels))

    def _resampled(self, channel: Samples, rate_hz: int) -> Samples:
        return np.concatenate(list(decode.resample([channel], from_hz=self.rate_hz, to_hz=rate_hz, quality="HQ")))

    def codable(self) -> "Sound":
        """At its rate or the next higher of MPEG-1, or the highest: for MP3 and Vorbis."""
        return self.at(next((rate for rate in MPEG_RATES_HZ if rate >= self.rate_hz), MPEG_RATES_HZ[-1]))


def read(data: bytes) -> Sound:
    """Decoded as `extract` does: by libsndfile, or by FFmpeg where that refuses. Raises Empty, Undecodable and NotFinite."""
    return decode.decoded(data, BLOCK_S, _whole)


def write(sound: Sound) -> bytes:
    """Lossless: floats in a W64."""
    return encode.libsndfile(sound.samples, sound.rate_hz, "W64", "FLOAT")


def _whole(stream: decode.Stream) -> Sound:
    """Raises what `mono` and the blocks raise. Channels that are no audio by themselves, but are mixed, are mixed."""
    blocks: list[Samples] = []

    def kept() -> Iterator[Samples]:
        for block in stream.blocks:
            blocks.append(block)
            yield block

    mixed = list(decode.mono(decode.Stream(stream.rate_hz, kept())))
    alike = blocks[0].shape[1] <= 2 and all(a.shape[1] == b.shape[1] for a, b in pairwise(blocks))
    if alike and all((np.abs(block) <= decode.LOUDEST).all() for block in blocks):
        return Sound(stream.rate_hz, np.concatenate(blocks))
    return Sound(stream.rate_hz, np.concatenate(mixed)[:, None])
