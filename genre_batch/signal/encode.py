"""Samples to the bytes of a file, the same bytes each time: no date, no version, no random stream number.

Ogg Vorbis alone is not so (libsndfile numbers its streams at random), though what is decoded from it is.
"""

import io
from collections.abc import Iterator, Mapping

import av
import numpy as np
import numpy.typing as npt
import soundfile as sf

Audio = npt.NDArray[np.floating]

BLOCK_SAMPLES = 1 << 20
"""FFmpeg refuses frames of more than 2 GiB, and libsndfile holds a block of Vorbis on the stack."""


def libsndfile(samples: Audio, rate_hz: int, container: str, subtype: str) -> bytes:
    """samples: [shape=(n,) or (n, channels)]; container and subtype as libsndfile names them.

    A WAV of floats would hold the date; AU (up to 4 GiB) and W64 do not.
    """
    buffer = io.BytesIO()
    sf.write(buffer, samples.astype(np.float32, copy=False), rate_hz, format=container, subtype=subtype)
    return buffer.getvalue()


def vorbis(samples: Audio, rate_hz: int, quality: float) -> bytes:
    """Ogg Vorbis. samples: [shape=(n, channels)]; quality: 0 is some 64 kbit/s in stereo at 44.1 kHz, 0.6 some 192, 1 some 500."""
    buffer = io.BytesIO()
    level = {"format": "OGG", "subtype": "VORBIS", "compression_level": 1 - quality}
    with sf.SoundFile(buffer, "w", rate_hz, samples.shape[1], **level) as output:
        for block in _blocks(samples):
            output.write(block)
    return buffer.getvalue()


def mp3(samples: Audio, rate_hz: int, bit_rate: int) -> bytes:
    """At a constant bit rate, in bit/s. samples: [shape=(n, channels)], one channel or two; LAME lowers them by 0.45 dB and clips
    at full scale; rate_hz: 32,000, 44,100 or 48,000, where 32 to 320 kbit/s are legal."""
    return ffmpeg(samples, rate_hz, "libmp3lame", "mp3", {"b": str(bit_rate)})


def ffmpeg(
    samples: Audio, rate_hz: int, codec: str, container: str, options: Mapping[str, str], *, coded_hz: int | None = None
) -> bytes:
    """samples: [shape=(n, channels)], one channel or two; options of the encoder; coded_hz: where the codec knows not every rate."""
    coded_hz = coded_hz or rate_hz
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options={"fflags": "+bitexact"}) as output:
        stream = output.add_stream(codec, rate=coded_hz, options={"flags": "+bitexact", **options}, layout=layout)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.open()
        resampler = av.AudioResampler(stream.format.name, layout, coded_hz, stream.frame_size)
        for block in _blocks(samples):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block.T), format="fltp", layout=layout)
            frame.sample_rate = rate_hz
            for part in resampler.resample(frame):
                output.mux(stream.encode(part))
        for last in [*resampler.resample(None), None]:
            output.mux(stream.encode(last))
    return buffer.getvalue()


def _blocks(samples: Audio) -> Iterator[npt.NDArray[np.float32]]:
    for start in range(0, len(samples), BLOCK_SAMPLES):
        yield samples[start : start + BLOCK_SAMPLES].astype(np.float32, copy=False)
