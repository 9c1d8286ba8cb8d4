"""Recordings as other encoders and taggers leave them."""

import io
import struct

import av
import numpy as np


def mp3_without_a_count(samples: np.ndarray, rate_hz: int, bit_rate: int = 128_000) -> bytes:
    """At a constant bit rate, from its first frame of sound on: no Xing, no ID3. samples: [shape=(n,)]"""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as output:
        stream = output.add_stream("libmp3lame", rate=rate_hz, layout="mono", options={"b": str(bit_rate)})
        stream.codec_context.open()
        resampler = av.AudioResampler(stream.format.name, "mono", rate_hz, stream.frame_size)
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def ape_tag(n: int) -> bytes:
    """An APEv2 tag with a picture of n bytes, as taggers put it at the end of a file."""
    picture = b"cover.jpg\0" + bytes([0xFF, 0xD8]) + b"\x55" * (n - 2)
    item = struct.pack("<II", len(picture), 2) + b"Cover Art (Front)\0" + picture
    header, footer = (
        b"APETAGEX" + struct.pack("<IIII", 2000, len(item) + 32, 1, flags) + bytes(8) for flags in (0xA0000000, 0x80000000)
    )
    return header + item + footer
