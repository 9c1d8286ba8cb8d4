"""Decoding: containers, rates, channels, sample formats, and what is refused."""

import io
import math
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch.errors import Empty, NotFinite, TooLong, Undecodable
from genre_batch.signal import decode

RATE_HZ = 44_100
BLOCK_S = 10.0

LIBSNDFILE = {
    "wav": ("WAV", "PCM_16", 1e-4),
    "flac": ("FLAC", "PCM_16", 1e-4),
    "aiff": ("AIFF", "PCM_16", 1e-4),
    "au": ("AU", "PCM_16", 1e-4),
    "ogg vorbis": ("OGG", "VORBIS", 0.02),
    "mp3": ("MP3", "MPEG_LAYER_III", 0.02),
}
FFMPEG = {"m4a": ("aac", "ipod"), "aac": ("aac", "adts"), "alac": ("alac", "ipod"), "wma": ("wmav2", "asf")}


def tone(seconds: float = 2.0, rate_hz: int = RATE_HZ, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def sound_file(samples: np.ndarray, rate_hz: int = RATE_HZ, container: str = "WAV", subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, samples, rate_hz, format=container, subtype=subtype)
    return buffer.getvalue()


def ffmpeg_file(samples: np.ndarray, codec: str, container: str, rate_hz: int = RATE_HZ) -> bytes:
    """samples: [shape=(n, channels)], one or two channels."""
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T, np.float32), format="fltp", layout=layout)
    frame.sample_rate = rate_hz
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout=layout, options={"b": "128000"})
        stream.open()
        resampler = av.AudioResampler(stream.format.name, layout, rate_hz, stream.frame_size)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            output.mux(stream.encode(part))
    return buffer.getvalue()


def channels(stream: decode.Stream) -> np.ndarray:
    return np.concatenate(list(stream.blocks))


def mono(stream: decode.Stream) -> np.ndarray:
    return np.concatenate(list(decode.mono(stream)))


def assert_tone(samples: np.ndarray, rate_hz: int, seconds: float = 2.0, hz: float = 440.0) -> None:
    assert samples.dtype == np.float32
    assert len(samples) / rate_hz == pytest.approx(seconds, abs=0.1)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * rate_hz / len(middle) == pytest.approx(hz, abs=2)
    assert middle.std() == pytest.approx(0.5 / np.sqrt(2), rel=0.03)


@pytest.mark.parametrize("kind", LIBSNDFILE)
def test_libsndfile_reads(kind):
    container, subtype, tolerance = LIBSNDFILE[kind]
    stream = decode.open_libsndfile(sound_file(tone(), RATE_HZ, container, subtype), BLOCK_S)
    samples = mono(stream)
    assert stream.rate_hz == RATE_HZ
    assert_tone(samples, RATE_HZ)
    np.testing.assert_allclose(samples[5000:80_000], tone()[5000:80_000], atol=tolerance)


def test_libsndfile_reads_opus():
    stream = decode.open_libsndfile(sound_file(tone(rate_hz=48_000), 48_000, "OGG", "OPUS"), BLOCK_S)
    assert stream.rate_hz == 48_000
    assert_tone(mono(stream), 48_000)


@pytest.mark.parametrize("kind", FFMPEG)
def test_ffmpeg_reads_what_libsndfile_refuses(kind):
    data = ffmpeg_file(np.stack([tone(), tone()], axis=1), *FFMPEG[kind])
    with pytest.raises(Undecodable, match=r"^libsndfile: "):
        decode.open_libsndfile(data, BLOCK_S)
    stream = decode.open_ffmpeg(data, BLOCK_S)
    assert stream.rate_hz == RATE_HZ
    assert_tone(mono(stream), RATE_HZ)


