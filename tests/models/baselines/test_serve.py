"""A baseline comes back from bytes as it was, and nothing but a baseline comes back."""

import io
import pickle
import shutil
import subprocess
import sys
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from skops import io as skops

from genre_batch.choices import Map, Model, Profile
from genre_batch.errors import UsageError
from genre_batch.models.baselines import grids, select, serve
from genre_batch.models.baselines.serve import BaselineScorer
from genre_batch.signal import statistics

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = {Model.RANDOM_FOREST: {"model__n_estimators": 5}, Model.NEURAL_NET: {"model__epochs": 1, "model__batch_size": 20}}


def rows(n_features: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    y = np.repeat([0, 1, 2], 20)
    return np.random.default_rng(seed).normal(size=(60, n_features)) + 3 * np.eye(3, n_features)[y], y


def fitted(model: Model = Model.RIDGE, chosen: Map = Map.NONE, n_features: int = 4, **params: Any) -> Pipeline:
    x, y = rows(n_features)
    baseline = grids.pipeline(Profile.SOUND, model, chosen, n_rows=len(x), seed=0)
    return select.fit(baseline, QUICK.get(model, {}) | params, x, y)


ALL = [pytest.param(*each, id="-".join(each)) for each in product(Model, Map)]


@pytest.mark.parametrize(("model", "chosen"), ALL)
def test_a_baseline_comes_back_as_it_was(model: Model, chosen: Map):
    check_same(fitted(model, chosen), *rows(seed=1))


@pytest.mark.parametrize(("n_features", "method"), [(4, "kd_tree"), (57, "brute")])
def test_neighbours_come_back_with_a_tree_and_without(n_features: int, method: str):
    before = fitted(Model.KNN, n_features=n_features)
    assert before[-1]._fit_method == method
    check_same(before, *rows(n_features, seed=1))


def check_same(before: Pipeline, x: np.ndarray, y: np.ndarray) -> None:
    after = serve.load(serve.dump(before))
    np.testing.assert_array_equal(after.predict(x), before.predict(x))
    np.testing.assert_array_equal(select.shares(after, x, 3), select.shares(before, x, 3))
    assert after.score(x, y) > 0.5, "or two models that learnt nothing would pass"


def test_no_more_is_trusted_than_baselines_need():
    needed = {name for model in Model for name in skops.get_untrusted_types(data=serve.dump(fitted(model)))}
    assert needed == set(serve.TRUSTED)


class Trojan(TransformerMixin, BaseEstimator):
    """Scikit-learn would not mind it."""

    def fit(self, x: np.ndarray, y: Any = None) -> "Trojan":
        return self


@pytest.mark.parametrize(
    ("step", "named"),
    [
        (Trojan(), r"tests\.models\.baselines\.test_serve\.Trojan"),
        (FunctionTransformer(shutil.rmtree), r"shutil\.rmtree"),
    ],
)
def test_another_type_is_refused_by_name(step: BaseEstimator, named: str):
    data = skops.dumps(Pipeline([("map", step), ("model", RidgeClassifier())]))
    with pytest.raises(UsageError, match=f"^the bundle's model is refused: it holds {named}, which no baseline of ours needs$"):
        serve.load(data)


def test_the_originals_baselines_are_not_served():
    """They expect descriptors that somebody scaled with the test rows in sight."""
    x, y = rows()
    original = grids.pipeline(Profile.SEED, Model.RIDGE, Map.RBF, n_rows=60, seed=0)
    with pytest.raises(UsageError, match=r"it holds genre_batch\.models\.baselines\.maps\.Centres, which"):
        serve.load(serve.dump(select.fit(original, {}, x, y)))


class Bomb:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.crater,)


def test_a_pickle_is_no_baseline(tmp_path: Path):
    bomb = pickle.dumps(Bomb(tmp_path / "crater"))
    with pytest.raises(UsageError, match="it cannot be read"):
        serve.load(bomb)
    assert not (tmp_path / "crater").exists()
    pickle.loads(bomb)
    assert (tmp_path / "crater").exists(), "or the bomb would be a dud"


def test_a_pickle_inside_is_not_opened(tmp_path: Path):
    array = io.BytesIO()
    np.save(array, np.array([Bomb(tmp_path / "crater")], dtype=object), allow_pickle=True)
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(serve.dump(fitted()))) as old, zipfile.ZipFile(changed, "w") as new:
        assert any(name.endswith(".npy") for name in old.namelist())
        for name in old.namelist():
            new.writestr(name, array.getvalue() if name.endswith(".npy") else old.read(name))
    with pytest.raises(UsageError, match="Object arrays cannot be loaded when allow_pickle=False"):
        serve.load(changed.getvalue())
    assert not (tmp_path / "crater").exists()


@pytest.mark.parametrize("model", Model)
def test_nothing_is_unpickled(model: Model, monkeypatch: pytest.MonkeyPatch):
    data = serve.dump(fitted(model))

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    assert serve.load(data).predict(rows()[0]).shape == (60,)


def test_logits_in_exact_numbers():
    found = serve.logits(np.array([[0.5, 0.5, 0.0], [0.995, 0.005, 0.0], [0.01, 0.99, 0.0]]))
    assert found.dtype == np.float32
    expected = [[np.log(0.5), np.log(0.5), np.log(0.01)], [np.log(0.995), np.log(0.01), np.log(0.01)]]
    np.testing.assert_allclose(found[:2], expected, rtol=1e-6)
    assert np.isfinite(found).all()


def test_a_scorer_gives_logits_of_descriptors():
    model = fitted(Model.KNN, n_features=57)
    x, y = rows(57, seed=1)
    found = BaselineScorer(serve.dump(model), ("descriptors",))(None, x)
    np.testing.assert_array_equal(found, serve.logits(model.predict_proba(x)))
    assert found.shape == (60, 3)
    assert (found.argmax(axis=1) == y).mean() > 0.5


def test_a_scorer_gives_logits_of_the_statistics_of_spectrograms():
    y = np.repeat([0, 1, 2], 20)
    levels = np.random.default_rng(0).integers(0, 200, (60, 8, 12)).astype(np.uint8)
    levels[np.arange(60), y] += 50
    x = statistics.describe(levels)
    model = select.fit(grids.pipeline(Profile.SOUND, Model.KNN, Map.NONE, n_rows=60, seed=0), {}, x, y)
    scorer = BaselineScorer(serve.dump(model), ("statistics",))
    found = scorer(levels)
    np.testing.assert_array_equal(found, serve.logits(model.predict_proba(x)))
    assert (found.argmax(axis=1) == y).mean() > 0.5
    np.testing.assert_array_equal(scorer(levels, rows(57)[0]), found)


def test_serving_needs_no_torch():
    """Half a gigabyte and seconds that a worker on a CPU need not pay."""
    code = """
import sys
from genre_batch.models.baselines import serve
print("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
