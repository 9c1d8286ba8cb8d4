"""Population stability index by hand and against another formula, the levels, and that chance alone makes none."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from genre_batch.evaluation import drift
from genre_batch.evaluation.drift import Drift, Level, Quantity, Shift
from genre_batch.evaluation.profile import Profile
from schemas import runs
from tests.rows import label, reject, run, table

counts = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=12).filter(
    lambda pairs: all(map(sum, zip(*pairs, strict=True))) and all(map(any, pairs))
)


def music(rock: int, jazz: int, **columns: float) -> Profile:
    return Profile.of([label(genre="rock", **columns)] * rock + [label(genre="jazz", **columns)] * jazz, [])


def test_by_hand():
    """10 and 30 of 40 against 20 and 20: with half a track in each bin p - q is 10 / 41 both times."""
    found = drift.shift([10, 30], [20, 20])
    assert found.psi == pytest.approx(10 / 41 * math.log(30.5 / 10.5), abs=1e-12)
    assert found.psi == pytest.approx(0.260_086, abs=1e-6)
    assert found.by_chance == pytest.approx(10.827_566 / 20, abs=1e-6)


def test_an_empty_bin_by_hand():
    found = drift.shift([0, 100], [50, 50])
    assert found.psi == pytest.approx(50 / 101 * math.log(50.5 / 0.5) - 50 / 101 * math.log(50.5 / 100.5), abs=1e-12)


def test_unequal_numbers_of_tracks_by_hand():
    found = drift.shift([30, 10, 0], [100, 100, 100])
    p, q = [30.5 / 41.5, 10.5 / 41.5, 0.5 / 41.5], 1 / 3
    assert found.psi == pytest.approx(sum((each - q) * math.log(each / q) for each in p), abs=1e-12)
    assert found.by_chance == pytest.approx(13.815_511 * (1 / 40 + 1 / 300), abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(counts)
def test_it_is_the_divergence_both_ways(pairs: list[tuple[int, int]]):
    """PSI is the sum of both relative entropies, here by SciPy."""
    one, other = (list(each) for each in zip(*pairs, strict=True))
    found = drift.shift(one, other)
    p, q = ((np.array(each) + 0.5) / (sum(each) + len(each) / 2) for each in (one, other))
    assert found.psi == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), abs=1e-9)
    assert drift.shift(other, one).psi == pytest.approx(found.psi, abs=1e-12)
    assert found.psi >= 0


@pytest.mark.parametrize(
    ("psi", "by_chance", "level"),
    [
        (0.0999, 0.05, Level.STABLE),
        (0.1, 0.05, Level.WATCH),
        (0.2499, 0.05, Level.WATCH),
        (0.25, 0.05, Level.ALARM),
        (0.15, 0.15, Level.STABLE),
        (3.0, 3.0, Level.STABLE),
        (3.0, 2.9, Level.ALARM),
    ],
)
def test_a_level_needs_the_bound_and_more_than_chance(psi: float, by_chance: float, level: Level):
    assert Shift(psi, by_chance).level is level


MIXES = {
    "ten alike": np.full(10, 0.1),
    "a few of most": np.array([0.6, 0.2, 0.1, 0.05, 0.03, 0.01, 0.005, 0.003, 0.001, 0.001]),
    "hardly a reject": np.array([0.95, 0.02, 0.01, 0.01, 0.005, 0.005]),
}
TRIALS = 4000


@pytest.mark.parametrize("mix", MIXES.values(), ids=list(MIXES))
@pytest.mark.parametrize(("n", "m"), [(30, 30), (30, 5000), (100, 100), (1000, 1000)])
def test_where_nothing_changed_there_is_no_alarm(mix: np.ndarray, n: int, m: int):
    rng = np.random.default_rng(5)
    beyond, levels = 0, 0
    for one, other in zip(rng.multinomial(n, mix, TRIALS), rng.multinomial(m, mix, TRIALS), strict=True):
        there = (one + other) > 0
        found = drift.shift(one[there].tolist(), other[there].tolist())
        beyond += found.psi > found.by_chance
        levels += found.level is not Level.STABLE
    assert beyond / TRIALS < 0.005, "made for once in 1,000"
    assert levels <= beyond


def test_unguarded_small_nights_would_alarm():
    """What the guard is for: of two nights of 30 tracks in ten genres, the customary bound alone calls most a change."""
    rng = np.random.default_rng(6)
    pairs = zip(rng.multinomial(30, MIXES["ten alike"], 500), rng.multinomial(30, MIXES["ten alike"], 500), strict=True)
    assert sum(drift.shift(one.tolist(), other.tolist()).psi >= 0.25 for one, other in pairs) > 400


def test_a_small_night_that_did_change_is_noticed():
    found = drift.compare(music(30, 0), music(0, 30))
    assert found[Quantity.GENRES].level is Level.ALARM


def test_each_quantity_by_itself():
    before = Profile.of([label()] * 50, [reject(reason="silent")] * 10)
    after = Profile.of([label()] * 40, [reject(reason="silent")] * 10 + [reject(reason="empty")] * 10)
    found = drift.compare(after, before)
    assert list(found) == list(Quantity)
    assert found[Quantity.REJECTS] == drift.shift([10, 40, 10], [0, 50, 10])
    assert {quantity: shift.psi for quantity, shift in found.items() if shift.psi} == {
        Quantity.REJECTS: found[Quantity.REJECTS].psi
    }
    louder = drift.compare(music(50, 0, loudness_db=-12.0), music(50, 0, loudness_db=-22.0))
    longer = drift.compare(music(50, 0, duration_s=400.0), music(50, 0, duration_s=100.0))
    surer = drift.compare(music(50, 0, confidence=0.95), music(50, 0, confidence=0.65))
    for moved, quantity in ((louder, Quantity.LOUDNESS), (longer, Quantity.DURATION), (surer, Quantity.CONFIDENCE)):
        assert [each for each, shift in moved.items() if shift.level is not Level.STABLE] == [quantity]
        assert moved[quantity] == drift.shift([0, 50], [50, 0])


def test_a_genre_that_is_new_or_gone_is_a_bin():
    before, after = music(100, 100), Profile.of([label(genre="rock")] * 100 + [label(genre="metal")] * 100, [])
    assert drift.compare(after, before)[Quantity.GENRES] == drift.shift([0, 100, 100], [100, 0, 100])


def test_too_few_tracks_are_not_compared():
    assert drift.compare(music(29, 0), music(100, 0)) == drift.compare(music(100, 0), music(29, 0)) == {}
    few_labels = Profile.of([label()] * 10, [reject()] * 90)
    assert list(drift.compare(few_labels, few_labels)) == [Quantity.REJECTS]
    unheard = music(100, 0, loudness_db=None)
    assert Quantity.LOUDNESS not in drift.compare(unheard, music(100, 0))


def test_the_previous_run_alone_makes_the_level():
    odd, even = music(200, 0), music(100, 100)
    against_bundle = drift.judge(odd, previous=odd, bundle=even)
    assert against_bundle.bundle[Quantity.GENRES].level is Level.ALARM
    assert (against_bundle.level, against_bundle.is_alarm) == (Level.STABLE, False)
    moved = drift.judge(odd, previous=even, bundle=odd)
    assert (moved.level, moved.is_alarm) == (Level.ALARM, True)
    first = drift.judge(odd, previous=None, bundle=None)
    assert (first.level, first.is_alarm) == (None, False)


def test_the_level_is_that_of_what_moved_most():
    shifts = {Quantity.GENRES: Shift(0.05, 0.01), Quantity.LOUDNESS: Shift(0.3, 0.01), Quantity.DURATION: Shift(0.12, 0.01)}
    assert Drift(shifts, {}).level is Level.ALARM
    del shifts[Quantity.LOUDNESS]
    assert Drift(shifts, {}).level is Level.WATCH
    del shifts[Quantity.DURATION]
    assert Drift(shifts, {}).level is Level.STABLE


def test_a_reference_of_labels_alone_is_compared_in_these():
    reference = Profile.of([label(duration_s=None, loudness_db=None)] * 100, [])
    found = drift.judge(Profile.of([label()] * 100, [reject()] * 100), previous=None, bundle=reference)
    assert list(found.bundle) == [Quantity.GENRES, Quantity.CONFIDENCE]


def test_what_the_runs_table_gets():
    found = drift.judge(music(60, 40), previous=music(50, 50), bundle=music(70, 30))
    stored = table(runs, run(**found.to_row()))
    runs.validate(stored)
    row = stored.to_pylist(maps_as_pydicts="strict")[0]
    assert row["drift_level"] == "stable"
    assert row["drift"]["genres, previous run"] == drift.shift([40, 60], [50, 50]).psi
    assert row["drift"]["genres, bundle"] == drift.shift([40, 60], [30, 70]).psi
    names = {f"{quantity}, previous run" for quantity in Quantity} | {"genres, bundle", "confidence, bundle"}
    assert row["drift"].keys() == names
    assert pa.Table.from_pylist([run(**Drift({}, {}).to_row())], runs.ARROW)["drift_level"].to_pylist() == [None]


@pytest.mark.parametrize(
    ("previous_run", "bundle", "told"),
    [
        (
            {Quantity.GENRES: Shift(0.314, 0.1), Quantity.LOUDNESS: Shift(0.02, 0.1)},
            {},
            "genres (0.31, alarm) moved against the previous run",
        ),
        (
            {Quantity.GENRES: Shift(0.12, 0.1), Quantity.LOUDNESS: Shift(0.6, 0.1), Quantity.REJECTS: Shift(0.2, 0.1)},
            {},
            "loudness (0.60, alarm), rejects (0.20, watch) and genres (0.12, watch) moved against the previous run",
        ),
        (
            {Quantity.GENRES: Shift(0.01, 0.1), Quantity.LOUDNESS: Shift(0.08, 0.1)},
            {Quantity.GENRES: Shift(1.5, 0.1), Quantity.CONFIDENCE: Shift(0.05, 0.1)},
            "nothing moved against the previous run (most: loudness, 0.08); unlike the bundle's own tracks, as catalogues are: "
            "genres (1.50)",
        ),
        (
            {},
            {},
            "nothing to compare with: fewer than 30 tracks, or no earlier finished run of this library and bundle",
        ),
    ],
)
def test_told_to_people(previous_run: dict[Quantity, Shift], bundle: dict[Quantity, Shift], told: str):
    assert Drift(previous_run, bundle).told == told