@pytest.mark.parametrize("kind", [kind for kind in LIBSNDFILE if kind != "ogg vorbis"])
def test_both_decoders_hear_the_same(kind):
    container, subtype, _ = LIBSNDFILE[kind]
    data = sound_file(np.stack([tone(), -0.5 * tone(hz=660)], axis=1), RATE_HZ, container, subtype)
    a, b = channels(decode.open_libsndfile(data, BLOCK_S)), channels(decode.open_ffmpeg(data, BLOCK_S))
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=0, atol=2e-4)


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000])
@pytest.mark.parametrize("open_stream", [decode.open_libsndfile, decode.open_ffmpeg], ids=["libsndfile", "ffmpeg"])
def test_rates(rate_hz, open_stream):
    stream = open_stream(sound_file(tone(0.5, rate_hz), rate_hz), BLOCK_S)
    assert stream.rate_hz == rate_hz
    np.testing.assert_allclose(mono(stream), tone(0.5, rate_hz), atol=1e-4)


@pytest.mark.parametrize("n", range(1, 9))
@pytest.mark.parametrize("container", ["WAV", "FLAC"])
@pytest.mark.parametrize("open_stream", [decode.open_libsndfile, decode.open_ffmpeg], ids=["libsndfile", "ffmpeg"])
def test_mono_is_the_mean_of_one_to_eight_channels(n, container, open_stream):
    each = np.array([0.5, -0.25, 0.125, 0.75, -0.5, 0.0625, 0.25, -0.75], np.float32)[:n]
    stream = open_stream(sound_file(np.tile(each, (1000, 1)), 8000, container), BLOCK_S)
    np.testing.assert_array_equal(mono(stream), np.full(1000, each.sum() / np.float32(n)))


@pytest.mark.parametrize("n", [9, 16])
def test_more_channels_than_ffmpeg_keeps_apart(n):
    samples = np.tile(np.arange(n, dtype=np.float32) / 32, (1000, 1))
    np.testing.assert_array_equal(channels(decode.open_ffmpeg(sound_file(samples, 8000), BLOCK_S)), samples)


CODES = np.array([0, 1, -1, 64, -100, 127, -128])


@pytest.mark.parametrize("open_stream", [decode.open_libsndfile, decode.open_ffmpeg], ids=["libsndfile", "ffmpeg"])
@pytest.mark.parametrize(
    ("container", "subtype", "bits"),
    [
        ("WAV", "PCM_U8", 8), ("AIFF", "PCM_S8", 8), ("AU", "PCM_S8", 8), ("FLAC", "PCM_S8", 8),
        ("WAV", "PCM_16", 16), ("AIFF", "PCM_16", 16), ("AU", "PCM_16", 16), ("FLAC", "PCM_16", 16),
        ("WAV", "PCM_24", 24), ("AIFF", "PCM_24", 24), ("AU", "PCM_24", 24), ("FLAC", "PCM_24", 24),
        ("WAV", "PCM_32", 32), ("AIFF", "PCM_32", 32), ("AU", "PCM_32", 32),
    ],
)  # fmt: skip
def test_integers_are_read_against_full_scale(container, subtype, bits, open_stream):
    top = CODES * 2 ** (bits - 8) + (3 if bits > 8 else 0)
    codes = np.tile(np.clip(top, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1), 500)
    data = sound_file((codes << (32 - bits)).astype(np.int32), 8000, container, subtype)
    np.testing.assert_allclose(mono(open_stream(data, BLOCK_S)), codes / 2 ** (bits - 1), rtol=1e-7, atol=0)


@pytest.mark.parametrize("open_stream", [decode.open_libsndfile, decode.open_ffmpeg], ids=["libsndfile", "ffmpeg"])
@pytest.mark.parametrize("container", ["WAV", "AIFF", "AU"])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floats_are_kept_beyond_full_scale_too(container, subtype, open_stream):
    values = np.tile(np.array([0.1, -1.0, 1.5, -40_000.0, 2.0**31, 1e-20]), 500)
    data = sound_file(values, 8000, container, subtype)
    np.testing.assert_array_equal(mono(open_stream(data, BLOCK_S)), values.astype(np.float32))


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e13])
@pytest.mark.parametrize("place", [0, 12_345, -1])
def test_what_is_not_a_finite_number_is_refused(subtype, value, place):
    samples = np.stack([tone(), tone()], axis=1).astype(np.float64)
    samples[place, 1] = value
    with pytest.raises(NotFinite):
        mono(decode.open_libsndfile(sound_file(samples, RATE_HZ, "WAV", subtype), 0.1))


