"""Encoding: what is lossless, bit rates that the stream itself states, and the same bytes each time."""

import io

import av
import numpy as np
import pytest
import soundfile as sf

from genre_batch.signal import encode

RATE_HZ = 44_100


def music(seconds: float = 3.0, n_channels: int = 2, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Brown enough that codecs keep it, another in each channel."""
    white = np.random.default_rng(0).standard_normal((round(seconds * rate_hz), n_channels))
    smooth = np.apply_along_axis(lambda channel: np.convolve(channel, np.hanning(60), "same"), 0, white)
    return (0.5 * smooth / np.abs(smooth).max()).astype(np.float32)


@pytest.mark.parametrize("container", ["AU", "W64"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_floats_are_lossless_however_large(container, n_channels):
    samples = 1000 * music(0.1, n_channels)
    found, rate_hz = sf.read(
        io.BytesIO(encode.libsndfile(samples, 12_345, container, "FLOAT")), dtype="float32", always_2d=True
    )
    np.testing.assert_array_equal(found, samples)
    assert rate_hz == 12_345


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [32_000, 44_100, 48_000])
@pytest.mark.parametrize("bit_rate", [64_000, 128_000, 192_000])
def test_mp3_is_of_its_bit_rate_and_as_long_as_what_went_in(bit_rate, rate_hz, n_channels):
    samples = music(3.0, n_channels, rate_hz)
    data = encode.mp3(samples, rate_hz, bit_rate)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("mp3float", rate_hz, n_channels)
        # All frames but the first, which holds no audio but the length.
        sizes = [packet.size for packet in container.demux(stream) if packet.size]
    frames_s = len(sizes) * 1152 / rate_hz
    assert 8 * sum(sizes) / frames_s == pytest.approx(bit_rate, rel=0.005)
    found, _ = sf.read(io.BytesIO(data), always_2d=True)
    assert found.shape == samples.shape
    assert np.corrcoef(found[:, 0], samples[:, 0])[0, 1] > 0.99


def test_a_better_vorbis_is_larger_and_nearer():
    samples = music()
    coded = [encode.vorbis(samples, RATE_HZ, quality) for quality in (0.0, 0.3, 0.6)]
    assert all(data.startswith(b"OggS") and b"vorbis" in data[:60] for data in coded)
    assert sorted(map(len, coded)) == list(map(len, coded))
    apart = [np.square(sf.read(io.BytesIO(data))[0] - samples).mean() for data in coded]
    assert apart[0] > apart[1] > apart[2]
    assert apart[0] < 0.1 * np.square(samples).mean()
    # Some 64 kbit/s, without the headers.
    assert 8 * (len(coded[0]) - 4000) / 3.0 == pytest.approx(64_000, rel=0.4)


def test_what_is_decoded_from_vorbis_is_the_same_each_time():
    first, second = (sf.read(io.BytesIO(encode.vorbis(music(), RATE_HZ, 0.3)))[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("how", ["mp3", "opus", "aac", "W64"])
def test_the_same_bytes_each_time(how, monkeypatch):
    samples = music(1.0, 1)

    def coded() -> bytes:
        if how == "mp3":
            return encode.mp3(samples, RATE_HZ, 128_000)
        if how == "W64":
            return encode.libsndfile(samples, RATE_HZ, "W64", "FLOAT")
        codec, container = {"opus": ("libopus", "ogg"), "aac": ("aac", "ipod")}[how]
        return encode.ffmpeg(samples, RATE_HZ, codec, container, {"b": "64000"}, coded_hz=48_000)

    first = coded()
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert coded() == first


@pytest.mark.parametrize("codec", ["mp3", "vorbis"])
def test_blocks_leave_no_trace(codec, monkeypatch):
    """But at the very start, where Vorbis guesses from the first block what came before."""
    samples = music()

    def decoded() -> np.ndarray:
        coded = encode.mp3(samples, RATE_HZ, 96_000) if codec == "mp3" else encode.vorbis(samples, RATE_HZ, 0.3)
        return sf.read(io.BytesIO(coded))[0][1000:]

    whole = decoded()
    monkeypatch.setattr(encode, "BLOCK_SAMPLES", 10_007)
    np.testing.assert_array_equal(decoded(), whole)
