"""Parameters are chosen by rows that were not learnt from, and nothing before the model sees those rows either."""

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from genre_batch.choices import Map, Model, Profile
from genre_batch.models.baselines import grids, select

NO_MAP: dict[str, list[Any]] = {}


def pairs(n: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Points on a line in near pairs, 0 and 0.1, 10 and 10.1, of labels that alternate from pair to pair."""
    x = np.array([[10.0 * i + 0.1 * j] for i in range(n) for j in range(2)])
    return x, np.repeat(np.arange(n) % 2, 2)


FIRST, SECOND = np.arange(0, 16, 2), np.arange(1, 16, 2)


def knn() -> Pipeline:
    return Pipeline([("map", "passthrough"), ("model", KNeighborsClassifier())])


@pytest.mark.parametrize("ks", [[1, 3, 5], [3, 1, 5], [5, 3, 1]])
def test_the_best_is_chosen_wherever_it_stands(ks: list[int]):
    """One neighbour is the other of the pair and right; of three, two are of other pairs and mostly wrong."""
    x, y = pairs()
    found = select.choose(knn(), (NO_MAP, [{"model__n_neighbors": ks}]), x, y, [(FIRST, SECOND)])
    assert found == select.Chosen({"model__n_neighbors": 1}, 1.0)


@pytest.mark.parametrize("order", [["uniform", "distance"], ["distance", "uniform"]])
def test_of_equals_the_first_is_chosen(order: list[str]):
    x, y = pairs()
    found = select.choose(knn(), (NO_MAP, [{"model__n_neighbors": [1], "model__weights": order}]), x, y, [(FIRST, SECOND)])
    assert found == select.Chosen({"model__n_neighbors": 1, "model__weights": order[0]}, 1.0)


def test_a_grid_may_have_several_parts():
    x, y = pairs()
    parts = [{"model__n_neighbors": [3], "model__weights": ["uniform"]}, {"model__n_neighbors": [1]}]
    assert select.choose(knn(), (NO_MAP, parts), x, y, [(FIRST, SECOND)]).params == {"model__n_neighbors": 1}


class Says(ClassifierMixin, BaseEstimator):
    """One answer to everything."""

    def __init__(self, answer: int = 0) -> None:
        self.answer = answer

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        self.classes_ = np.unique(y)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.full(len(x), self.answer)


def test_accuracy_is_the_mean_over_the_inner_splits():
    """One row of three is a 1 in the first, two of two in the second: 1 is right in 1/3 and 2/2, which is more than of all rows."""
    y = np.array([0, 0, 1, 1, 1, 0])
    inner = [(np.array([5]), np.array([0, 1, 2])), (np.array([5]), np.array([3, 4]))]
    says = Pipeline([("map", "passthrough"), ("model", Says())])
    found = select.choose(says, (NO_MAP, [{"model__answer": [0, 1]}]), np.zeros((6, 1)), y, inner)
    assert found.params == {"model__answer": 1}
    assert found.accuracy == pytest.approx((1 / 3 + 1) / 2, abs=1e-12)


class Witness(TransformerMixin, BaseEstimator):
    """A map that remembers which rows, by their first column, it was fitted on and which it transformed."""

    fitted: ClassVar[list[list[float]]] = []
    seen: ClassVar[list[list[float]]] = []

    def __init__(self, gamma: float = 1.0) -> None:
        self.gamma = gamma

    def fit(self, x: np.ndarray, y: Any = None) -> Self:
        self.fitted.append(x[:, 0].tolist())
        self.told_ = None if y is None else len(y)
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        self.seen.append(x[:, 0].tolist())
        return self.gamma * x


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As a Ray task with one CPU works; for tables so small, more threads only wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    Witness.fitted.clear()
    Witness.seen.clear()


INNER = [(np.array([0, 1, 4, 5]), np.array([2, 3])), (np.array([2, 3, 5]), np.array([1, 4]))]


def watched(model: Any = None) -> Pipeline:
    return Pipeline([("map", Witness()), ("model", model or Says())])


def test_a_map_is_fitted_on_training_rows_alone():
    x, y = np.arange(6.0)[:, None], np.array([0, 1, 0, 1, 0, 1])
    select.choose(watched(), (NO_MAP, [{"model__answer": [0, 1]}]), x, y, INNER)
    assert Witness.fitted == [[0, 1, 4, 5], [2, 3, 5]]


def test_a_map_is_fitted_once_for_all_models_behind_it():
    x, y = np.arange(6.0)[:, None], np.array([0, 1, 0, 1, 0, 1])
    found = select.choose(watched(), ({"map__gamma": [1.0, 2.0]}, [{"model__answer": [0, 1]}]), x, y, INNER)
    assert len(Witness.fitted) == 2 * len(INNER)
    assert found.params == {"map__gamma": 1.0, "model__answer": 0}


class Large(ClassifierMixin, BaseEstimator):
    """Right where it sees a number above a hundred."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        self.classes_ = np.unique(y)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return (x[:, 0] > 100).astype(int)


def test_the_best_map_is_chosen_too():
    x, y = np.arange(1.0, 7)[:, None], np.ones(6, np.int64)
    grid = {"map__gamma": [1.0, 1000.0, 30.0]}
    assert select.choose(watched(Large()), (grid, [{}]), x, y, INNER) == select.Chosen({"map__gamma": 1000.0}, 1.0)


def test_where_there_is_no_choice_nothing_is_fitted():
    found = select.choose(watched(), (NO_MAP, [{"model__answer": [1]}]), np.zeros((6, 1)), np.zeros(6, np.int64), INNER)
    assert found.params == {"model__answer": 1}
    assert np.isnan(found.accuracy)
    assert Witness.fitted == []


class Scale(StandardScaler):
    """A scaler that remembers the least and the greatest of what it was fitted on."""

    bounds: ClassVar[list[tuple[float, float]]] = []

    def fit(self, x: np.ndarray, y: Any = None, sample_weight: Any = None) -> Self:
        self.bounds.append((float(x.min()), float(x.max())))
        return super().fit(x, y, sample_weight)


def test_the_scaler_never_sees_the_judged_rows():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), np.arange(40) % 2
    x[30:] += 1e6
    baseline = grids.pipeline(Profile.SOUND, Model.KNN, Map.PCA, n_rows=30, seed=0).set_params(scale=Scale())
    Scale.bounds.clear()
    select.choose(baseline, ({}, [{"model__n_neighbors": [1, 3]}]), x, y, [(np.arange(30), np.arange(30, 40))])
    assert Scale.bounds == [(x[:30].min(), x[:30].max())]
    select.fit_watched(baseline, {}, x, y, np.arange(30), np.arange(30, 40))
    assert Scale.bounds == [(x[:30].min(), x[:30].max())] * 2


