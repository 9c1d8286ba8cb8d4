"""How long an MP3 says that it is: the frames that Xing, Info or VBRI in its first frame counts.

FFmpeg guesses where there is none, and where there are far more bytes than it tells of: the size of the file by the bit rate, tags
at the end and all.
"""

from collections.abc import Iterator
from typing import NamedTuple

SEARCHED = 65_536
"""Bytes after the ID3 tags in which the first frame is looked for."""
VBRI_AT = 36
"""From the start of the frame, whatever its kind."""
_MPEG_1, _MPEG_2, _MPEG_2_5 = 3, 2, 0
_LAYER_3 = 1
_MONO = 3
_KBIT = {
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates of MPEG-1, and of MPEG-2 and 2.5, from index 1 on."""
_RATES_HZ = (44_100, 48_000, 32_000)
_HALVINGS = {_MPEG_1: 0, _MPEG_2: 1, _MPEG_2_5: 2}


class _Frame(NamedTuple):
    """Of Layer III. size: in bytes; samples: of each channel; xing_at: where Xing or Info stands, from the start of the frame."""

    version: int
    rate_hz: int
    samples: int
    size: int
    xing_at: int


def promised_seconds(data: bytes) -> float | None:
    """Silence that the encoder added (less than 0.2 s) included. None where the first frame counts nothing, or is not found."""
    for at in _starts(data):
        frame = _frame(data, at)
        following = _frame(data, at + frame.size) if frame else None
        # Two bytes that look like the start of a frame stand in any picture: another one must begin where this one ends.
        if frame and following and (frame.version, frame.rate_hz) == (following.version, following.rate_hz):
            frames = _counted(data[at : at + frame.size], frame.xing_at)
            return frames * frame.samples / frame.rate_hz if frames else None
    return None


def _starts(data: bytes) -> Iterator[int]:
    """Where the first frame may begin."""
    begin = _after_id3(data)
    at = data.find(b"\xff", begin, begin + SEARCHED)
    while at >= 0:
        yield at
        at = data.find(b"\xff", at + 1, begin + SEARCHED)


def _after_id3(data: bytes) -> int:
    at = 0
    while data[at : at + 3] == b"ID3" and len(data) >= at + 10:
        size = 0
        for seven_bits in data[at + 6 : at + 10]:
            size = size << 7 | seven_bits & 0x7F
        has_footer = data[at + 5] & 0x10
        at += 10 + size + (10 if has_footer else 0)
    return at


def _frame(data: bytes, at: int) -> _Frame | None:
    """What the four bytes of a header say; None where they are none, or of another layer."""
    header = data[at : at + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bit_rate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version not in _HALVINGS or layer != _LAYER_3 or not 1 <= bit_rate <= 14 or rate == 3:
        return None
    first, mono = version == _MPEG_1, header[3] >> 6 == _MONO
    rate_hz = _RATES_HZ[rate] >> _HALVINGS[version]
    samples = 1152 if first else 576
    size = samples // 8 * 1000 * _KBIT[first][bit_rate - 1] // rate_hz + padding
    side_bytes = (17 if mono else 32) if first else (9 if mono else 17)
    return _Frame(version, rate_hz, samples, size, 4 + side_bytes)


def _counted(frame: bytes, xing_at: int) -> int:
    """Frames that follow; 0 where nothing counts them."""
    if frame[xing_at : xing_at + 4] in (b"Xing", b"Info"):
        has_count = frame[xing_at + 4 : xing_at + 8] and frame[xing_at + 7] & 1
        return int.from_bytes(frame[xing_at + 8 : xing_at + 12]) if has_count else 0
    if frame[VBRI_AT : VBRI_AT + 4] == b"VBRI":
        return int.from_bytes(frame[VBRI_AT + 14 : VBRI_AT + 18])
    return 0
