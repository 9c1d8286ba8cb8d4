"""From the logits of a track's segments to what is said of it."""

import numpy as np
import pytest

from genre_batch.models.calibrate import Calibration
from genre_batch.models.verdict import judge, judge_pooled
from genre_batch.taxonomy import Taxonomy
from tests.sample_bundle import sample

GENRES = Taxonomy(("jazz", "metal", "rock"))


def test_mean_log_probability_over_the_temperature():
    bundle = sample(taxonomy=GENRES, calibration=Calibration(temperature=2.0, unknown_below=0.4))
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.32, 0.32, 0.36]]))
    expected = np.sqrt(np.sqrt(np.array([0.5 * 0.32, 0.25 * 0.32, 0.25 * 0.36])))
    expected /= expected.sum()
    verdict = judge(bundle, logits)
    np.testing.assert_allclose(verdict.probabilities, expected, rtol=1e-12)
    assert (verdict.genre, verdict.best_genre, verdict.runner_up) == ("unknown", "jazz", "rock")
    assert verdict.confidence == pytest.approx(expected[0])


@pytest.mark.parametrize(("unknown_below", "genre"), [(0.5, "metal"), (0.51, "unknown")])
def test_unknown_below_the_threshold_and_not_at_it(unknown_below: float, genre: str):
    bundle = sample(taxonomy=GENRES, calibration=Calibration(temperature=1.0, unknown_below=unknown_below))
    verdict = judge_pooled(bundle, np.log([0.25, 0.5, 0.25]))
    assert (verdict.genre, verdict.best_genre, verdict.runner_up) == (genre, "metal", "jazz")


def test_of_one_genre_there_is_no_runner_up():
    assert judge(sample(taxonomy=Taxonomy(("jazz",))), np.zeros((2, 1))).runner_up is None
