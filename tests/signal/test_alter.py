"""Alterations: exact where they can be, and near where a codec stands between."""

import io
import pickle

import av
import librosa
import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from genre_batch.choices import WaveformPart
from genre_batch.errors import Empty, NotFinite, TooShort, TrackError, Undecodable
from genre_batch.front_end import GTZAN_PUBLISHED, MEL
from genre_batch.signal import alter, decode, encode
from genre_batch.signal.alter import ALTERATIONS, Strengths, augment
from genre_batch.signal.extract import extract
from genre_batch.signal.sound import Sound, read
from tests.conftest import SHARED

RATE_HZ = 22_050
GAIN, NOISE, CODEC, PITCH = WaveformPart
AUDIO = SHARED / "gtzan" / "audio"
TRACKS = ("blues/blues.00000.flac", "jazz/jazz.00000.flac", "metal/metal.00000.flac")


def tone(seconds: float = 6.0, rate_hz: int = RATE_HZ, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def recording(samples: np.ndarray, rate_hz: int = RATE_HZ, container: str = "WAV", subtype: str = "FLOAT") -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, samples, rate_hz, format=container, subtype=subtype)
    return buffer.getvalue()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.square(samples, dtype=np.float64).mean()))


def peak_hz(sound: Sound) -> float:
    """By a parabola through the loudest bin and its neighbours."""
    level = np.log(np.abs(np.fft.rfft(sound.mono * np.hanning(len(sound.samples)))))
    k = int(level.argmax())
    a, b, c = level[k - 1 : k + 2]
    return (k + 0.5 * (a - c) / (a - 2 * b + c)) * sound.rate_hz / len(sound.samples)


TONE = tone()
STEREO = np.stack([tone(), 0.5 * tone(hz=660)], axis=1)


BROKEN = np.where(np.arange(len(TONE)) == 1000, np.nan, TONE).astype(np.float32)
REFUSED = {
    "nothing": (b"", Empty),
    "a letter": (b"This is a letter that somebody named mp3.\n" * 50, Undecodable),
    "no samples": (recording(TONE[:0]), Empty),
    "not a number": (recording(BROKEN), NotFinite),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("name", [*ALTERATIONS, "augment"])
def test_what_extract_refuses_is_refused_alike(name, kind):
    data, error = REFUSED[kind]
    with pytest.raises(TrackError) as expected:
        extract(data, MEL)
    with pytest.raises(error) as refused:
        ALTERATIONS[name](data) if name in ALTERATIONS else augment(data, list(WaveformPart), rng())
    assert refused.type is expected.type
    assert str(refused.value) == str(expected.value)


# The fixed ones


def test_all_fixed_ones_are_here_and_travel():
    assert list(ALTERATIONS) == ["mp3_128", "stereo_44100", "offset_2s", "quieter", "louder"]
    sent = pickle.loads(pickle.dumps(ALTERATIONS))
    assert sent["louder"](recording(TONE)) == ALTERATIONS["louder"](recording(TONE))


@pytest.mark.parametrize("name", ALTERATIONS)
def test_altered_twice_alike(name):
    assert ALTERATIONS[name](recording(STEREO)) == ALTERATIONS[name](recording(STEREO))


@pytest.mark.parametrize(("name", "factor"), [("quieter", 0.5), ("louder", 2.0)])
def test_a_level_changes_by_six_decibels_and_nothing_else(name, factor):
    loud = 1.8 * STEREO
    altered = read(ALTERATIONS[name](recording(loud)))
    assert_array_equal(altered.samples, loud * factor)
    assert abs(level_db(altered.samples) - level_db(loud)) == pytest.approx(6.0206, abs=1e-4)
    assert name == "quieter" or np.abs(altered.samples).max() > 1.5  # nothing is clipped


def test_the_offset_is_exact_to_the_sample():
    altered = read(ALTERATIONS["offset_2s"](recording(STEREO, container="FLAC", subtype="PCM_24")))
    assert altered.rate_hz == RATE_HZ
    assert_allclose(altered.samples, STEREO[2 * RATE_HZ :], rtol=0, atol=2**-23)


def test_an_offset_leaves_three_seconds_or_refuses():
    at_least = ALTERATIONS["offset_2s"](recording(TONE[: 5 * RATE_HZ]))
    assert len(read(at_least).samples) == 3 * RATE_HZ
    with pytest.raises(TooShort, match=r"^3\.00 s long after 2 s are cut off, 3 s are needed$"):
        ALTERATIONS["offset_2s"](recording(TONE[: 5 * RATE_HZ - 1]))
    with pytest.raises(TooShort, match=r"^0\.00 s long"):
        ALTERATIONS["offset_2s"](recording(TONE[:RATE_HZ]))


def test_stereo_is_the_mean_twice():
    data = recording(np.stack([tone(rate_hz=44_100), 0.5 * tone(rate_hz=44_100, hz=660)], axis=1), 44_100)
    before, altered = read(data), read(ALTERATIONS["stereo_44100"](data))
    assert_array_equal(altered.samples, np.stack([before.mono, before.mono], axis=1))
    assert_array_equal(altered.mono, before.mono)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 48_000, 96_000])
