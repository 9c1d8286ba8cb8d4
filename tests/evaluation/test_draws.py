"""A search among recipes as people read it: figures against scikit-learn and by hand, CSV and TOML read again."""

import csv
import dataclasses
import io

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from scipy.stats import norm
from sklearn.metrics import accuracy_score, log_loss

from genre_batch.choices import Augmentation, Schedule
from genre_batch.evaluation import draws
from genre_batch.evaluation.draws import Judged
from genre_batch.models import calibrate, recipe
from genre_batch.models.recipe import Recipe, Strength

RNG = np.random.default_rng(5)
LABELS = RNG.integers(0, 4, 60)
POOLED = log_softmax(RNG.normal(0, 1, (60, 4)) + 1.5 * np.eye(4)[LABELS], axis=1)
FOLDS = np.repeat([0, 1, 2], 20)
JUDGED = Judged(POOLED, LABELS, FOLDS)


def test_figures_are_those_of_scikit_learn():
    found = draws.figures(JUDGED)
    thirds = zip(np.split(LABELS, 3), np.split(POOLED, 3), strict=True)
    by_fold = [accuracy_score(labels, pooled.argmax(1)) for labels, pooled in thirds]
    temperature = calibrate.fit(POOLED, LABELS).temperature
    assert found["folds"] == 3
    assert found["track_accuracy"] == pytest.approx(np.mean(by_fold))
    assert found["deviation"] == pytest.approx(np.std(by_fold, ddof=1))
    assert found["loss"] == pytest.approx(log_loss(LABELS, np.exp(POOLED)))
    assert found["log_likelihood"] == pytest.approx(-log_loss(LABELS, softmax(POOLED / temperature, axis=1)))


def test_how_sure_a_network_is_of_itself_does_not_decide():
    """Half as sure, in the same order: another loss, the same log-likelihood."""
    sure, unsure = (draws.figures(Judged(log_softmax(POOLED * by, axis=1), LABELS, FOLDS)) for by in (1.0, 0.5))
    assert unsure["loss"] > sure["loss"] + 0.05
    assert unsure["log_likelihood"] == pytest.approx(sure["log_likelihood"], abs=1e-4)


def test_one_fold_has_no_deviation():
    assert draws.figures(Judged(POOLED, LABELS, np.zeros(60, np.int64)))["deviation"] == 0


def test_luck_grows_with_draws_and_not_with_the_lead():
    """By hand: 100 tracks, of which two differ in each direction, so that the paired difference has variance 0.04."""
    labels = np.zeros(100, np.int64)
    own, best = np.full((2, 100, 2), [0.0, -1.0])
    own[:2], best[2:4] = [-1.0, 0.0], [-1.0, 0.0]
    pair = (Judged(best, labels, labels), Judged(own, labels, labels))
    assert draws.by_luck(*pair, 15) == pytest.approx(norm.ppf(14.625 / 15.25) * 0.2 / 10)
    assert draws.by_luck(*pair, 15) > draws.by_luck(*pair, 3) > draws.by_luck(*pair, 1) == pytest.approx(0)
    # A normal's largest of 15 is 1.736 deviations above its mean (Harter 1961).
    assert draws.by_luck(*pair, 15) == pytest.approx(1.736 * 0.02, rel=0.02)


def test_csv_has_a_line_a_draw():
    rows = [
        {"draw": n, **draws.figures(JUDGED), "seconds": 1.5, "learning_rate": 0.002 * (n + 1), "batch_size": 32}
        for n in range(2)
    ]
    read = list(csv.DictReader(io.StringIO(draws.as_csv(rows))))
    assert tuple(read[0]) == (*draws.FIGURES, "learning_rate", "batch_size")
    assert [(row["draw"], row["folds"], row["learning_rate"], row["batch_size"]) for row in read] == [
        ("0", "3", "0.002", "32"),
        ("1", "3", "0.004", "32"),
    ]
    assert float(read[0]["log_likelihood"]) == pytest.approx(rows[0]["log_likelihood"], rel=1e-5)


@pytest.mark.parametrize(
    "chosen",
    [
        Recipe(),
        dataclasses.replace(
            Recipe(epochs=3, learning_rate=1e-5, schedule=Schedule.COSINE, averaging=0.0),
            augment=(Augmentation.SHIFT, Augmentation.MIXUP),
            strength=Strength(mixup_alpha=0.123, masks=2),
        ),
        Recipe(augment=()),
    ],
)
def test_a_recipe_is_read_as_it_was_written(chosen: Recipe):
    """Over a base of which no value may shine through."""
    text = draws.as_toml(chosen, ["Best of two.", 'It says "no more".'])
    assert text.startswith('# Best of two.\n# It says "no more".\n')
    other = Recipe(epochs=99, batch_size=7, strength=Strength(gain_db=9.0), augment=(Augmentation.GAIN,))
    assert recipe.read(text, "best.toml", other) == chosen
