"""`listen`: blocks of a stream in, answers while it plays, and a verdict at its end."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from genre_batch.errors import Silent, TooShort
from genre_batch.front_end import Denoise, FrontEnd
from genre_batch.live import chain
from genre_batch.live.answer import Answer, Ended
from genre_batch.live.now import Now
from genre_batch.live.whole import Whole
from genre_batch.models.bundle import Bundle
from genre_batch.signal import decode, segment
from genre_batch.signal.decode import Samples

PIECE_S = 0.1
"""So much is heard before it is asked whether to go on."""
GAP_S = 2.0
"""A live source that says nothing for so long has lost something."""


@dataclass(frozen=True, slots=True)
class Block:
    """The next samples of a stream, [shape=(n,), float32, mono]; gap: whether some are missing before them."""

    rate_hz: int
    samples: Samples
    gap: bool = False


Wait = Callable[[float], bool]
"""Given a length of audio in seconds, returns when as much may be heard: whether to go on, or end the stream here."""


def listen(
    blocks: Iterable[Block],
    bundle: Bundle,
    show: Callable[[Answer], None],
    *,
    denoise: Denoise | None = None,
    wait: Wait = lambda time_s: True,
) -> Ended:
    """Label a stream as it plays; `show` hears of each answer. The rate may change from block to block.

    Answers are the same however the samples are cut into blocks, and the verdict is label-catalog's for a recording that is decoded in
    blocks of front_end.block_s or comes in shorter ones. A stream that label-catalog would refuse ends with the reason. Memory does not
    grow with the stream. Raises Undecodable for a rate that cannot be resampled, and what `blocks` raises: Empty too, because who
    decodes may know another way.
    """
    front_end, now, whole = bundle.front_end, Now(bundle, denoise), Whole(bundle)
    heard = _Heard(now, show, wait)
    duration = segment.Duration()
    samples = duration.of(_resampled(_gathered(heard.of(blocks), front_end.block_s), front_end))
    if subtraction := chain.subtraction(front_end, denoise):
        samples = subtraction.through(samples)
    try:
        for _, each in segment.segments(samples, front_end):
            whole.add(each)
        verdict = whole.verdict()
    except (TooShort, Silent) as refused:
        return Ended(duration.samples / front_end.sample_rate_hz, None, refused)
    return Ended(duration.samples / front_end.sample_rate_hz, verdict, exact=whole.exact)


class _Heard:
    """Lets `now` hear the blocks that pass through `of`."""

    def __init__(self, now: Now, show: Callable[[Answer], None], wait: Wait) -> None:
        self.now, self.show, self.wait = now, show, wait
        self.time_s = 0.0

    def of(self, blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            size = max(1, round(PIECE_S * block.rate_hz))
            for start in range(0, len(block.samples), size):
                piece = block.samples[start : start + size]
                self.time_s += len(piece) / block.rate_hz
                if not self.wait(self.time_s):
                    yield Block(block.rate_hz, block.samples[:start], block.gap)
                    return
                for answer in self.now.hear(piece, block.rate_hz, gap=block.gap and start == 0):
                    self.show(answer)
            yield block


def _gathered(blocks: Iterable[Block], block_s: float) -> Iterator[Block]:
    """Short blocks joined to such of block_s, as decoders give a recording; those are left as they are.

    The resampler's result depends on it in the last bit.
    """
    for rate_hz, alike in groupby(blocks, key=lambda block: block.rate_hz):
        size = round(block_s * rate_hz)
        parts: list[Samples] = []
        n = 0
        for block in alike:
            if not n and len(block.samples) >= size:
                yield block
                continue
            parts.append(block.samples)
            n += len(block.samples)
            if n >= size:
                held = np.concatenate(parts)
                for start in range(0, n - size + 1, size):
                    yield Block(rate_hz, held[start : start + size])
                rest = held[n // size * size :]
                parts, n = ([rest] if len(rest) else []), len(rest)
        if n:
            yield Block(rate_hz, np.concatenate(parts))


def _resampled(blocks: Iterable[Block], front_end: FrontEnd) -> Iterator[Samples]:
    for rate_hz, alike in groupby(blocks, key=lambda block: block.rate_hz):
        samples = (block.samples for block in alike)
        yield from decode.resample(samples, from_hz=rate_hz, to_hz=front_end.sample_rate_hz, quality=front_end.resample_quality)