def test_stereo_is_at_44100(rate_hz):
    altered = read(ALTERATIONS["stereo_44100"](recording(tone(rate_hz=rate_hz), rate_hz)))
    assert altered.rate_hz == 44_100
    assert altered.samples.shape == (6 * 44_100, 2)
    assert_array_equal(altered.samples[:, 0], altered.samples[:, 1])
    assert_allclose(altered.samples[2000:-2000, 0], tone(rate_hz=44_100)[2000:-2000], atol=1e-3)


@pytest.mark.parametrize(
    ("rate_hz", "coded_hz"), [(8_000, 32_000), (22_050, 32_000), (44_100, 44_100), (48_000, 48_000), (96_000, 48_000)]
)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_an_mp3_is_one(rate_hz, coded_hz, n_channels):
    samples = np.tile(tone(rate_hz=rate_hz)[:, None], (1, n_channels))
    data = ALTERATIONS["mp3_128"](recording(samples, rate_hz))
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0]
        assert (container.format.name, stream.rate, stream.channels) == ("mp3", coded_hz, n_channels)
        sizes = [packet.size for packet in container.demux(stream) if packet.size]
    assert 8 * np.mean(sizes) * coded_hz / 1152 == pytest.approx(128_000, rel=0.005)
    altered = read(data)
    assert len(altered.samples) / coded_hz == pytest.approx(6.0, abs=0.06)
    n = round(5.9 * coded_hz)
    assert np.corrcoef(altered.mono[:n], tone(rate_hz=coded_hz)[:n])[0, 1] > 0.999
    assert level_db(altered.samples) == pytest.approx(level_db(samples) + 20 * np.log10(0.95), abs=0.05)  # as LAME does


# The random ones


def augmented(samples: np.ndarray, *parts: WaveformPart, seed: int = 0, rate_hz: int = RATE_HZ, **strengths: object) -> Sound:
    return read(augment(recording(samples, rate_hz), parts, rng(seed), Strengths(**strengths)))


def test_no_parts_change_nothing():
    assert_array_equal(augmented(STEREO).samples, STEREO)


@pytest.mark.parametrize("parts", [(part,) for part in WaveformPart] + [tuple(WaveformPart)], ids="-".join)
def test_the_same_generator_gives_the_same_bytes(parts):
    data = recording(STEREO)
    found = [augment(data, parts, rng(seed)) for seed in (0, 0, 1, 2, 3)]
    assert found[0] == found[1]
    assert len(set(found)) == 4


def test_the_order_of_the_parts_does_not_matter():
    data = recording(TONE)
    assert augment(data, [GAIN, CODEC, NOISE], rng()) == augment(data, {NOISE, GAIN, CODEC}, rng())


def test_gain_is_as_drawn_and_up_to_six_decibels():
    gains = []
    for seed in range(20):
        gains.append(level_db(augmented(STEREO, GAIN, seed=seed).samples) - level_db(STEREO))
        assert gains[-1] == pytest.approx(rng(seed).uniform(-6, 6), abs=1e-4)
    assert -6 <= min(gains) < -3
    assert 3 < max(gains) <= 6
    assert level_db(augmented(STEREO, GAIN, gain_db=0.0).samples) == level_db(STEREO)


@pytest.mark.parametrize("samples", [TONE[:, None], STEREO], ids=["mono", "stereo"])
@pytest.mark.parametrize("snr_db", [0.0, 15.0, 40.0])
@pytest.mark.parametrize("seed", range(4))
def test_noise_has_its_ratio_in_what_is_heard(samples, snr_db, seed):
    found = augmented(samples, NOISE, seed=seed, snr_db=(snr_db, snr_db))
    heard = samples.mean(axis=1)
    assert level_db(heard) - level_db(found.mono - heard) == pytest.approx(snr_db, abs=0.01)
    noise = found.samples - samples
    assert_allclose(noise, np.repeat(noise[:, :1], samples.shape[1], axis=1), atol=1e-6)


