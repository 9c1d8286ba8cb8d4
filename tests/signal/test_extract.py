"""`extract`: what it composes, what it refuses, and that it never does anything else."""

import dataclasses
import io
import subprocess
import sys
from functools import cache
from pathlib import Path

import av
import librosa
import numpy as np
import pytest
import soundfile as sf
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch.errors import Empty, NotFinite, Silent, TooLong, TooShort, TrackError, Undecodable
from genre_batch.front_end import GTZAN_PUBLISHED, MEL, PRESETS, SEED_3S, SEED_10S, Denoise, Descriptors, FrontEnd
from genre_batch.limits import Limits
from genre_batch.signal import denoise
from genre_batch.signal.extract import TrackFeatures, extract

ROOT = Path(__file__).resolve().parents[2]
RATE_HZ = 22_050


def sound_file(samples: np.ndarray, rate_hz: int = RATE_HZ, container: str = "WAV", subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, samples, rate_hz, format=container, subtype=subtype)
    return buffer.getvalue()


def ffmpeg_file(samples: np.ndarray, codec: str, container: str, rate_hz: int = RATE_HZ, **options: str) -> bytes:
    """samples: [shape=(n, channels)], one or two channels."""
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T, np.float32), format="fltp", layout=layout)
    frame.sample_rate = rate_hz
    buffer = io.BytesIO()
    with av.open(
        buffer, "w", format=container, options={"write_xing": "0", "id3v2_version": "0"} if container == "mp3" else {}
    ) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout=layout, options=options)
        stream.open()
        resampler = av.AudioResampler(stream.format.name, layout, rate_hz, stream.frame_size)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            output.mux(stream.encode(part))
    return buffer.getvalue()


