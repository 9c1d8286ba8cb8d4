"""Where a stream comes from: a recording, raw samples, or encoded audio on a pipe."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from genre_batch.errors import NotFinite, TrackError, Undecodable, UsageError
from genre_batch.live.answer import Ended
from genre_batch.live.coding import Coding
from genre_batch.live.listen import Block
from genre_batch.live.pipe import Pipe
from genre_batch.signal import decode
from genre_batch.signal.decode import RATES_HZ, Samples, Stream

CHUNK_S = 0.02
GAP_S = 2.0
"""A live source that says nothing for so long has lost something."""
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
    """What `use` makes of a file, decoded as label-catalog decodes it: once more from its start by FFmpeg where libsndfile breaks off.

    Raises UsageError for a file that cannot be read or holds no audio.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return decode.decoded(data, block_s, lambda stream: use(_mixed(stream)))
    except TrackError as error:
        raise UsageError(f"{path} cannot be listened to ({error.reason.value}): {error}") from error


def raw(pipe: Pipe, kind: Raw) -> Iterator[Block]:
    """Samples as they come, CHUNK_S at a time. Raises UsageError for floats that are no audio."""
    n = max(1, round(CHUNK_S * kind.rate_hz)) * kind.frame_bytes
    pipe.waited()
    first = True
    while data := pipe.read_whole(n):
        gap = pipe.waited() > GAP_S and not first
        first = False
        try:
            for mixed in decode.mono(Stream(kind.rate_hz, [kind.samples(data)])):
                yield Block(kind.rate_hz, mixed, gap)
        except NotFinite as error:
            raise UsageError(f"standard input holds {error}: are --format, --rate and --channels right?") from error


def encoded(pipe: Pipe) -> Iterator[Block]:
    """What FFmpeg decodes, frame by frame. Raises UsageError if it finds no audio."""
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
        pipe.waited()
        yield from _frames(pipe, container, audio)


def _frames(pipe: Pipe, container: av.container.InputContainer, audio: av.AudioStream) -> Iterator[Block]:
    kind, first = None, True
    try:
        for frame in container.decode(audio):
            if frame.sample_rate not in RATES_HZ:
                raise Undecodable(f"FFmpeg: a sample rate of {frame.sample_rate} Hz")
            # A radio's stream may change from song to song.
            if kind != (kind := (frame.format.name, frame.layout.name, frame.sample_rate)):
                to_float = av.AudioResampler(format="flt", rate=frame.sample_rate)
            gap = pipe.waited() > GAP_S and not first
            first = False
            parts = [_floats(part) for part in to_float.resample(frame)]
            for mixed in decode.mono(Stream(frame.sample_rate, parts)) if parts else ():
                yield Block(frame.sample_rate, mixed, gap)
                gap = False
    except (av.FFmpegError, ValueError):
        # A stream that breaks off ends there, as a file that was cut short.
        return
    except TrackError as error:
        raise UsageError(f"standard input cannot be listened to further ({error.reason.value}): {error}") from error


def _floats(frame: av.AudioFrame) -> Samples:
    return frame.to_ndarray().reshape(-1, frame.layout.nb_channels).astype(np.float32, copy=False)


def _mixed(stream: Stream) -> Iterator[Block]:
    return (Block(stream.rate_hz, samples) for samples in decode.mono(stream))