def test_noise_is_between_15_and_40_decibels():
    ratios = [level_db(TONE) - level_db(augmented(TONE, NOISE, seed=seed).mono - TONE) for seed in range(30)]
    assert 14.99 < min(ratios) < 20
    assert 35 < max(ratios) < 40.01


def octaves_db(noise: np.ndarray, rate_hz: int) -> np.ndarray:
    """Power in the octaves from 20 Hz to 10,240 Hz."""
    power, hz = np.square(np.abs(np.fft.rfft(noise))), np.fft.rfftfreq(len(noise), 1 / rate_hz)
    edges = 20 * 2.0 ** np.arange(10)
    return 10 * np.log10([power[(hz >= low) & (hz < 2 * low)].sum() for low in edges[:-1]])


def test_every_octave_of_pink_noise_is_alike_and_of_white_twice_the_last():
    n = 30 * RATE_HZ + 1
    assert_allclose(np.diff(octaves_db(alter.pink(n, rng(), RATE_HZ), RATE_HZ)), 0, atol=0.6)
    assert_allclose(np.diff(octaves_db(alter.white(n, rng()), RATE_HZ)), 10 * np.log10(2), atol=0.6)
    assert len(alter.pink(n, rng(), RATE_HZ)) == n


def test_noise_is_now_white_now_pink():
    rise = [np.diff(octaves_db(augmented(TONE, NOISE, seed=seed).mono - TONE, RATE_HZ)).mean() for seed in range(12)]
    pink = sum(abs(each) < 0.5 for each in rise)
    white = sum(abs(each - 3) < 0.5 for each in rise)
    assert pink + white == 12
    assert 2 < pink < 10


def test_silence_stays_silent():
    assert not augmented(np.zeros(RATE_HZ, np.float32), NOISE, GAIN).samples.any()


def test_a_codec_is_now_mp3_now_vorbis_and_near(monkeypatch):
    coded = []
    for name in ("mp3", "vorbis"):
        real = getattr(encode, name)
        monkeypatch.setattr(encode, name, lambda *a, real=real, name=name: coded.append((name, a[2])) or real(*a))
    for seed in range(16):
        found = augmented(STEREO, CODEC, seed=seed)
        assert (found.rate_hz, found.samples.shape) == (32_000, (6 * 32_000, 2))
        before = np.stack([tone(rate_hz=32_000), 0.5 * tone(rate_hz=32_000, hz=660)], axis=1)
        assert np.corrcoef(found.samples.ravel(), before.ravel())[0, 1] > 0.995
    mp3 = {how for name, how in coded if name == "mp3"}
    vorbis = {how for name, how in coded if name == "vorbis"}
    assert len(coded) == 16
    assert len(mp3) >= 3
    assert mp3 <= {64_000, 80_000, 96_000, 112_000, 128_000, 160_000, 192_000}
    assert len(vorbis) >= 3
    assert all(0 <= quality <= 0.6 for quality in vorbis)


def test_gain_after_a_codec_clips_nothing():
    found = augmented(1.9 * tone(rate_hz=32_000), CODEC, GAIN, seed=8, rate_hz=32_000)
    drawn = rng(8)
    assert drawn.integers(2) == 1  # MP3, which clips
    drawn.choice(Strengths().mp3_bit_rates)
    gain_db = drawn.uniform(-6, 6)
    assert gain_db > 5
    louder = 0.95 * 10 ** (gain_db / 20) * 1.9 * tone(rate_hz=32_000)
    assert np.abs(louder).max() > 1.7
    assert_allclose(found.samples[3000:-3000, 0], louder[3000:-3000], atol=0.05)


@pytest.mark.parametrize("seed", range(8))
def test_pitch_moves_frequency_and_tempo_by_what_is_drawn(seed):
    semitones = rng(seed).uniform(-1, 1)
    found = augmented(TONE, PITCH, seed=seed)
    assert 12 * np.log2(peak_hz(found) / 440) == pytest.approx(semitones, abs=1e-3)
    assert len(found.samples) / found.rate_hz == pytest.approx(6.0 * 2 ** (-semitones / 12), rel=1e-4)


