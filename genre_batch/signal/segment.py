"""A stream of samples cut into segments of equal length."""

from collections.abc import Iterable, Iterator

import numpy as np

from genre_batch.errors import Silent, TooShort
from genre_batch.front_end import FrontEnd
from genre_batch.signal.decode import Samples


class Duration:
    """Counts the samples that pass through `of`."""

    samples = 0

    def of(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        for block in blocks:
            self.samples += len(block)
            yield block


def segments(blocks: Iterable[Samples], front_end: FrontEnd) -> Iterator[tuple[int, Samples]]:
    """Position in hops and samples [shape=(front_end.segment_samples,), float32] of every whole segment that is not silent.

    What is left at the end is dropped, as the original does; a track shorter than one segment is filled up with zeros.
    Raises TooShort below `min_track_s`, and Silent if no segment is loud enough.
    """
    size, hop = front_end.segment_samples, front_end.segment_hop_samples
    held = np.zeros(0, np.float32)
    skip = received = position = loud = 0
    for block in blocks:
        received += len(block)
        held = np.concatenate([held, block])
        dropped = min(skip, len(held))
        held, skip = held[dropped:], skip - dropped
        start = 0
        while start + size <= len(held):
            segment = held[start : start + size]
            if _is_loud(segment, front_end):
                loud += 1
                yield position, segment
            position, start = position + 1, start + hop
        skip += max(0, start - len(held))
        held = held[start:]
    if received < max(1, round(front_end.min_track_s * front_end.sample_rate_hz)):
        raise TooShort(f"{received / front_end.sample_rate_hz:.2f} s long, {front_end.min_track_s:g} s are needed")
    if position == 0:
        segment = np.concatenate([held, np.zeros(size - len(held), np.float32)])
        if _is_loud(held, front_end):
            loud += 1
            yield 0, segment
    if loud == 0:
        raise Silent(f"no segment is louder than {front_end.silence_dbfs:g} dBFS")


def _is_loud(samples: Samples, front_end: FrontEnd) -> bool:
    power = float(np.dot(samples, samples)) / len(samples)
    return power > 0 and 10 * np.log10(power) >= front_end.silence_dbfs