def test_fit_gives_a_copy_with_the_parameters():
    x, y = pairs()
    baseline = knn()
    fitted = select.fit(baseline, {"model__n_neighbors": 1}, x, y)
    assert fitted[-1].n_neighbors == 1
    assert fitted.predict(x).tolist() == y.tolist()
    assert baseline[-1].n_neighbors == 5
    with pytest.raises(NotFittedError):
        baseline[-1].predict(x)


def test_a_model_that_has_not_converged_is_not_worth_a_word():
    x, y = pairs()
    baseline = Pipeline([("map", "passthrough"), ("model", LogisticRegression(max_iter=1))])
    assert select.fit(baseline, {}, x, y)[-1].n_iter_.tolist() == [1]
    assert select.choose(baseline, (NO_MAP, [{"model__C": [1.0, 10.0]}]), x, y, [(FIRST, SECOND)]).accuracy >= 0


class Watching(Says):
    """Remembers what it was given."""

    def __init__(self, answer: int = 0, schedule: str = "plateau") -> None:
        super().__init__(answer)
        self.schedule = schedule

    def fit(self, x: np.ndarray, y: np.ndarray, valid: Any = None) -> Self:
        self.given_ = x, y, valid
        return super().fit(x, y)


def test_a_network_watches_the_rows_beside():
    x, y = np.arange(6.0)[:, None], np.array([0, 1, 0, 1, 0, 1])
    params = {"map__gamma": 10.0, "model__answer": 1}
    fitted = select.fit_watched(watched(Watching()), params, x, y, np.array([5, 0, 1]), np.array([2, 3]))
    learnt, labels, (seen, right) = fitted[-1].given_
    assert (learnt.tolist(), labels.tolist()) == ([[50], [0], [10]], [1, 0, 1])
    assert (seen.tolist(), right.tolist()) == ([[20], [30]], [0, 1])
    assert Witness.fitted == [[5, 0, 1]]
    assert fitted.predict(x).tolist() == [1] * 6


@pytest.mark.parametrize("model", [Watching(schedule="one-cycle"), Says()])
def test_others_have_no_rows_to_watch(model: BaseEstimator):
    x, y = np.arange(6.0)[:, None], np.array([0, 1, 0, 1, 0, 1])
    fitted = select.fit_watched(watched(model), {}, x, y, np.array([5, 0, 1]), np.array([2, 3]))
    assert getattr(fitted[-1], "given_", (0, 0, None))[2] is None
    assert Witness.fitted == [[5, 0, 1]]
    assert Witness.seen == [[5, 0, 1]]


def blobs(classes: list[int], n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    y = np.repeat(classes, n)
    return np.random.default_rng(0).normal(size=(len(y), 4)) + 3 * np.eye(5, 4)[y], y


QUICK = {Model.RANDOM_FOREST: {"model__n_estimators": 5}, Model.NEURAL_NET: {"model__epochs": 1, "model__batch_size": 20}}


@pytest.mark.parametrize("model", Model)
@pytest.mark.parametrize("classes", [[0, 1, 2, 3], [0, 2, 4], [1, 3]], ids=str)
def test_shares_are_of_all_classes_known_or_not(model: Model, classes: list[int]):
    x, y = blobs(classes)
    fitted = select.fit(grids.pipeline(Profile.SOUND, model, Map.NONE, n_rows=len(x), seed=0), QUICK.get(model, {}), x, y)
    seen = np.random.default_rng(1).normal(0, 3, (30, 4))
    found = select.shares(fitted, seen, 5)
    assert found.shape == (30, 5)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-6)
    assert (found[:, np.setdiff1d(np.arange(5), classes)] == 0).all()
    np.testing.assert_array_equal(found.argmax(axis=1), fitted.predict(seen))


def test_shares_are_probabilities_where_there_are_any():
    x, y = blobs([0, 2, 4])
    fitted = select.fit(knn(), {}, x, y)
    np.testing.assert_array_equal(select.shares(fitted, x, 5)[:, [0, 2, 4]], fitted.predict_proba(x))


def test_else_shares_are_the_softmax_of_decisions():
    ridge = Pipeline([("map", "passthrough"), ("model", RidgeClassifier())])
    x, y = blobs([0, 2, 4])
    fitted = select.fit(ridge, {}, x, y)
    expected = softmax(fitted.decision_function(x), axis=1)
    np.testing.assert_allclose(select.shares(fitted, x, 5)[:, [0, 2, 4]], expected, rtol=0, atol=1e-12)
    x, y = blobs([1, 3])
    fitted = select.fit(ridge, {}, x, y)
    expected = expit(2 * fitted.decision_function(x))
    np.testing.assert_allclose(select.shares(fitted, x, 5)[:, 3], expected, rtol=0, atol=1e-12)
