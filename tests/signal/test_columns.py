"""A spectrogram of a whole track is cut where its recording would have been."""

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch.errors import Silent, TooShort
from genre_batch.front_end import FrontEnd
from genre_batch.signal import segment
from genre_batch.signal.columns import cut, starts
from genre_batch.signal.extract import extract
from genre_batch.tables.spectrograms import front_end


def numbered(columns: int, n_bands: int = 128) -> np.ndarray:
    """Each column says which it is: its number in the two lowest bands, 7 in the others."""
    levels = np.full((n_bands, columns), 7, np.uint8)
    levels[0], levels[1] = np.arange(columns) % 256, np.arange(columns) // 256
    return levels


def numbers(spectrogram: np.ndarray) -> list[int]:
    return (spectrogram[0] + 256 * spectrogram[1].astype(int)).tolist()


@pytest.mark.parametrize(
    ("segment_s", "hop_s", "columns", "expected"),
    [
        (10, 10, 387, [0, 129, 258]),
        (10, 10, 386, [0, 129]),
        (10, 10, 517, [0, 129, 258, 387]),
        (10, 5, 387, [0, 65, 129, 194, 258]),
        (15, 15, 387, [0, 193]),
        (30, 30, 387, [0]),
        (3, 3, 387, [0, 39, 77, 116, 155, 194, 232, 271, 310, 348]),
        (30, 30, 200, [0]),
    ],
)
def test_where_segments_start(segment_s: float, hop_s: float, columns: int, expected: list[int]):
    assert starts(columns, front_end(segment_s, hop_s)) == expected


def test_a_track_of_gtzan_has_three_segments():
    levels = numbered(387)
    found = cut(levels, front_end(10, 10))
    assert found.spectrograms.shape == (3, 128, 129)
    assert found.spectrograms.dtype == np.uint8
    assert [numbers(each) for each in found.spectrograms] == [[*range(129)], [*range(129, 258)], [*range(258, 387)]]
    assert found.positions.tolist() == [0, 1, 2]
    assert found.positions.dtype == np.int32
    assert found.descriptors is None
    assert found.duration_s == pytest.approx(387 * 1708 / 22_050)


def test_what_is_left_over_is_dropped():
    found = cut(numbered(300), front_end(10, 10))
    assert [numbers(each)[0] for each in found.spectrograms] == [0, 129]
    assert found.duration_s == pytest.approx(300 * 1708 / 22_050)


def test_a_short_track_is_filled_up_with_silence():
    (only,) = cut(numbered(100), front_end(10, 10)).spectrograms
    assert only.shape == (128, 129)
    np.testing.assert_array_equal(only[:, :100], numbered(100))
    assert not only[:, 100:].any()


def test_a_track_below_a_second_is_refused():
    assert len(cut(numbered(13), front_end(10, 10)).positions) == 1
    with pytest.raises(TooShort, match=r"^0\.93 s long, 1 s are needed$"):
        cut(numbered(12), front_end(10, 10))


def test_silent_segments_are_left_out():
    levels = numbered(387)
    levels[:, 129:258] = 0
    found = cut(levels, front_end(10, 10))
    assert found.positions.tolist() == [0, 2]
    assert [numbers(each)[0] for each in found.spectrograms] == [0, 258]
    with pytest.raises(Silent, match="all of it is 80 dB below its maximum"):
        cut(np.zeros((128, 387), np.uint8), front_end(10, 10))


def hops(front: FrontEnd) -> float:
    return front.segment_hop_samples / front.hop_length


@settings(max_examples=60, deadline=None)
@given(st.integers(13, 420), st.floats(1, 40), st.floats(0.1, 40))
def test_as_many_segments_as_the_recording_has(columns: int, segment_s: float, hop_s: float):
    front = front_end(segment_s, hop_s)
    # The longest recording of so many columns.
    samples = np.ones(front.frame_offset + columns * front.hop_length - 1, np.float32)
    assert 1 + (len(samples) - front.frame_offset) // front.hop_length == columns
    found = starts(columns, front)
    assert list(range(len(found))) == [position for position, _ in segment.segments([samples], front)]
    for k, start in enumerate(found):
        assert -1.5 <= start - k * hops(front) <= 0.5
        assert start + front.n_frames <= max(columns, front.n_frames)


def test_segments_look_as_those_of_the_recording():
    rng = np.random.default_rng(3)
    sound = 0.01 * rng.standard_normal(30 * 22_050)
    sound[5 * 22_050 : 6 * 22_050] *= 30  # the maximum, far from any edge
    file = io.BytesIO()
    soundfile.write(file, sound, 22_050, format="WAV", subtype="FLOAT")
    whole = extract(file.getvalue(), front_end(30, 30)).spectrograms[0]
    expected = extract(file.getvalue(), front_end(10, 10))
    found = cut(whole, front_end(10, 10))
    assert found.positions.tolist() == expected.positions.tolist()
    # The last frame reaches into the next segment, which the recording's segment has not.
    np.testing.assert_array_equal(found.spectrograms[0][:, :-1], expected.spectrograms[0][:, :-1])
    # Those after start up to half a column elsewhere: noise of the same level.
    for k in (1, 2):
        assert found.spectrograms[k].mean() == pytest.approx(expected.spectrograms[k].mean(), abs=1)
