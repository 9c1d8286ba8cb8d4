"""Bytes of a recording to blocks of mono samples, whatever the container, without ever holding the whole recording.

libsndfile reads wav, flac, ogg, opus, mp3, aiff and au; FFmpeg (through PyAV) reads what libsndfile refuses, m4a and aac
before all.
"""

import io
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import av
import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

from genre_batch.errors import Empty, NotFinite, TooLong, Undecodable

Samples = npt.NDArray[np.float32]
Result = TypeVar("Result")

RATES_HZ = range(1_000, 1_000_001)
"""Other sample rates come from broken headers: a second would be hours long, or a block larger than the memory."""
LOUDEST = 1e12
"""Far above full scale even where floats hold the values of 32-bit integers; beyond, powers overflow."""

av.logging.set_level(av.logging.PANIC)


@dataclass(frozen=True)
class Stream:
    """Decoded audio: `blocks` are [shape=(n, channels), float32, full scale ±1]."""

    rate_hz: int
    blocks: Iterable[Samples]


class _Bytes(io.BytesIO):
    def seek(self, offset: int, whence: int = 0) -> int:
        """libsndfile seeks before the start of some broken files: that is the start, not an exception in its callback."""
        return super().seek(max(0, offset) if whence == 0 else offset, whence)


def decoded(data: bytes, block_s: float, use: Callable[[Stream], Result]) -> Result:
    """What `use` makes of the recording as libsndfile decodes it, or as FFmpeg does where libsndfile refuses it or breaks off.

    Raises Empty, Undecodable, and what `use` raises.
    """
    if not data:
        raise Empty("no bytes")
    try:
        return use(open_libsndfile(data, block_s))
    except (Undecodable, Empty) as refused:
        try:
            return use(open_ffmpeg(data, block_s))
        except Undecodable as error:
            if isinstance(refused, Empty):
                raise refused from error
            raise Undecodable(f"{refused}; {error}") from error


def open_libsndfile(data: bytes, block_s: float) -> Stream:
    """Raises Undecodable if libsndfile refuses the header; the blocks raise it if it breaks off later."""
    try:
        sound = sf.SoundFile(_Bytes(data))
    except sf.LibsndfileError as error:
        raise Undecodable(f"libsndfile: {error.error_string}") from error
    if sound.samplerate not in RATES_HZ:
        sound.close()
        raise Undecodable(f"libsndfile: a sample rate of {sound.samplerate} Hz")

    def blocks() -> Iterator[Samples]:
        with sound:
            try:
                while len(block := sound.read(round(block_s * sound.samplerate), dtype="float32", always_2d=True)):
                    yield block
            except sf.LibsndfileError as error:
                raise Undecodable(f"libsndfile: {error.error_string}") from error

    return Stream(sound.samplerate, blocks())


def open_ffmpeg(data: bytes, block_s: float) -> Stream:
    """Raises Undecodable if FFmpeg finds no audio; the blocks raise it only if nothing at all could be decoded."""
    try:
        # A playlist (ffconcat, SDP) names other files and hosts: FFmpeg may open nothing but these bytes.
        container = av.open(io.BytesIO(data), "r", options={"protocol_whitelist": "none"}, metadata_errors="ignore")
        # A stream of an unknown codec has no context.
        audio = next((stream for stream in container.streams.audio if stream.codec_context), None)
    except (av.FFmpegError, ValueError) as error:
        raise Undecodable(_said(error)) from error
    rate_hz = audio.codec_context.sample_rate if audio is not None else 0
    if audio is None or not rate_hz:
        container.close()
        raise Undecodable("FFmpeg: no audio stream of a known codec")
    if rate_hz not in RATES_HZ:
        container.close()
        raise Undecodable(f"FFmpeg: a sample rate of {rate_hz} Hz")

    def frames() -> Iterator[Samples]:
        kind, decoded, damage = None, 0, None
        with container:
            packets = container.demux(audio)
            while True:
                try:
                    found = next(packets).decode()
                except StopIteration:
                    break
                except (av.FFmpegError, ValueError) as error:
                    # After a packet that cannot be decoded others may come; after one that cannot be read none does.
                    damage = error
                    continue
                for frame in found:
                    # A recording put together from others may change midway, a resampler may not.
                    if kind != (kind := (frame.format.name, frame.layout.name, frame.sample_rate)):
                        # Interleaved: PyAV reads past its eight pointers where more channels lie apart.
                        to_float = av.AudioResampler(format="flt", rate=rate_hz)
                    for part in to_float.resample(frame):
                        decoded += part.samples
                        yield part.to_ndarray().reshape(-1, part.layout.nb_channels).astype(np.float32, copy=False)
            # A file with damage is as long as what could be decoded.
            if damage and not decoded:
                raise Undecodable(_said(damage)) from damage

    return Stream(rate_hz, _gather(frames(), round(block_s * rate_hz)))