def test_channels_that_would_cancel_an_infinity_are_refused():
    with pytest.raises(NotFinite):
        mono(decode.Stream(8000, [np.array([[np.inf, -np.inf]], np.float32)]))


@pytest.mark.parametrize("container", ["WAV", "AIFF", "AU"])
def test_a_header_without_samples_is_empty(container):
    with pytest.raises(Empty, match=r"^no samples$"):
        mono(decode.open_libsndfile(sound_file(np.zeros((0, 2)), 8000, container), BLOCK_S))


def test_no_samples_out_of_ffmpeg_are_empty_too():
    with pytest.raises(Empty, match=r"^no samples$"):
        mono(decode.open_ffmpeg(sound_file(np.zeros((0, 2)), 8000), BLOCK_S))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"RIFF",
        b"fLaC",
        b"OggS\0",
        b"This is a letter.\n" * 100,
        bytes(10_000),
        b"\xff\xd8\xff\xe0 a picture",
        b"ID3\x04\0\0",
    ],
    ids=["nothing", "x", "RIFF", "fLaC", "OggS", "letter", "zeros", "picture", "tag"],
)
def test_no_audio_is_undecodable_by_either(data):
    with pytest.raises(Undecodable, match=r"^libsndfile: "):
        decode.open_libsndfile(data, BLOCK_S)
    with pytest.raises(Undecodable, match=r"^FFmpeg: "):
        decode.open_ffmpeg(data, BLOCK_S)


def test_a_place_before_the_start_is_the_start():
    data = decode._Bytes(b"0123456789")
    assert [data.seek(5), data.seek(-3), data.seek(-1, 2), data.seek(0, 1)] == [5, 0, 9, 9]


def test_video_without_sound_is_undecodable():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=10, width=32, height=32)
        for _ in range(3):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        output.mux(stream.encode(None))
    with pytest.raises(Undecodable, match="no audio stream"):
        decode.open_ffmpeg(buffer.getvalue(), BLOCK_S)


def test_an_unknown_codec_is_undecodable():
    data = bytearray(sound_file(tone(0.1)))
    assert data[20:22] == b"\x01\x00"
    data[20:22] = b"\xee\xee"
    for open_stream in (decode.open_libsndfile, decode.open_ffmpeg):
        with pytest.raises(Undecodable):
            open_stream(bytes(data), BLOCK_S)


@pytest.mark.parametrize("rate_hz", [1, 999, 1_000_001, 2**31 - 1])
@pytest.mark.parametrize("open_stream", [decode.open_libsndfile, decode.open_ffmpeg], ids=["libsndfile", "ffmpeg"])
def test_rates_of_no_recording_are_refused_before_anything_is_read(rate_hz, open_stream):
    with pytest.raises(Undecodable, match=f"a sample rate of {rate_hz} Hz"):
        open_stream(sound_file(tone(0.1), rate_hz), BLOCK_S)


