"""What comes from a pipe, channels and all, mixed to blocks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from genre_batch.errors import Empty
from genre_batch.live.listen import Block
from genre_batch.signal import decode
from genre_batch.signal.decode import Samples, Stream


@dataclass(frozen=True, slots=True)
class Part:
    """The next samples, [shape=(n, channels), float32, full scale ±1]; lost: whether some are missing before them."""

    rate_hz: int
    samples: Samples
    lost: bool


def mixed(parts: Iterable[Part]) -> Iterator[Block]:
    """A block for each part that holds samples; before the first none can be missing. Raises NotFinite, and Empty if there is no
    sample at all."""
    heard = False
    for part in parts:
        if not len(part.samples):
            continue
        for samples in decode.mono(Stream(part.rate_hz, [part.samples])):
            yield Block(part.rate_hz, samples, part.lost and heard)
        heard = True
    if not heard:
        raise Empty("no samples")
