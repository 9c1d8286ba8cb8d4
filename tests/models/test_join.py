"""Members joined in exact numbers, by the mean and by stacking, and joins of joins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from genre_batch.models import calibrate
from genre_batch.models import join as joins
from genre_batch.models.join import Join

A = np.log([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
B = np.log([[0.2, 0.6, 0.2], [0.4, 0.4, 0.2]])


def test_the_mean_by_hand():
    """Geometric means: √(.5·.2), √(.3·.6), √(.2·.2); √.04, √.04, √.16."""
    found = joins.mean(2, 3)([A, B])
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.exp(found), [[0.1**0.5, 0.18**0.5, 0.2], [0.2, 0.2, 0.4]], rtol=1e-6)


def test_logits_count_by_their_probabilities():
    """A member that adds the same to all genres says nothing else."""
    np.testing.assert_allclose(joins.mean(2, 3)([A + 7, B - [[1], [2]]]), joins.mean(2, 3)([A, B]), rtol=1e-6)


def test_weights_and_bias_by_hand():
    """Of two genres: the first member's are swapped, the second's count twice, and the second genre has one more."""
    join = Join("mine", (((0.0, 1.0), (1.0, 0.0)), ((2.0, 0.0), (0.0, 2.0))), (0.0, 1.0))
    found = join([np.log([[0.25, 0.75]]), np.log([[0.5, 0.5]])])
    np.testing.assert_allclose(found, [[np.log(0.75) + 2 * np.log(0.5), np.log(0.25) + 2 * np.log(0.5) + 1]], rtol=1e-6)


def test_a_join_comes_back_from_plain_values_and_can_be_hashed():
    join = joins.mean(3, 4)
    assert Join.from_dict(join.to_dict()) == join
    assert hash(Join.from_dict(join.to_dict())) == hash(join)
    assert join.method == "mean log-probability"


def said(n_members: int, n_genres: int, *, n: int = 300, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Members of which the first hears best and the last nothing, and the truth."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_genres, n)
    skill = np.linspace(2, 0, n_members)
    heard = [k * np.eye(n_genres)[labels] + rng.normal(size=(n, n_genres)) for k in skill]
    return [log_softmax(each, axis=1) for each in heard], labels


def test_stacking_of_two_genres_is_a_logistic_regression_of_log_odds():
    members, labels = said(2, 2)
    found = softmax(joins.stacked(members, labels, 2).of(members), axis=1)
    odds = np.column_stack([each[:, 1] - each[:, 0] for each in members])
    oracle = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8).fit(odds, labels)
    np.testing.assert_allclose(found, oracle.predict_proba(odds), atol=2e-4)


def test_stacking_is_the_best_of_all_weights():
    members, labels = said(2, 4)

    def loss(weights: tuple[float, float]) -> float:
        told = log_softmax(weights[0] * members[0] + weights[1] * members[1], axis=1)
        return -float(told[np.arange(len(labels)), labels].mean())

    join = joins.stacked(members, labels, 4)
    mine = (join.weights[0][0][0], join.weights[1][0][0])
    tried = [loss((a, b)) for a in np.linspace(0, 3, 31) for b in np.linspace(0, 3, 31)]
    assert loss(mine) <= min(tried) + 1e-7
    assert loss(mine) < loss((0.5, 0.5)) - 0.05, "or the mean would do as well"


def test_each_genre_has_the_member_s_weight_and_the_deaf_member_none():
    members, labels = said(3, 4)
    join = joins.stacked(members, labels, 4)
    weights = np.array(join.weights)
    np.testing.assert_array_equal(weights, weights[:, :1, :1] * np.eye(4))
    assert weights[0, 0, 0] > weights[1, 0, 0] > weights[2, 0, 0] >= 0
    assert weights[2, 0, 0] < 0.1
    assert join.bias == (0.0,) * 4
    assert join.method == "stacking"


def test_a_member_that_is_always_wrong_has_no_weight_below_0():
    members, labels = said(1, 3)
    join = joins.stacked([members[0], -members[0]], labels, 3)
    assert join.weights[1][0][0] == 0


def test_a_member_that_is_always_right_has_an_end():
    labels = np.array([0, 1, 2, 0])
    sure = np.log(np.eye(3)[labels] * 0.7 + 0.1)
    assert 0 < joins.stacked([sure, sure], labels, 3).weights[0][0][0] <= joins.MOST


logits = arrays(np.float64, (5, 3), elements=st.floats(-20, 20))


@settings(max_examples=50, deadline=None)
@given(st.lists(logits, min_size=2, max_size=4))
def test_segments_joined_and_their_mean_are_the_members_means_joined(members: list[np.ndarray]):
    tracks = np.array([0, 0, 1, 1, 1])
    weights = np.random.default_rng(0).uniform(0, 2, len(members))
    join = Join("any", tuple(tuple(map(tuple, w * np.eye(3))) for w in weights), (0.5, 0.0, -0.5))
    by_segment = softmax(calibrate.pool(join(members), tracks), axis=1)
    by_track = softmax(join.of([calibrate.pool(each, tracks) for each in members]), axis=1)
    np.testing.assert_allclose(by_segment, by_track, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.lists(logits, min_size=3, max_size=3))
def test_a_mean_of_joins_is_one_join(members: list[np.ndarray]):
    """Of a stacked pair and a lone model: joined twice, or by the one join of all three."""
    stacked = Join("stacking", tuple(tuple(map(tuple, w * np.eye(3))) for w in (1.5, 0.25)), (0.3, 0.0, -0.1))
    outer = joins.mean(2, 3)
    twice = outer([stacked(members[:2]), members[2]])
    once = outer.over([stacked, None])
    assert len(once.weights) == 3
    assert once.method == "mean log-probability"
    np.testing.assert_allclose(softmax(once(members), axis=1), softmax(twice, axis=1), atol=1e-4)


def test_a_mean_of_a_mean_by_hand():
    """Two bundles count a half each; the models of the one that is a pair a quarter."""
    weights = np.array(joins.mean(2, 3).over([None, joins.mean(2, 3)]).weights)
    np.testing.assert_allclose(weights, np.array([0.5, 0.25, 0.25])[:, None, None] * np.eye(3))


def test_it_is_even_where_each_counts_the_same():
    pair, stacked = joins.mean(2, 3), Join("stacking", tuple(tuple(map(tuple, w * np.eye(3))) for w in (1.5, 0.25)), (0.0,) * 3)
    assert all(joins.mean(n, 3).even for n in (1, 2, 3, 7))
    assert pair.over([pair, pair]).even, "a mean of pairs is a mean of four"
    assert not pair.over([pair, None]).even
    assert not pair.over([stacked, None]).even
    assert not stacked.even
    assert not Join("mine", pair.weights, (0.0, 1.0, 0.0)).even


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_join_over_lone_models_is_itself(n: int):
    assert joins.mean(n, 3).over([None] * n) == joins.mean(n, 3)
