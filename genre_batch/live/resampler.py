"""Samples at whatever rate they come to the rate of a front end, as they come."""

import numpy as np
import soxr

from genre_batch.errors import Undecodable
from genre_batch.signal.decode import Samples

PIECE_S = 0.05
"""Samples are resampled so many at a time, however they come: soxr's result depends on it in the last bit."""


class Resampler:
    """What is pushed [shape=(n,), float32] comes out resampled, some milliseconds later; the rate may change at any time."""

    def __init__(self, to_hz: int, quality: str) -> None:
        self.to_hz, self.quality = to_hz, quality
        self.from_hz = to_hz
        self._held = np.zeros(0, np.float32)
        self._stream: soxr.ResampleStream | None = None

    def push(self, samples: Samples, from_hz: int) -> list[Samples]:
        """Whole pieces, and before them the rest at the rate that was, where the rate is another. Raises Undecodable for a rate that soxr
        refuses."""
        out = []
        if from_hz != self.from_hz:
            out, self.from_hz = self.end(), from_hz
        self._held = np.concatenate([self._held, samples])
        size = round(PIECE_S * from_hz)
        whole = len(self._held) // size * size
        pieces = self._held[:whole].reshape(-1, size)
        self._held = self._held[whole:]
        return out + [self._resampled(piece) for piece in pieces]

    def end(self) -> list[Samples]:
        """What is left; afterwards another recording may begin."""
        rest, self._held = self._held, np.zeros(0, np.float32)
        out = [self._resampled(rest, last=True)]
        self._stream = None
        return out

    def _resampled(self, piece: Samples, *, last: bool = False) -> Samples:
        if self.from_hz == self.to_hz:
            return piece
        if self._stream is None:
            try:
                self._stream = soxr.ResampleStream(self.from_hz, self.to_hz, 1, dtype="float32", quality=self.quality)
            except (ValueError, RuntimeError) as error:
                what = f"a sample rate of {self.from_hz} Hz cannot be resampled to {self.to_hz} Hz"
                raise Undecodable(f"{what}: {error}") from error
        return np.asarray(self._stream.resample_chunk(piece, last=last), np.float32)
