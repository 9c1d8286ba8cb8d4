"""Spectrograms: power as librosa has it, decibels, and the 256 levels, in exact numbers."""

import dataclasses

import librosa
import numpy as np
import pytest

from genre_batch.front_end import GTZAN_PUBLISHED, MEL, PRESETS, SEED_3S, SEED_10S, FrontEnd
from genre_batch.signal import spectrogram


def music(front_end: FrontEnd) -> np.ndarray:
    """Tones that come and go over faint noise, and nothing at the end: every level from 0 dB to below the range."""
    rng = np.random.default_rng(3)
    t = np.arange(front_end.segment_samples) / front_end.sample_rate_hz
    tones = sum(np.sin(2 * np.pi * hz * t) * (np.sin(3 * t + hz) > 0) for hz in (110, 277.2, 659.3, 2093, 5500))
    samples = (0.1 * tones + 3e-4 * rng.standard_normal(len(t))).astype(np.float32)
    samples[-front_end.n_fft :] = 0
    return samples


def tone(front_end: FrontEnd, hz: float) -> np.ndarray:
    t = np.arange(front_end.segment_samples) / front_end.sample_rate_hz
    return (0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def drawn(samples: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    energy = spectrogram.power(samples, front_end)
    return spectrogram.picture(spectrogram.decibels(energy, front_end, float(energy.max())), front_end)


def same_in_decibels(energy: np.ndarray, expected: np.ndarray, front_end: FrontEnd) -> None:
    ours = spectrogram.decibels(energy, front_end, float(energy.max()))
    theirs = librosa.power_to_db(expected, ref=np.max, amin=front_end.power_floor, top_db=front_end.top_db)
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape
    # librosa transforms in double precision: what single precision loses shows at the bottom of the range only.
    np.testing.assert_allclose(ours / front_end.top_db, theirs / front_end.top_db, rtol=0, atol=1e-4)
    loud = theirs > -40
    assert 1000 < loud.sum() < loud.size
    np.testing.assert_allclose(ours[loud], theirs[loud], rtol=0, atol=1e-4)


def test_log_mel_equals_librosa():
    samples = music(MEL)
    expected = librosa.feature.melspectrogram(
        y=samples, sr=22_050, n_fft=2048, hop_length=512, n_mels=128, fmin=30.0, pad_mode="constant"
    )
    same_in_decibels(spectrogram.power(samples, MEL), expected, MEL)


@pytest.mark.parametrize("front_end", [SEED_10S, SEED_3S], ids=lambda front_end: front_end.name)
def test_stft_power_equals_librosa(front_end):
    samples = music(front_end)
    expected = np.abs(librosa.stft(samples, n_fft=front_end.n_fft, hop_length=front_end.hop_length)) ** 2
    energy = spectrogram.power(samples, front_end)
    np.testing.assert_allclose(energy, expected[: front_end.n_bands], rtol=1e-5, atol=1e-8 * expected.max())
    same_in_decibels(energy, expected[: front_end.n_bands], front_end)


def test_first_frame_is_centred_on_the_frame_offset():
    front_end = dataclasses.replace(
        GTZAN_PUBLISHED,
        sample_rate_hz=8000,
        segment_s=0.5,
        min_track_s=0.1,
        n_fft=256,
        hop_length=190,
        frame_offset=77,
        n_bands=20,
    )
    samples = music(front_end)
    stft = librosa.stft(samples, n_fft=256, hop_length=1)[:, 77::190]
    expected = librosa.filters.mel(sr=8000, n_fft=256, n_mels=20) @ np.abs(stft) ** 2
    assert front_end.n_frames == 21 == expected.shape[1]
    np.testing.assert_allclose(spectrogram.power(samples, front_end), expected, rtol=1e-4, atol=1e-9 * expected.max())


def test_the_published_frames_lie_where_they_were_sampled():
    click = np.zeros(GTZAN_PUBLISHED.segment_samples, np.float32)
    click[617 + 3 * 1708] = 1
    energy = spectrogram.power(click, GTZAN_PUBLISHED).sum(axis=0)
    # A window of 2048 samples over hops of 1708: the neighbours touch it with their ends only, the others not at all.
    assert energy.argmax() == 3
    assert energy[3] > 1000 * max(energy[2], energy[4])
    assert not energy[[0, 1, 5, 128]].any()


@pytest.mark.parametrize("front_end", PRESETS.values(), ids=PRESETS)
def test_every_preset_draws_its_shape(front_end):
    energy = spectrogram.power(music(front_end), front_end)
    assert energy.shape == (front_end.n_bands, front_end.n_frames)
    assert energy.dtype == np.float32
    picture = drawn(music(front_end), front_end)
    assert picture.shape == front_end.spectrogram_shape
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    assert picture.min() == 0
    assert picture.max() == 255 or front_end.resize_to  # mixing neighbours may lower the one loudest pixel


def test_a_tone_fills_its_mel_band():
    hz = 93 * 22_050 / 2048
    picture = drawn(tone(MEL, hz), MEL)
    centres = librosa.mel_frequencies(n_mels=130, fmin=30.0, fmax=11_025)[1:-1]
    band = int(np.abs(centres - hz).argmin())
    middle = picture[:, 4:-4]
    assert band == 37
    assert (middle.argmax(axis=0) == band).all()
    assert (middle[band] == 255).all()
    assert (np.delete(middle, range(band - 2, band + 3), axis=0) == 0).all()


def test_a_tone_on_a_bin_gives_its_row_and_half_the_amplitude_beside_it():
    # 12 kHz over 1024 samples: bins of 11.71875 Hz; 750 Hz is bin 64. Hann's neighbours are at half, -6.02 dB, of 80 dB range.
    picture = drawn(tone(SEED_3S, 750.0), SEED_3S)
    middle = picture[:, 20:-20]
    assert set(np.unique(middle[64])) <= {254, 255}
    assert set(np.unique(middle[[63, 65]])) == {int(255 * (80 - 20 * np.log10(2)) / 80)}
    assert (np.delete(middle, [63, 64, 65], axis=0) == 0).all()


def test_row_nought_of_the_linear_scale_is_dc_and_padding_columns_are_nought():
    picture = drawn(np.full(SEED_3S.segment_samples, 0.5, np.float32), SEED_3S)
    assert picture.shape == (512, 512)
    assert (picture[0, 10:-10] >= 254).all()
    assert (picture[5:, 20:-20] == 0).all()
    assert not picture[:, [0, 1, -2, -1]].any()
    assert picture[:, 2].any()
    assert picture[:, -3].any()


def test_the_ten_second_picture_is_turned_by_half_a_turn():
    low_then_nothing = tone(SEED_10S, 22_050 / 2048 * 100)
    low_then_nothing[len(low_then_nothing) // 2 :] = 0
    picture = drawn(low_then_nothing, SEED_10S)
    row = round(479 - (100 + 0.5) * 480 / 1025 + 0.5)
    assert abs(int(picture[:, 500].argmax()) - row) <= 1
    assert picture[row - 1 : row + 2, 340:].max(axis=0).min() > 150
    assert picture[:, :300].max() == 0
    np.testing.assert_array_equal(picture[::-1, ::-1], drawn(low_then_nothing, dataclasses.replace(SEED_10S, rotate_180=False)))


def test_decibels_in_known_places():
    energy = np.array([[1.0, 0.1], [1e-7, 1e-9], [0.0, 2.0]], np.float32)
    np.testing.assert_allclose(spectrogram.decibels(energy, MEL, 1.0), [[0, -10], [-70, -80], [-80, 3.0103]], atol=1e-5)
    np.testing.assert_allclose(spectrogram.decibels(energy, MEL, 10.0), [[-10, -20], [-80, -80], [-80, -6.9897]], atol=1e-5)


def test_power_floor_bounds_both_the_energy_and_its_reference():
    energy = np.array([1e-12, 1e-9], np.float32)
    np.testing.assert_allclose(spectrogram.decibels(energy, MEL, 1e-12), [0, 10], atol=1e-5)


def test_fixed_levels_are_rounded():
    level = np.array([[-80, -79.8, -40.1, -20, -10, -0.1, 0]], np.float32)
    np.testing.assert_array_equal(spectrogram.picture(level, MEL), [[0, 1, 127, 191, 223, 255, 255]])


def test_min_max_levels_are_truncated():
    front_end = dataclasses.replace(SEED_3S, pad_columns=0)
    level = np.array([[-7, -6, -5, -4, -3, -2, -1, 0]], np.float32)
    np.testing.assert_array_equal(spectrogram.picture(level, front_end), [[0, 36, 72, 109, 145, 182, 218, 255]])


def test_min_max_levels_of_an_even_segment_are_nought():
    assert not spectrogram.picture(np.full((4, 4), -3, np.float32), SEED_3S).any()


def test_padding_goes_on_both_sides():
    level = np.array([[0, 1], [2, 3]], np.float32)
    np.testing.assert_array_equal(spectrogram.picture(level, SEED_3S), [[0, 0, 0, 85, 0, 0], [0, 0, 170, 255, 0, 0]])


# What cv2.resize(…, interpolation=cv2.INTER_AREA) of OpenCV 5.0 gives for float32, rounded.
RAMP = [0, 17, 51, 85, 102, 153, 170, 204, 238, 255]
SLOPE = [[17, 22, 27, 37, 42, 47], [81, 86, 91, 101, 106, 111], [146, 151, 156, 166, 171, 176]]


def test_a_ramp_is_resized_as_opencv_does():
    front_end = dataclasses.replace(SEED_10S, resize_to=(1, 10), rotate_180=False)
    ramp = np.array([[0, 51, 102, 153, 204, 255]], np.float32)
    np.testing.assert_array_equal(spectrogram.picture(ramp, front_end), [RAMP])
    turned = dataclasses.replace(front_end, rotate_180=True)
    np.testing.assert_array_equal(spectrogram.picture(ramp, turned), [RAMP[::-1]])


def test_rows_shrink_while_columns_grow_as_opencv_does():
    front_end = dataclasses.replace(SEED_10S, resize_to=(3, 6), rotate_180=False)
    slope = (np.arange(7)[:, None] * 30 + np.arange(4) * 10).astype(np.float32)
    slope[6, 3] = 255
    np.testing.assert_array_equal(spectrogram.picture(slope, front_end), SLOPE)


def test_hann_is_librosas_window():
    np.testing.assert_allclose(spectrogram.hann(2048), librosa.filters.get_window("hann", 2048), atol=1e-7)
