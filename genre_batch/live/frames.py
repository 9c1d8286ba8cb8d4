"""Encoded audio frame by frame, past what cannot be decoded: one damaged spot is not a radio's end."""

from collections.abc import Iterator

import av
import numpy as np

from genre_batch.errors import Undecodable
from genre_batch.live.listen import GAP_S
from genre_batch.live.part import Part
from genre_batch.live.pipe import Pipe
from genre_batch.signal.decode import RATES_HZ


def frames(pipe: Pipe, container: av.container.InputContainer, audio: av.AudioStream) -> Iterator[Part]:
    """What FFmpeg decodes of the container that reads the pipe, until that ends or breaks off. Lost: where something before could not
    be decoded, or did not come for GAP_S. Raises Undecodable for a sample rate that is none."""
    to_float, damaged = _ToFloat(), False
    pipe.waited()
    for packet in _packets(container, audio):
        try:
            decoded = [part for frame in packet.decode() for part in to_float(frame)]
        except (av.FFmpegError, ValueError):
            # Not InvalidDataError alone: decoders of AAC and AC-3 have numbers of their own for damage.
            damaged = True
            continue
        for frame in decoded:
            samples = frame.to_ndarray().reshape(-1, frame.layout.nb_channels).astype(np.float32, copy=False)
            yield Part(frame.sample_rate, samples, pipe.waited() > GAP_S or damaged)
            damaged = False


def _packets(container: av.container.InputContainer, audio: av.AudioStream) -> Iterator["av.Packet[av.AudioStream]"]:
    """All that come, and the empty one that makes a decoder give what it holds; of a stream that breaks off those until there."""
    try:
        yield from container.demux(audio)
    except av.FFmpegError:
        return


class _ToFloat:
    """Frames of whatever format as interleaved floats at their own rate; a radio's stream may change from song to song."""

    def __init__(self) -> None:
        self.kind: tuple[str, str, int] | None = None

    def __call__(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        """Raises Undecodable for a sample rate that is none."""
        if frame.sample_rate not in RATES_HZ:
            raise Undecodable(f"FFmpeg: a sample rate of {frame.sample_rate} Hz")
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self.kind:
            self.kind, self.resampler = kind, av.AudioResampler(format="flt", rate=frame.sample_rate)
        return self.resampler.resample(frame)
