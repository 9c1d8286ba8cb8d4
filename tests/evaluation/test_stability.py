"""How often labels flip: by hand, by SciPy's bootstrap, and what is left out of the count."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from genre_batch.errors import UsageError
from genre_batch.evaluation.stability import MAX_FLIP_RATE, flip_rates

FOUR = {"a": "blues", "b": "jazz", "c": "rock", "d": "rock"}


def catalog(n: int, flipped: int) -> tuple[dict[str, str], dict[str, str]]:
    original = {f"track {i}": "rock" for i in range(n)}
    return original, original | {f"track {i}": "metal" for i in range(flipped)}


def test_by_hand():
    found = flip_rates(FOUR, {"louder": FOUR, "mp3_128": FOUR | {"b": "blues"}, "offset_2s": {"a": "rock", "c": "rock"}})
    assert list(found) == ["louder", "mp3_128", "offset_2s"]
    assert found["louder"] == {"flip_rate": 0.0, "low": 0.0, "high": 0.0, "n": 4, "unusable": 0, "passes": True}
    # Of four tracks drawn, one is b: none in .32 of draws, three or four in .05.
    assert found["mp3_128"] == {"flip_rate": 0.25, "low": 0.0, "high": 0.75, "n": 4, "unusable": 0, "passes": False}
    assert found["offset_2s"] == {"flip_rate": 0.5, "low": 0.0, "high": 1.0, "n": 2, "unusable": 2, "passes": False}
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(("flipped", "passes"), [(0, True), (5, True), (6, False), (100, False)])
def test_five_in_a_hundred_may_flip(flipped, passes):
    original, altered = catalog(100, flipped)
    found = flip_rates(original, {"quieter": altered})["quieter"]
    assert found["flip_rate"] == flipped / 100
    assert found["passes"] is passes
    assert MAX_FLIP_RATE == 0.05


def test_the_interval_is_that_of_a_bootstrap_over_tracks():
    original, altered = catalog(200, 30)
    found = flip_rates(original, {"quieter": altered})["quieter"]
    flips = np.arange(200) < 30
    reference = bootstrap((flips,), np.mean, n_resamples=9999, method="percentile", rng=0).confidence_interval
    assert found["low"] == pytest.approx(reference.low, abs=0.01)
    assert found["high"] == pytest.approx(reference.high, abs=0.01)
    assert found["low"] < 0.15 < found["high"]


def test_published_genres_flip_to_unknown():
    assert flip_rates(FOUR, {"louder": FOUR | {"a": "unknown"}})["louder"]["flip_rate"] == 0.25


def test_a_track_that_is_heard_only_when_altered_has_nothing_to_flip():
    """Too quiet to be labelled, until it is louder."""
    found = flip_rates(FOUR, {"louder": FOUR | {"quiet": "jazz"}})["louder"]
    assert (found["n"], found["unusable"], found["flip_rate"]) == (4, 0, 0.0)


@pytest.mark.parametrize("altered", [{}, {"e": "rock"}])
def test_without_a_pair_of_labels_there_is_no_rate(altered):
    found = flip_rates(FOUR, {"louder": FOUR, "offset_2s": altered})
    assert found["offset_2s"] == {"flip_rate": None, "low": None, "high": None, "n": 0, "unusable": 4, "passes": False}
    assert found["louder"]["n"] == 4


def test_no_label_at_all_is_refused():
    with pytest.raises(UsageError, match="no track was labelled as it is: give recordings that can be labelled"):
        flip_rates({}, {"mp3_128": FOUR})


LABELLED = st.dictionaries(st.sampled_from("abcdefghij"), st.sampled_from(["blues", "jazz", "rock"]), min_size=1)


@given(original=LABELLED, altered=LABELLED)
def test_every_track_is_counted_once(original, altered):
    altered = altered | {next(iter(original)): "jazz"}
    found = flip_rates(original, {"louder": altered})["louder"]
    assert found["n"] + found["unusable"] == len(original)
    assert 0 <= found["low"] <= found["flip_rate"] <= found["high"] <= 1
    assert found["flip_rate"] * found["n"] == pytest.approx(sum(altered.get(t, g) != g for t, g in original.items()))


@given(original=LABELLED, altered=LABELLED, order=st.randoms())
def test_the_order_of_tracks_does_not_matter(original, altered, order):
    altered = altered | {next(iter(original)): "jazz"}
    turned = list(original)
    order.shuffle(turned)
    assert flip_rates({track: original[track] for track in turned}, {"x": altered}) == flip_rates(original, {"x": altered})
