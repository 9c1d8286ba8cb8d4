"""Recordings as an audit hears them."""

import numpy as np
import pytest

from genre_batch.audit import faults, hearing
from genre_batch.audit.checks import Check
from genre_batch.errors import Empty, NotFinite, Silent, TooLong, TooShort, TrackError, Undecodable
from genre_batch.limits import Limits
from genre_batch.signal import encode
from genre_batch.signal.extract import extract
from tests.audit import coded, made

RATE_HZ = 22_050


def tone(seconds: float, loudness: float = 0.3) -> np.ndarray:
    return loudness * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def flac(samples: np.ndarray, kind: str = "FLAC", subtype: str = "PCM_16") -> bytes:
    return encode.libsndfile(samples, RATE_HZ, kind, subtype)


def test_pictures_are_those_of_extract_and_what_is_left_at_the_end():
    data = flac(tone(12.0))
    found, expected = hearing.hear(data), extract(data, hearing.FRONT_END)
    assert expected.spectrograms is not None
    np.testing.assert_array_equal(found.pictures[:2], expected.spectrograms)
    assert found.positions.tolist() == [0, 1, 2]
    assert found.duration_s == 12.0
    assert found.pictures.shape[1:] == hearing.FRONT_END.spectrogram_shape


def test_a_clean_recording_has_no_fault():
    assert hearing.hear(flac(tone(10.0))).sound == hearing.Sound(0.0, 0.0, 10.0)


def test_runs_at_full_scale_are_clipped_and_single_peaks_are_not():
    samples = tone(10.0)
    samples[1000:1100] = 1
    samples[5000:5002] = -1
    found = hearing.hear(flac(np.column_stack([samples, tone(10.0)]))).sound.clipped
    assert found == 100 / (2 * 10 * RATE_HZ)


def test_a_run_across_two_blocks_counts_as_two():
    samples = tone(12.0)
    end = 10 * RATE_HZ
    samples[end - 3 : end + 3] = 1
    assert hearing.hear(flac(samples)).sound.clipped == 6 / len(samples)
    samples[end - 3 : end + 3] = 0
    samples[end - 2 : end + 2] = 1
    assert hearing.hear(flac(samples)).sound.clipped == 0


def test_silence_is_told_as_a_share():
    found = hearing.hear(flac(np.concatenate([tone(4.0), np.zeros(6 * RATE_HZ)])))
    assert found.sound.silent == pytest.approx(0.6, abs=0.01)
    assert found.positions.tolist() == [0]


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", "PCM_16"), ("WAV", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16")])
def test_a_file_cut_in_half_promises_what_it_had(kind: str, subtype: str):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * RATE_HZ)
    whole = flac(samples, kind, subtype)
    assert hearing.hear(whole).sound.promised_s == pytest.approx(10)
    half = hearing.hear(whole[: len(whole) // 2])
    assert half.sound.promised_s == pytest.approx(10, abs=0.05)
    assert half.duration_s < 6


def is_truncated(data: bytes) -> bool:
    heard = hearing.hear(data)
    row = made.row("pop/a", duration_s=heard.duration_s, promised_s=heard.sound.promised_s)
    return bool(faults.faults(made.tracks([row]), from_recordings=True)[Check.TRUNCATED])


MP3_HZ = 44_100
TONE = 0.3 * np.sin(2 * np.pi * 440 * np.arange(8 * MP3_HZ) / MP3_HZ)
COUNTED = encode.mp3(TONE[:, None], MP3_HZ, 128_000)
UNCOUNTED = coded.mp3_without_a_count(TONE, MP3_HZ)


@pytest.mark.parametrize("data", [COUNTED, UNCOUNTED], ids=["with Xing", "without Xing"])
def test_a_whole_mp3_is_not_truncated_whatever_tag_it_ends_with(data: bytes):
    heard = hearing.hear(data + coded.ape_tag(100_000))
    assert heard.duration_s == pytest.approx(8.0, abs=0.1)
    assert not is_truncated(data)
    assert not is_truncated(data + coded.ape_tag(100_000))


def test_a_cut_mp3_is_truncated_where_it_says_how_long_it_was():
    half = hearing.hear(COUNTED[: len(COUNTED) // 2])
    assert half.duration_s == pytest.approx(4.0, abs=0.1)
    assert half.sound.promised_s == pytest.approx(8.0, abs=0.1)
    assert is_truncated(COUNTED[: len(COUNTED) // 2])
    assert hearing.hear(UNCOUNTED[: len(UNCOUNTED) // 2]).sound.promised_s is None


@pytest.mark.parametrize(
    ("codec", "container", "promised"),
    [("aac", "adts", None), ("ac3", "ac3", None), ("eac3", "eac3", None), ("aac", "ipod", 8.0)],
)
def test_bare_frames_promise_nothing_and_a_container_does(codec: str, container: str, promised: float | None):
    data = encode.ffmpeg(TONE[:, None], MP3_HZ, codec, container, {})
    assert hearing.hear(data).sound.promised_s == (promised and pytest.approx(promised, abs=0.1))
    assert not is_truncated(data + coded.ape_tag(100_000))


def test_what_no_library_understands_promises_nothing():
    assert hearing.promised_seconds(b"not music", 1.0) is None


def test_the_digest_is_of_the_sound_and_not_of_the_file():
    samples = np.round(tone(5.0) * 2**15) / 2**15
    digests = {kind: hearing.hear(flac(samples, kind)).digest for kind in ("FLAC", "WAV", "AIFF")}
    assert len(set(digests.values())) == 1
    assert hearing.hear(flac(np.append(samples, 0.5))).digest != digests["WAV"]
    assert hearing.hear(encode.libsndfile(samples, 44_100, "WAV", "PCM_16")).digest != digests["WAV"]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", Empty),
        (b"This is a letter.\n" * 50, Undecodable),
        (flac(np.zeros(6 * RATE_HZ)), Silent),
        (flac(tone(0.5)), TooShort),
        (flac(np.full(6 * RATE_HZ, np.nan), "AU", "FLOAT"), NotFinite),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_tracks_at_fault(data: bytes, error: type[TrackError]):
    with pytest.raises(error):
        hearing.hear(data)


def test_no_more_is_decoded_than_is_allowed():
    with pytest.raises(TooLong):
        hearing.hear(flac(tone(12.0)), Limits(audio_s=11.0))
