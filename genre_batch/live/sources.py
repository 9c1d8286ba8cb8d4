"""Where a stream comes from: a recording, raw samples, or encoded audio on a pipe."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from genre_batch.errors import Empty, NotFinite, TrackError, Undecodable, UsageError
from genre_batch.live.answer import Ended
from genre_batch.live.coding import Coding
from genre_batch.live.frames import frames
from genre_batch.live.listen import GAP_S, Block
from genre_batch.live.part import Part, mixed
from genre_batch.live.pipe import Pipe
from genre_batch.signal import decode
from genre_batch.signal.decode import RATES_HZ, Samples, Stream

CHUNK_S = 0.02
SEEN = {"probesize": "65536", "analyzeduration": "500000"}
"""Bytes and microseconds that FFmpeg may look at before it says what they are: by default more than the first three seconds."""


@dataclass(frozen=True, slots=True)
class Raw:
    """What raw samples are."""

    rate_hz: int
    channels: int = 1
    coding: Coding = Coding.S16LE

    def __post_init__(self) -> None:
        if self.rate_hz not in RATES_HZ:
            raise UsageError(f"--rate {self.rate_hz} is no sample rate: it must be 1000 to 1000000 Hz")
        if self.channels < 1:
            raise UsageError(f"--channels {self.channels}: there must be at least one")

    @property
    def frame_bytes(self) -> int:
        return self.channels * (2 if self.coding is Coding.S16LE else 4)

    def samples(self, data: bytes) -> Samples:
        """Whole frames as [shape=(n, channels), float32, full scale ±1]; what is left of a last one is dropped."""
        whole = data[: len(data) // self.frame_bytes * self.frame_bytes]
        if self.coding is Coding.F32LE:
            return np.frombuffer(whole, "<f4").astype(np.float32).reshape(-1, self.channels)
        return (np.frombuffer(whole, "<i2").astype(np.float32) / np.float32(32_768)).reshape(-1, self.channels)


def recording(path: str, block_s: float, use: Callable[[Iterator[Block]], Ended]) -> Ended:
    """What `use` makes of a file, decoded as label-catalog decodes it: once more from its start by FFmpeg where libsndfile breaks off
    or finds no sample. A file without any ends empty.

    Raises UsageError for a file that cannot be read or holds no audio.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return decode.decoded(data, block_s, lambda stream: use(_blocks(stream)))
    except TrackError as error:
        if data and isinstance(error, Empty):
            return Ended(0.0, None, error)
        raise UsageError(f"{path} cannot be listened to ({error.reason.value}): {error}") from error


def live(blocks: Iterator[Block], use: Callable[[Iterator[Block]], Ended]) -> Ended:
    """What `use` makes of a pipe or a microphone. One that brings no sample ends empty."""
    try:
        return use(blocks)
    except Empty as empty:
        return Ended(0.0, None, empty)


def raw(pipe: Pipe, kind: Raw) -> Iterator[Block]:
    """Samples as they come, CHUNK_S at a time. Raises UsageError for floats that are no audio, and Empty if there is no sample."""
    try:
        yield from mixed(_chunks(pipe, kind))
    except NotFinite as error:
        raise UsageError(f"standard input holds {error}: are --format, --rate and --channels right?") from error


def encoded(pipe: Pipe) -> Iterator[Block]:
    """What FFmpeg decodes, frame by frame, with a gap where it could not. Raises UsageError if it finds no audio, and Empty if there
    is no sample."""
    try:
        container = av.open(
            pipe, "r", options={"protocol_whitelist": "none", **SEEN}, metadata_errors="ignore", buffer_size=4096
        )
        audio = next((stream for stream in container.streams.audio if stream.codec_context), None)
    except (av.FFmpegError, ValueError) as error:
        if pipe.stop.is_set():
            return
        said = getattr(error, "strerror", None) or error
        raise UsageError(f"standard input holds no audio that FFmpeg knows ({said}): for raw samples give --rate") from error
    if audio is None:
        container.close()
        raise UsageError("standard input holds no audio stream: for raw samples give --rate")
    with container:
        try:
            yield from mixed(frames(pipe, container, audio))
        except (NotFinite, Undecodable) as error:
            raise UsageError(f"standard input cannot be listened to further ({error.reason.value}): {error}") from error


def _chunks(pipe: Pipe, kind: Raw) -> Iterator[Part]:
    n = max(1, round(CHUNK_S * kind.rate_hz)) * kind.frame_bytes
    pipe.waited()
    while data := pipe.read_whole(n):
        yield Part(kind.rate_hz, kind.samples(data), pipe.waited() > GAP_S)


def _blocks(stream: Stream) -> Iterator[Block]:
    return (Block(stream.rate_hz, samples) for samples in decode.mono(stream))
