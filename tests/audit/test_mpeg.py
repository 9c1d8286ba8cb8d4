"""How long an MP3 says that it is."""

import struct

import numpy as np
import pytest

from genre_batch.audit import mpeg
from genre_batch.signal import encode
from tests.audit import coded

RATE_HZ = 44_100


def noise(seconds: float, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.3, 0.3, (round(seconds * RATE_HZ), channels))


def mp3(seconds: float, channels: int = 1, coded_hz: int = RATE_HZ) -> bytes:
    return encode.ffmpeg(noise(seconds, channels), RATE_HZ, "libmp3lame", "mp3", {"b": "64000"}, coded_hz=coded_hz)


@pytest.mark.parametrize(
    ("coded_hz", "frame_samples"),
    [(48_000, 1152), (44_100, 1152), (32_000, 1152), (24_000, 576), (22_050, 576), (16_000, 576), (11_025, 576), (8_000, 576)],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_frames_that_info_counts_are_its_length(coded_hz: int, frame_samples: int, channels: int):
    data = mp3(3.0, channels, coded_hz)
    frames = int.from_bytes(data[(at := data.index(b"Info")) + 8 : at + 12])
    assert mpeg.promised_seconds(data) == frames * frame_samples / coded_hz
    assert mpeg.promised_seconds(data) == pytest.approx(3.0, abs=0.2)


def test_xing_counts_as_info_does():
    data = mp3(3.0)
    assert mpeg.promised_seconds(data.replace(b"Info", b"Xing", 1)) == mpeg.promised_seconds(data)


def test_vbri_stands_at_its_own_place():
    data = mp3(3.0)
    start = data.index(b"Info") - 4 - 17
    vbri = b"VBRI" + struct.pack(">HHHII", 1, 0, 75, len(data), 1000)
    counted = data[: start + 4] + bytes(32) + vbri + data[start + 36 + len(vbri) :]
    assert mpeg.promised_seconds(counted) == 1000 * 1152 / RATE_HZ


def test_without_a_count_nothing_is_promised():
    assert mpeg.promised_seconds(coded.mp3_without_a_count(noise(3.0)[:, 0], RATE_HZ)) is None
    data = mp3(3.0)
    at = data.index(b"Info") + 4
    assert mpeg.promised_seconds(data[:at] + bytes([0, 0, 0, 0x0E]) + data[at + 4 :]) is None, (
        "its flags say that there is no count"
    )


def test_a_count_that_is_not_in_the_first_frame_is_of_something_else():
    """As where one file was put behind another."""
    assert mpeg.promised_seconds(coded.mp3_without_a_count(noise(1.0)[:, 0], RATE_HZ) + mp3(3.0)) is None


@pytest.mark.parametrize("flags", [0, 0x10])
def test_what_looks_like_a_frame_in_a_tag_or_behind_it_is_passed_over(flags: int):
    data = mp3(3.0)
    begin = data.index(b"Info") - 4 - 17
    start = data[begin : begin + 4]
    body = 200 * start
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    tag = b"ID3\4\0" + bytes([flags]) + size + body + (bytes(10) if flags else b"")
    assert mpeg.promised_seconds(tag + tag + data[begin:]) == mpeg.promised_seconds(data)
    assert mpeg.promised_seconds(start + bytes(100) + data[begin:]) == mpeg.promised_seconds(data)


@pytest.mark.parametrize("data", [b"", b"ID3", b"ID3\4\0\0\0\0\0", b"\xff\xfb\x90", b"\xff" * 100_000, b"not music" * 100])
def test_what_is_no_mp3_promises_nothing(data: bytes):
    assert mpeg.promised_seconds(data) is None


def test_a_first_frame_that_ends_early_promises_nothing():
    data = mp3(3.0)
    at = data.index(b"Info")
    assert [mpeg.promised_seconds(data[: at + n]) for n in (0, 4, 8, 10)] == [None] * 4