def _said(error: Exception) -> str:
    """Without the last line of FFmpeg's log that PyAV adds: it may be of another file."""
    return f"FFmpeg: {getattr(error, 'strerror', None) or error}"


def mono(stream: Stream) -> Iterator[Samples]:
    """The mean of the channels, block by block, [shape=(n,), float32]. Raises NotFinite, and Empty if there is no sample."""
    heard = False
    for block in stream.blocks:
        heard = heard or len(block) > 0
        # Adding whole columns is twenty times faster than block.mean(axis=1).
        with np.errstate(over="ignore", invalid="ignore"):
            mixed = np.array(block[:, 0], np.float32)
            for channel in range(1, block.shape[1]):
                mixed += block[:, channel]
            mixed /= np.float32(block.shape[1])
        # Both are NaN if one sample is, and no comparison with a NaN is true.
        if not (mixed.min(initial=0) >= -LOUDEST and mixed.max(initial=0) <= LOUDEST):
            raise NotFinite("samples that are not finite numbers, or far too large for audio")
        yield mixed
    if not heard:
        raise Empty("no samples")


def within(blocks: Iterable[Samples], *, rate_hz: int, most_s: float) -> Iterator[Samples]:
    """The blocks as they are, until more than `most_s` seconds have come. Raises TooLong then, and nothing further is decoded."""
    received = 0
    for block in blocks:
        received += len(block)
        if received > most_s * rate_hz:
            raise TooLong(f"more than {most_s:,g} s of audio")
        yield block


class Loudness:
    """Root mean square of the samples that pass through `of`."""

    samples = 0
    energy = 0.0

    def of(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        for block in blocks:
            self.samples += len(block)
            self.energy += float(np.dot(block, block))
            yield block

    @property
    def db(self) -> float:
        """Relative to full scale: 0 dB for a square wave at full scale, -3.01 dB for a sine; minus infinity for silence."""
        return 10 * math.log10(self.energy / self.samples) if self.energy else -math.inf


def resample(blocks: Iterable[Samples], *, from_hz: int, to_hz: int, quality: str) -> Iterator[Samples]:
    """Block by block through soxr; the blocks come out in other lengths. Raises Undecodable for a rate soxr refuses."""
    if from_hz == to_hz:
        yield from blocks
        return
    try:
        resampler = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=quality)
    except (ValueError, RuntimeError) as error:
        raise Undecodable(f"a sample rate of {from_hz} Hz cannot be resampled to {to_hz} Hz: {error}") from error
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _gather(frames: Iterable[Samples], block_samples: int) -> Iterator[Samples]:
    """Codec frames of about a thousand samples joined to blocks; a change of channel count ends a block."""
    held: list[Samples] = []
    n = 0
    for frame in frames:
        if held and (n >= block_samples or frame.shape[1] != held[0].shape[1]):
            yield np.concatenate(held)
            held, n = [], 0
        held.append(frame)
        n += len(frame)
    if held:
        yield np.concatenate(held)
