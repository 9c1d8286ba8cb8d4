"""What models cost is measured where they run as they serve."""

import dataclasses
import time

import numpy as np
import pytest

from genre_batch.front_end import Descriptors
from genre_batch.models import cost
from genre_batch.models.baselines import serve
from genre_batch.models.bundle import SKOPS, WEIGHTS, Member
from tests.sample_bundle import SMALL
from tests.sample_folds import fitted

BOTH = dataclasses.replace(SMALL, descriptors=Descriptors())


def test_each_member_and_the_sum():
    members = [
        Member("of statistics", ("statistics",), {SKOPS: serve.dump(fitted(3 * SMALL.n_bands)), WEIGHTS: bytes(10)}),
        Member("of descriptors", ("descriptors",), {SKOPS: serve.dump(fitted(57))}),
    ]
    found = cost.measure(members, BOTH)
    first, second = found["members"]
    assert [first["model"], second["model"]] == ["of statistics", "of descriptors"]
    assert first["bytes"] == len(members[0].files[SKOPS]) + 10
    assert found["bytes"] == first["bytes"] + second["bytes"]
    assert 0 < first["milliseconds"] < 1000
    assert found["milliseconds"] == pytest.approx(first["milliseconds"] + second["milliseconds"], abs=2e-3)


class Busy:
    """Works for so long a segment, and waits for others as long again; remembers what it was given."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.seen = seconds, []

    def __call__(self, spectrograms: np.ndarray | None, descriptors: np.ndarray | None) -> np.ndarray:
        given = spectrograms if spectrograms is not None else descriptors
        assert given is not None
        self.seen.append(
            (None if spectrograms is None else spectrograms.shape, None if descriptors is None else descriptors.shape)
        )
        until = time.thread_time() + self.seconds * len(given)
        while time.thread_time() < until:
            pass
        time.sleep(self.seconds * len(given))
        return np.zeros((len(given), 2), np.float32)


def test_time_at_work_is_counted_and_time_asleep_is_not():
    busy = Busy(0.002)
    assert cost.milliseconds(busy, BOTH) == pytest.approx(2.0, abs=0.5)
    shape = SMALL.spectrogram_shape
    assert busy.seen[0] == ((1, *shape), (1, 57))
    assert set(busy.seen[1:]) == {((cost.SEGMENTS, *shape), (cost.SEGMENTS, 57))}


def test_a_slow_model_is_run_once():
    busy = Busy(cost.BUDGET_S + 0.05)
    assert cost.milliseconds(busy, SMALL) == pytest.approx(250, rel=0.1)
    assert busy.seen == [((1, *SMALL.spectrogram_shape), None)]