def test_a_semitone_is_a_semitone_to_extract():
    """As librosa resamples what plays a semitone higher."""
    seed = next(seed for seed in range(1000) if rng(seed).uniform(-1, 1) > 0.99)
    higher = rng(seed).uniform(-1, 1)
    sweep = librosa.chirp(fmin=200, fmax=4000, sr=RATE_HZ, duration=6.0).astype(np.float32)
    expected = librosa.resample(sweep, orig_sr=RATE_HZ * 2 ** (higher / 12), target_sr=RATE_HZ)
    found = extract(augment(recording(sweep), [PITCH], rng(seed)), MEL)
    assert found.duration_s == pytest.approx(6.0 * 2 ** (-higher / 12), abs=1e-3)
    apart = found.spectrograms[0].astype(int) - extract(recording(expected), MEL).spectrograms[0]
    assert np.abs(apart).mean() < 1


@pytest.mark.parametrize("rate_hz", [1_000, 1_000_000])
def test_pitch_keeps_to_rates_that_can_be_decoded(rate_hz):
    rates = {augmented(TONE, PITCH, seed=seed, rate_hz=rate_hz).rate_hz for seed in range(8)}
    assert rate_hz in rates
    assert len(rates) > 1
    assert all(rate in decode.RATES_HZ for rate in rates)


@given(
    n=st.integers(3, 4000),
    n_channels=st.integers(1, 3),
    rate_hz=st.sampled_from([1_000, 8_000, 11_025, 22_050, 44_100, 48_000, 96_000]),
    parts=st.sets(st.sampled_from(WaveformPart)),
    loudness=st.sampled_from([0.0, 1e-6, 1.0, 1e9]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=80, deadline=None)
def test_whatever_is_augmented_stays_audio(n, n_channels, rate_hz, parts, loudness, seed):
    samples = (loudness * rng(seed).uniform(-1, 1, (n, n_channels))).astype(np.float32)
    found = augmented(samples, *parts, seed=seed, rate_hz=rate_hz)
    assert np.isfinite(found.samples).all()
    assert found.samples.shape[1] == (n_channels if n_channels <= 2 else 1)
    seconds, slack = n / rate_hz, 0.06 if CODEC in parts else 1e-9
    stretch = 2 ** (1 / 12) + 1e-3 if PITCH in parts else 1
    assert seconds / stretch - slack <= len(found.samples) / found.rate_hz <= seconds * stretch + slack


def test_too_few_samples_to_code_are_a_track_at_fault():
    one = recording(TONE[:1], 192_000)  # a quarter of one at 48 kHz
    for seed in range(2):  # either codec
        with pytest.raises((Empty, Undecodable)):
            augment(one, [CODEC], rng(seed))
    with pytest.raises((Empty, Undecodable)):
        extract(ALTERATIONS["mp3_128"](one), MEL)


# Real recordings


@pytest.fixture(scope="module", params=TRACKS)
def track(request: pytest.FixtureRequest) -> bytes:
    path = AUDIO / request.param
    if not path.is_file():
        pytest.skip(f"needs GTZAN's recordings in {SHARED.name}, and {request.param} is not here")
    return path.read_bytes()


def apart(track: bytes, altered: bytes) -> np.ndarray:
    """Levels of the published spectrograms of GTZAN, of 256 that are 80 dB."""
    before, after = (extract(data, GTZAN_PUBLISHED).spectrograms.astype(int) for data in (track, altered))
    assert before.shape == after.shape
    return np.abs(before - after)


@pytest.mark.parametrize("name", ["louder", "quieter"])
def test_music_that_is_louder_looks_the_same(track, name):
    assert not apart(track, ALTERATIONS[name](track)).any()


def test_music_in_stereo_looks_the_same_but_at_the_edge(track):
    levels = apart(track, ALTERATIONS["stereo_44100"](track))
    assert levels[:, :-4].max() <= 1  # above, resampling there and back cuts off
    assert levels.mean() < 1


def test_music_through_mp3_looks_nearly_the_same(track):
    levels = apart(track, ALTERATIONS["mp3_128"](track))
    assert 0 < levels.mean() < 1
    assert levels[:, :-4].max() < 40  # below 9.5 kHz: LAME cuts no music off there


def test_augmented_music_is_that_music(track):
    strange = (AUDIO / "classical" / "classical.00000.flac").read_bytes()
    augmented = augment(track, [NOISE, CODEC, GAIN], rng(5), Strengths(snr_db=(30, 30)))
    assert apart(track, augmented).mean() < 0.25 * apart(track, strange).mean()
