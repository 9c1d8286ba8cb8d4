"""Segments: which samples, whatever the blocks, and which tracks are refused."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genre_batch.errors import Silent, TooShort
from genre_batch.front_end import MEL
from genre_batch.signal.segment import Duration, segments

SMALL = dataclasses.replace(
    MEL, sample_rate_hz=100, segment_s=1.0, segment_hop_s=1.0, min_track_s=0.5, n_fft=64, hop_length=16, silence_dbfs=-60.0
)
OVERLAPPING = dataclasses.replace(SMALL, segment_hop_s=0.5)
ODD = dataclasses.replace(SMALL, segment_hop_s=0.37)
APART = dataclasses.replace(SMALL, segment_hop_s=2.5)


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(5).standard_normal(n).astype(np.float32)


def cut(samples: np.ndarray, places: list[int]) -> list[np.ndarray]:
    return np.split(samples, sorted(place % (len(samples) + 1) for place in places))


@pytest.mark.parametrize("front_end", [SMALL, OVERLAPPING, ODD, APART], ids=["side by side", "overlapping", "odd", "apart"])
@given(n=st.integers(100, 1000), places=st.lists(st.integers(0, 1000), max_size=30))
def test_segments_are_slices_of_the_whole_however_it_comes(front_end, n, places):
    samples = noise(n)
    size, hop = front_end.segment_samples, front_end.segment_hop_samples
    found = list(segments(cut(samples, places), front_end))
    assert [position for position, _ in found] == list(range(1 + (n - size) // hop))
    for position, segment in found:
        np.testing.assert_array_equal(segment, samples[position * hop : position * hop + size])


@given(n=st.integers(50, 99), places=st.lists(st.integers(0, 100), max_size=5))
def test_a_short_track_is_filled_up_with_zeros(n, places):
    samples = noise(n)
    [(position, segment)] = segments(cut(samples, places), SMALL)
    assert position == 0
    np.testing.assert_array_equal(segment, np.concatenate([samples, np.zeros(100 - n)]))
    assert segment.dtype == np.float32


@given(n=st.integers(0, 49))
def test_a_track_below_the_least_length_is_refused(n):
    with pytest.raises(TooShort, match=rf"^{n / 100:.2f} s long, 0.5 s are needed$"):
        list(segments([noise(n)], SMALL))


def test_not_even_one_sample_is_too_short_when_no_length_is_asked_for():
    front_end = dataclasses.replace(SMALL, min_track_s=0)
    assert len(list(segments([noise(1)], front_end))) == 1
    with pytest.raises(TooShort):
        list(segments([noise(0)], front_end))


def test_the_tail_is_dropped():
    assert len(list(segments([noise(299)], SMALL))) == 2
    assert len(list(segments([noise(300)], SMALL))) == 3


def test_silent_segments_are_left_out_and_the_others_keep_their_places():
    samples = noise(500)
    samples[:100] = 0
    samples[200:400] = 0
    found = list(segments([samples[:333], samples[333:]], SMALL))
    assert [position for position, _ in found] == [1, 4]
    np.testing.assert_array_equal(found[1][1], samples[400:])


@pytest.mark.parametrize(("dbfs", "kept"), [(-59.9, True), (-60.1, False)])
def test_loudness_is_root_mean_square_against_full_scale(dbfs, kept):
    quiet = np.full(100, 10 ** (dbfs / 20), np.float32) * np.tile([1, -1], 50).astype(np.float32)
    found = list(segments([noise(100), quiet, noise(100)], SMALL))
    assert [position for position, _ in found] == ([0, 1, 2] if kept else [0, 2])


def test_a_short_track_is_as_loud_as_its_own_samples():
    # Filled up with as many zeros it would be 3 dB quieter, and silent.
    quiet = np.full(50, 10 ** (-59 / 20), np.float32)
    assert len(list(segments([quiet], SMALL))) == 1


@pytest.mark.parametrize("n", [50, 100, 250])
def test_nothing_but_silence_is_refused(n):
    with pytest.raises(Silent, match="no segment is louder than -60 dBFS"):
        list(segments([np.full(n, 1e-4, np.float32)], SMALL))


def test_digital_silence_is_silent_at_any_threshold():
    front_end = dataclasses.replace(SMALL, silence_dbfs=-1000.0)
    with pytest.raises(Silent):
        list(segments([np.zeros(300, np.float32)], front_end))


def test_a_track_that_is_loud_only_in_the_dropped_tail_is_silent():
    with pytest.raises(Silent):
        list(segments([np.concatenate([np.zeros(100, np.float32), noise(99)])], SMALL))


def test_duration_counts_what_passes_and_changes_nothing():
    samples = noise(321)
    duration = Duration()
    passed = list(duration.of(cut(samples, [5, 5, 200])))
    np.testing.assert_array_equal(np.concatenate(passed), samples)
    assert duration.samples == 321