@pytest.mark.parametrize(
    "playlist",
    [
        b"ffconcat version 1.0\nfile other.mp3\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\nother.mp3\n#EXT-X-ENDLIST\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    ],
    ids=["ffconcat", "hls", "sdp"],
)
def test_a_playlist_opens_no_other_file_and_no_network(playlist, tmp_path: Path, monkeypatch):
    (tmp_path / "other.mp3").write_bytes(sound_file(tone(), RATE_HZ, "MP3", "MPEG_LAYER_III"))
    monkeypatch.chdir(tmp_path)
    start = time.monotonic()
    with pytest.raises(Undecodable):
        mono(decode.open_ffmpeg(playlist, BLOCK_S))
    # An SDP description would be listened to for twenty seconds.
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("kind", LIBSNDFILE)
@pytest.mark.parametrize("open_stream", [decode.open_libsndfile, decode.open_ffmpeg], ids=["libsndfile", "ffmpeg"])
def test_a_file_cut_short_gives_what_is_there(kind, open_stream):
    container, subtype, _ = LIBSNDFILE[kind]
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (4 * RATE_HZ, 1))
    data = sound_file(noise, RATE_HZ, container, subtype)
    blocks, broken = [], False
    try:
        for block in open_stream(data[: len(data) * 6 // 10], 0.1).blocks:
            blocks.append(block)
    except Undecodable:
        broken = True
    # libsndfile breaks off a flac with an error, after which `extract` asks FFmpeg.
    assert broken == (kind == "flac" and open_stream is decode.open_libsndfile)
    assert sum(map(len, blocks)) / RATE_HZ == pytest.approx(0.6 * 4, abs=0.3)


def test_a_cut_short_m4a_whose_index_is_gone_is_undecodable():
    data = ffmpeg_file(tone()[:, None], *FFMPEG["m4a"])
    assert data.rindex(b"moov") > len(data) // 2
    with pytest.raises(Undecodable):
        mono(decode.open_ffmpeg(data[: len(data) // 2], BLOCK_S))


def test_channels_and_rate_may_change_midway():
    stereo = ffmpeg_file(np.stack([tone(), tone()], axis=1), *FFMPEG["aac"])
    single = ffmpeg_file(tone()[:, None], *FFMPEG["aac"])
    slower = ffmpeg_file(tone(rate_hz=22_050)[:, None], *FFMPEG["aac"], rate_hz=22_050)
    samples = mono(decode.open_ffmpeg(stereo + single + slower, BLOCK_S))
    assert len(samples) / RATE_HZ == pytest.approx(6.2, abs=0.2)
    for start in (0.5, 2.5, 4.5):
        assert_tone(samples[round(start * RATE_HZ) : round((start + 1) * RATE_HZ)], RATE_HZ, 1.0)


@pytest.mark.parametrize("block_s", [0.01, 0.3, 100.0])
@pytest.mark.parametrize("kind", ["libsndfile", "ffmpeg"])
def test_blocks_are_as_long_as_asked_and_joined_the_same(block_s, kind):
    if kind == "libsndfile":
        data, open_stream, slack = sound_file(tone(), RATE_HZ, "FLAC"), decode.open_libsndfile, 0
    else:
        data, open_stream, slack = ffmpeg_file(tone()[:, None], *FFMPEG["m4a"]), decode.open_ffmpeg, 1024
    blocks = list(open_stream(data, block_s).blocks)
    longest = max(map(len, blocks))
    assert longest <= round(block_s * RATE_HZ) + slack
    assert all(block.shape[1] == 1 and block.dtype == np.float32 for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks), channels(open_stream(data, BLOCK_S)))


def test_nothing_is_decoded_after_the_limit():
    asked = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            asked.append(1)
            yield np.zeros(1000, np.float32)

    heard = []
    with pytest.raises(TooLong, match=r"^more than 5 s of audio$"):
        heard += decode.within(endless(), rate_hz=1000, most_s=5)
    assert len(asked) == 6


def test_exactly_as_long_as_the_limit_passes_as_it_is():
    blocks = [tone(0.1), tone(0.2)]
    assert [id(b) for b in decode.within(blocks, rate_hz=RATE_HZ, most_s=0.3)] == [id(b) for b in blocks]
    with pytest.raises(TooLong):
        list(decode.within(blocks, rate_hz=RATE_HZ, most_s=0.2999))


def loudness(*blocks: np.ndarray) -> float:
    measured = decode.Loudness()
    assert [id(block) for block in measured.of(blocks)] == [id(block) for block in blocks]
    return measured.db


def test_loudness_of_what_everybody_knows():
    square = np.where(np.arange(1000) % 2, 1, -1).astype(np.float32)
    assert loudness(square) == 0.0
    assert loudness(square, np.float32(0.1) * square) == pytest.approx(10 * math.log10(0.505), abs=1e-6)
    # Whole periods of a sine of half the full scale: -6.02 - 3.01.
    assert loudness(tone(2.0)) == pytest.approx(20 * math.log10(0.5) - 10 * math.log10(2), abs=1e-4)
    assert loudness(np.zeros(10, np.float32)) == loudness() == -math.inf


def test_loudness_is_of_all_blocks_however_long():
    samples = np.random.default_rng(3).standard_normal(3_000_000).astype(np.float32) * np.float32(0.1)
    exact = 10 * math.log10(np.mean(samples.astype(np.float64) ** 2))
    for n in (1, 7, 4000):
        assert loudness(*np.array_split(samples, n)) == pytest.approx(exact, abs=1e-4)


def resampled(samples: np.ndarray, from_hz: int, to_hz: int, block: int, quality: str = "HQ") -> np.ndarray:
    blocks = [samples[i : i + block] for i in range(0, len(samples), block)]
    return np.concatenate(list(decode.resample(blocks, from_hz=from_hz, to_hz=to_hz, quality=quality)))


@pytest.mark.parametrize("from_hz", [8000, 11_025, 16_000, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("to_hz", [12_000, 22_050])
def test_resampling_block_by_block_is_resampling_at_once(from_hz, to_hz):
    samples = tone(2.0, from_hz)
    whole = soxr.resample(samples, from_hz, to_hz, quality="HQ")
    blockwise = resampled(samples, from_hz, to_hz, 7001)
    assert blockwise.dtype == np.float32
    assert len(blockwise) == len(whole) == 2 * to_hz
    np.testing.assert_allclose(blockwise, whole, rtol=0, atol=1e-6)
    np.testing.assert_allclose(blockwise[500:-500], tone(2.0, to_hz)[500:-500], rtol=0, atol=1e-4)


def test_resampling_quality_is_passed_on():
    samples = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    results = [resampled(samples, 44_100, 22_050, 5000, quality) for quality in ("HQ", "LQ")]
    assert np.abs(results[0] - results[1]).max() > 1e-3


def test_the_same_rate_passes_every_block_as_it_is():
    blocks = [tone(0.1), tone(0.2)]
    assert [id(b) for b in decode.resample(blocks, from_hz=8000, to_hz=8000, quality="HQ")] == [id(b) for b in blocks]


def test_a_rate_the_resampler_refuses_is_undecodable():
    with pytest.raises(Undecodable, match="-1 Hz cannot be resampled to 22050 Hz"):
        list(decode.resample([tone(0.1)], from_hz=-1, to_hz=22_050, quality="HQ"))


@given(shapes=st.lists(st.tuples(st.integers(0, 60), st.sampled_from([1, 1, 1, 2])), max_size=30), block=st.integers(1, 200))
@settings(deadline=None)
def test_codec_frames_are_gathered_in_order_and_channel_counts_kept_apart(shapes, block):
    rng = np.random.default_rng(0)
    frames = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    blocks = list(decode._gather(iter(frames), block))
    assert all(len(b) < block + 60 for b in blocks)

    def flat(parts: list[np.ndarray]) -> Iterator[float]:
        return (value for part in parts for value in part.ravel())

    assert list(flat(blocks)) == list(flat(frames))


@pytest.mark.parametrize("kind", FFMPEG)
def test_ffmpeg_goes_on_after_damage(kind):
    noise = np.random.default_rng(0)
    whole = ffmpeg_file(noise.normal(0, 0.1, (8 * RATE_HZ, 1)), *FFMPEG[kind])
    middle = len(whole) // 2
    damaged = whole[:middle] + noise.bytes(300) + whole[middle + 300 :]
    heard = len(mono(decode.open_ffmpeg(damaged, BLOCK_S)))
    assert 0.9 * 8 * RATE_HZ < heard <= len(mono(decode.open_ffmpeg(whole, BLOCK_S)))