def music(seconds: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Tones that come and go over noise, peak below full scale."""
    rng = np.random.default_rng(7)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    tones = sum(np.sin(2 * np.pi * hz * t) * (np.sin(2 * t + hz) > 0) for hz in (110, 277.2, 659.3, 2093))
    return 0.15 * tones + 0.01 * rng.standard_normal(len(t))


def levels(samples: np.ndarray, front_end: FrontEnd, loudest: float | None = None) -> np.ndarray:
    """A fixed-levels mel picture, by librosa."""
    energy = librosa.feature.melspectrogram(
        y=samples, sr=front_end.sample_rate_hz, n_fft=front_end.n_fft, hop_length=front_end.hop_length,
        n_mels=front_end.n_bands, fmin=front_end.fmin_hz, pad_mode="constant",
    )  # fmt: skip
    decibels = librosa.power_to_db(energy, ref=loudest or energy.max(), amin=1e-10, top_db=None).clip(-80, None)
    return 255 * (1 + decibels / 80)


def assert_levels(picture: np.ndarray, expected: np.ndarray, within: float = 0.51) -> None:
    assert picture.shape == expected.shape
    assert np.abs(picture - expected).max() < within


def test_mel_of_a_wav_is_librosas_segment_by_segment():
    samples = sf.read(io.BytesIO(sound_file(music(17.3))), dtype="float32")[0]
    features = extract(sound_file(music(17.3)), MEL)
    assert features.duration_s == pytest.approx(17.3, abs=1e-4)
    np.testing.assert_array_equal(features.positions, [0, 1, 2])
    assert features.positions.dtype == np.int32
    assert features.spectrograms.dtype == np.uint8
    for position, picture in zip(features.positions, features.spectrograms, strict=True):
        assert_levels(picture, levels(samples[position * 110_250 : (position + 1) * 110_250], MEL))


def test_stereo_of_another_rate_is_mixed_and_resampled():
    stereo = np.stack([music(12, 44_100), 0.3 * np.roll(music(12, 44_100), 5000)], axis=1)
    heard = sf.read(io.BytesIO(sound_file(stereo, 44_100)), dtype="float32")[0]
    samples = soxr.resample(heard.mean(axis=1), 44_100, RATE_HZ, quality="HQ")
    features = extract(sound_file(stereo, 44_100), MEL)
    assert len(features.spectrograms) == 2
    assert_levels(features.spectrograms[1], levels(samples[110_250:220_500], MEL), 0.6)


def test_the_loudest_of_the_whole_track_is_nought_decibels_where_the_preset_says_so():
    samples = music(20)
    samples[: 10 * RATE_HZ] *= 0.1
    features = extract(sound_file(samples, subtype="FLOAT"), GTZAN_PUBLISHED)
    assert features.spectrograms.shape == (2, 128, 129)
    assert features.spectrograms[1].max() == 255
    # 20 dB of 80 below: 255 * 0.75, and the two halves are nearly equally loud.
    assert features.spectrograms[0].max() == pytest.approx(191, abs=3)
    alone = extract(sound_file(samples, subtype="FLOAT"), dataclasses.replace(GTZAN_PUBLISHED, reference="segment"))
    assert [picture.max() for picture in alone.spectrograms] == [255, 255]


@pytest.mark.parametrize(
    ("front_end", "shape", "positions"),
    [
        (MEL, (6, 128, 216), range(6)),
        (GTZAN_PUBLISHED, (3, 128, 129), range(3)),
        (SEED_10S, (5, 480, 640), range(5)),
        (SEED_3S, (10, 512, 512), range(10)),
    ],
    ids=PRESETS,
)
@pytest.mark.parametrize("rate_hz", [22_050, 44_100])
def test_thirty_seconds_in_every_preset(front_end, shape, positions, rate_hz):
    features = extract(sound_file(music(30, rate_hz), rate_hz), front_end)
    assert features.spectrograms.shape == shape
    assert features.spectrograms.shape[1:] == front_end.spectrogram_shape
    np.testing.assert_array_equal(features.positions, positions)
    assert features.duration_s == pytest.approx(30, abs=1e-4)


def test_seed_windows_overlap_by_half():
    samples = music(30)
    whole = extract(sound_file(samples), SEED_10S)
    later = extract(sound_file(samples[5 * RATE_HZ :]), SEED_10S)
    np.testing.assert_array_equal(whole.spectrograms[1:], later.spectrograms)


def test_seed_pictures_are_truncated_to_the_segments_own_range():
    samples = sf.read(io.BytesIO(sound_file(music(3, 12_000), 12_000)), dtype="float32")[0]
    power = np.abs(librosa.stft(samples, n_fft=1024, hop_length=71)[:512]) ** 2
    decibels = librosa.power_to_db(power, ref=np.max, amin=1e-10, top_db=80)
    exact = 255 * (decibels - decibels.min()) / (decibels.max() - decibels.min())
    [picture] = extract(sound_file(music(3, 12_000), 12_000), SEED_3S).spectrograms
    below = exact - picture[:, 2:-2]
    assert below.min() > -0.02
    assert below.max() < 1.02
    assert below.mean() == pytest.approx(0.5, abs=0.05)
    assert not picture[:, [0, 1, -2, -1]].any()


def test_silent_segments_are_left_out_and_the_others_keep_their_positions():
    samples = music(20)
    samples[5 * RATE_HZ : 15 * RATE_HZ] = 0
    features = extract(sound_file(samples), MEL)
    np.testing.assert_array_equal(features.positions, [0, 3])
    assert len(features.spectrograms) == 2
    assert features.duration_s == pytest.approx(20)


def test_noise_is_subtracted_before_the_track_is_cut():
    spec = Denoise(noise="first-seconds")
    samples = sf.read(io.BytesIO(sound_file(music(11))), dtype="float32")[0]
    cleaned = np.concatenate(list(denoise.subtract([samples], sample_rate_hz=RATE_HZ, denoise=spec)))
    features = extract(sound_file(music(11)), dataclasses.replace(MEL, denoise=spec))
    plain = extract(sound_file(music(11)), MEL)
    assert features.duration_s == plain.duration_s
    assert_levels(features.spectrograms[1], levels(cleaned[110_250:220_500], MEL), 0.6)
    assert features.spectrograms.mean() < plain.spectrograms.mean() - 5


def sine(seconds: float, hz: float, amplitude: float, rate_hz: int) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


HALF_SCALE_SINE_DB = -9.0309


@pytest.mark.parametrize("rate_hz", [22_050, 44_100])
@pytest.mark.parametrize("block_s", [0.05, 10.0])
def test_loudness_is_of_the_whole_recording_mixed_to_mono(rate_hz, block_s):
    front_end = dataclasses.replace(MEL, block_s=block_s)
    left = sine(12, 441, 0.5, rate_hz)
    both = sound_file(np.stack([left, left], axis=1), rate_hz, subtype="FLOAT")
    assert extract(both, front_end).loudness_db == pytest.approx(HALF_SCALE_SINE_DB, abs=1e-4)
    one = sound_file(np.stack([left, 0 * left], axis=1), rate_hz, subtype="FLOAT")
    assert extract(one, front_end).loudness_db == pytest.approx(HALF_SCALE_SINE_DB - 6.0206, abs=1e-4)
    # What is silent, and what is left over after the last segment, counts as well.
    half = sound_file(np.concatenate([0 * left, left]), rate_hz, subtype="FLOAT")
    assert extract(half, front_end).loudness_db == pytest.approx(HALF_SCALE_SINE_DB - 3.0103, abs=1e-4)


def test_loudness_is_taken_before_the_resampler_and_the_denoiser():
    samples = sine(12, 20_000, 0.5, 48_000) + music(12, 48_000)
    data = sound_file(samples, 48_000, subtype="FLOAT")
    expected = 10 * np.log10(np.mean(samples**2))
    for front_end in (MEL, dataclasses.replace(MEL, denoise=Denoise(noise="first-seconds"))):
        assert extract(data, front_end).loudness_db == pytest.approx(expected, abs=1e-4)


def test_loudness_of_what_ffmpeg_decodes():
    data = ffmpeg_file(sine(6, 441, 0.5, RATE_HZ)[:, None], "aac", "ipod", b="192000")
    assert extract(data, MEL).loudness_db == pytest.approx(HALF_SCALE_SINE_DB, abs=0.1)


def test_longer_than_the_limit_is_refused_and_as_long_is_not():
    data = sound_file(music(12))
    assert extract(data, MEL, Limits(audio_s=12)).duration_s == pytest.approx(12)
    with pytest.raises(TooLong, match=r"^more than 11\.5 s of audio$"):
        extract(data, MEL, Limits(audio_s=11.5))
    with pytest.raises(TooLong):
        extract(ffmpeg_file(music(12)[:, None], "aac", "adts"), MEL, Limits(audio_s=11))


def test_what_counts_is_what_is_decoded_not_what_a_header_says():
    data = bytearray(sound_file(music(6)))
    place = data.index(b"data") + 4
    data[place : place + 4] = (2**31 - 2).to_bytes(4, "little")
    data[4:8] = (2**31 - 2 + 36).to_bytes(4, "little")
    assert extract(bytes(data), MEL, Limits(audio_s=7)).duration_s == pytest.approx(6)
    # An hour of silence in some kilobytes: refused when the limit is reached, not as silent when it is over.
    hour = sound_file(np.zeros(3600 * 8000, np.int16), 8000, "FLAC")
    assert len(hour) < 200_000
    with pytest.raises(TooLong):
        extract(hour, MEL, Limits(audio_s=60))
    with pytest.raises(Silent):
        extract(hour, MEL)


@pytest.mark.parametrize("block_s", [0.05, 1.0, 60.0])
def test_blocks_make_no_difference_to_the_picture(block_s):
    data = sound_file(np.stack([music(12, 44_100)] * 2, axis=1), 44_100, "FLAC")
    a, b = extract(data, MEL), extract(data, dataclasses.replace(MEL, block_s=block_s))
    assert a.duration_s == b.duration_s
    assert np.abs(a.spectrograms.astype(int) - b.spectrograms).max() <= 1
    assert (a.spectrograms != b.spectrograms).mean() < 1e-3


def test_the_same_bytes_give_the_same_features():
    data = sound_file(music(12, 44_100), 44_100, "MP3", "MPEG_LAYER_III")
    a, b = extract(data, SEED_3S), extract(data, SEED_3S)
    np.testing.assert_array_equal(a.spectrograms, b.spectrograms)


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_U8"), ("WAV", "PCM_24"), ("WAV", "DOUBLE"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
     ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"), ("AU", "PCM_32"), ("aac", "ipod"), ("aac", "adts")],
    ids=lambda value: value,
)  # fmt: skip
def test_every_container_gives_nearly_the_same_picture(container, subtype):
    samples = music(6, 48_000)
    if container == "aac":
        data = ffmpeg_file(samples[:, None], container, subtype, 48_000, b="192000")
    else:
        data = sound_file(samples, 48_000, container, subtype)
    features, plain = extract(data, MEL), extract(sound_file(samples, 48_000), MEL)
    assert features.duration_s == pytest.approx(6, abs=0.06)
    # Lossy codecs shift by some milliseconds and drop what nobody hears: the lower bands, on average, stay.
    assert np.abs(features.spectrograms[0, :80].astype(int) - plain.spectrograms[0, :80]).mean() < 12


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 16_000, 32_000, 48_000, 96_000])
def test_a_tone_stays_in_its_band_at_every_rate(rate_hz):
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(5 * rate_hz) / rate_hz)
    features = extract(sound_file(tone, rate_hz), MEL)
    assert features.duration_s == pytest.approx(5, abs=1e-3)
    assert (features.spectrograms[0][:, 5:-5].argmax(axis=0) == 37).all()


SECOND = 0.1 * np.ones(RATE_HZ)
BAD = np.where(np.arange(RATE_HZ * 2) == 1000, np.nan, 0.1)


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (b"", Empty, "no bytes"),
        (sound_file(SECOND[:0]), Empty, "no samples"),
        (b"This is a letter.\n" * 100, Undecodable, "libsndfile: Format not recognised.; FFmpeg: Invalid data"),
        (sound_file(BAD, subtype="FLOAT"), NotFinite, "not finite"),
        (sound_file(BAD * 1e30, subtype="DOUBLE"), NotFinite, "not finite"),
        (sound_file(SECOND[:-1]), TooShort, "1.00 s long, 1 s are needed"),
        (sound_file(SECOND[:1], 96_000), TooShort, "0.00 s long"),
        (sound_file(np.zeros(RATE_HZ * 7)), Silent, "no segment is louder than -60 dBFS"),
        (sound_file(SECOND * 1e-3), Silent, "no segment is louder"),
    ],
    ids=["no bytes", "no samples", "letter", "nan", "huge", "too short", "one sample", "silence", "quiet"],
)
def test_reasons(data, error, said):
    with pytest.raises(TrackError, match=said) as refused:
        extract(data, MEL)
    assert type(refused.value) is error


def test_the_shortest_track_is_one_segment_filled_up():
    features = extract(sound_file(SECOND), MEL)
    assert features.spectrograms.shape == (1, 128, 216)
    assert features.duration_s == 1
    assert not features.spectrograms[0][:, 60:].any()


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "AU"])
def test_a_file_cut_short_is_as_long_as_what_is_left(container):
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(container, "PCM_16")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 12 * RATE_HZ)
    data = sound_file(noise, container=container, subtype=subtype)
    features = extract(data[: len(data) // 2], MEL)
    assert features.duration_s == pytest.approx(6, abs=0.5)
    assert len(features.spectrograms) == 1


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.1, 0.3, 0.9])
@pytest.mark.parametrize("kind", ["mp3", "flac", "m4a", "ogg", "wav", "aiff", "au"])
def test_a_file_cut_short_anywhere_is_refused_for_a_reason_or_shorter(kind, share):
    data = real(kind)
    found = features_or_reason(data[: int(share * len(data))])
    if isinstance(found, TrackFeatures):
        assert found.duration_s < 2.1
    else:
        assert type(found) in (Empty, TooShort, Undecodable)


@cache
def real(kind: str) -> bytes:
    """Two seconds of music: too little to take long, enough to be a segment."""
    samples = music(2)
    match kind:
        case "m4a":
            return ffmpeg_file(samples[:, None], "aac", "ipod", b="32000")
        case "mp3":
            return ffmpeg_file(samples[:, None], "libmp3lame", "mp3", b="16000")
        case "ogg":
            return sound_file(samples, RATE_HZ, "OGG", "VORBIS")
        case "float":
            return sound_file(samples, RATE_HZ, "WAV", "FLOAT")
    return sound_file(samples, RATE_HZ, kind.upper())


def features_or_reason(data: bytes) -> TrackFeatures | TrackError:
    try:
        features = extract(data, MEL)
    except TrackError as refused:
        return refused
    assert features.spectrograms.shape == (len(features.positions), 128, 216)
    assert features.spectrograms.dtype == np.uint8
    # A segment's loudest band is 0 dB: a picture of nothing, or of numbers that are none, has no such pixel.
    assert (features.spectrograms.max(axis=(1, 2)) == 255).all()
    return features


MAGIC = [
    b"",
    b"RIFF\x24\0\0\0WAVEfmt ",
    b"fLaC\0\0\0\x22",
    b"OggS\0\x02",
    b"ID3\x04\0\0\0\0\0\0\xff\xfb\x90\0",
    b"\xff\xfb\x90\0",
    b"FORM\0\0\1\0AIFFCOMM",
    b".snd\0\0\0\x18",
    b"\0\0\0\x18ftypM4A ",
    b"\x30\x26\xb2\x75",
    b"\x1aE\xdf\xa3",
    b"caff\0\1\0\0",
]


@pytest.mark.timeout(120)
@given(magic=st.sampled_from(MAGIC), rest=st.binary(max_size=3000))
@settings(max_examples=150, deadline=5000)
def test_random_bytes_raise_nothing_but_a_reason(magic, rest):
    features_or_reason(magic + rest)


# Two places of three lie in the first 500 bytes, where the headers are.
PLACES = st.one_of(st.integers(0, 500), st.integers(0, 500), st.integers(0, 10**6))
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("set"), PLACES, st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("insert"), PLACES, st.binary(min_size=1, max_size=200)),
        st.tuples(st.just("delete"), PLACES, st.integers(1, 2000)),
        st.tuples(st.just("cut"), PLACES, st.none()),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["mp3", "flac", "m4a", "ogg", "float", "aiff"])
@given(changes=CHANGES)
@settings(max_examples=80, deadline=5000)
def test_a_broken_recording_raises_nothing_but_a_reason(kind, changes):
    data = bytearray(real(kind))
    for change, place, what in changes:
        i = place % (len(data) + 1)
        match change:
            case "set":
                data[i : i + len(what)] = what
            case "insert":
                data[i:i] = what
            case "delete":
                del data[i : i + what]
            case "cut":
                del data[max(1, i) :]
    features_or_reason(bytes(data))


LONG = """
import sys
from genre_batch.front_end import MEL
from genre_batch.signal.extract import extract

def peak():
    # getrusage() would count the process that this one was forked from.
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024

data = sys.stdin.buffer.read() * 360
before = peak()
features = extract(data, MEL)
print(peak() - before, features.duration_s, *features.spectrograms.shape)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process's memory is read from Linux's /proc")
def test_a_long_recording_is_heard_twice_and_looks_the_same(monkeypatch):
    front_end = dataclasses.replace(GTZAN_PUBLISHED, segment_hop_s=2.5, descriptors=Descriptors())
    samples = music(25)
    # The loudest comes after what is no longer kept.
    samples[-4 * RATE_HZ :] *= 3
    data = sound_file(samples, subtype="FLOAT")
    once = extract(data, front_end)
    monkeypatch.setattr("genre_batch.signal.extract.KEPT_BYTES", 3 * once.spectrograms[0].size * 4)
    twice = extract(data, front_end)
    assert len(once.positions) == 7
    for name in ("spectrograms", "descriptors", "positions"):
        np.testing.assert_array_equal(getattr(twice, name), getattr(once, name))
    assert (twice.duration_s, twice.loudness_db) == (once.duration_s, once.loudness_db)


def test_two_hours_of_stereo_need_less_than_300_mb():
    rng = np.random.default_rng(0)
    part = music(20, 44_100)[:, None] + 0.02 * rng.standard_normal((20 * 44_100, 2))
    data = ffmpeg_file(part, "libmp3lame", "mp3", 44_100, b="64000", reservoir="0")
    done = subprocess.run([sys.executable, "-c", LONG], input=data, capture_output=True, cwd=ROOT, check=True)
    growth, seconds, *shape = done.stdout.split()
    assert float(seconds) == pytest.approx(7210, abs=10)
    assert [int(n) for n in shape] == [1442, 128, 216]
    assert int(growth) < 300e6
    # All samples at once, mono and at 22,050 Hz already, would not fit.
    assert float(seconds) * RATE_HZ * 4 > 300e6
