"""The verdict at the end: label-catalog's, in memory that does not grow."""

import numpy as np
import pytest

from genre_batch.errors import Silent
from genre_batch.live.whole import Whole
from genre_batch.models.scorer import BATCH
from tests.live.made import as_labelled, small, wav

RATE_HZ = 22_050
ONE = 4 * small().front_end.n_bands * small().front_end.n_frames
"""Bytes of power of one segment."""


def segments(levels: list[float]) -> list[np.ndarray]:
    random = np.random.default_rng(5)
    return [(level * random.standard_normal(RATE_HZ)).astype(np.float32) for level in levels]


def as_track(parts: list[np.ndarray], reference: str) -> object:
    """As label-catalog: of a recording whose segments do not overlap the half that Whole is not given."""
    from genre_batch.models import scorer
    from genre_batch.models.verdict import judge
    from genre_batch.signal import spectrogram

    bundle = small(reference)
    powers = [spectrogram.power(part, bundle.front_end) for part in parts]
    loudest = max(float(power.max()) for power in powers)
    drawn = [
        spectrogram.picture(
            spectrogram.decibels(power, bundle.front_end, loudest if reference == "track" else float(power.max())),
            bundle.front_end,
        )
        for power in powers
    ]
    return judge(bundle, scorer.of(bundle, "cpu")(np.stack(drawn), None))


@pytest.mark.parametrize("reference", ["segment", "track"])
@pytest.mark.parametrize("n", [1, BATCH, 3 * BATCH + 1])
def test_equals_the_track_at_once(reference: str, n: int):
    parts = segments(list(np.linspace(0.05, 0.5, n)))
    whole = Whole(small(reference))
    for part in parts:
        whole.add(part)
    assert whole.verdict() == as_track(parts, reference)
    assert whole.exact


@pytest.mark.parametrize(("levels", "exact"), [([0.5] + [0.1] * 40, True), ([0.1] * 40 + [0.5], False)])
def test_too_long_to_wait_for_the_loudest(levels: list[float], exact: bool):
    parts, whole = segments(levels), Whole(small("track"), most_bytes=2 * BATCH * ONE)
    for part in parts:
        whole.add(part)
        assert len(whole.energies) <= 2 * BATCH
    verdict = whole.verdict()
    assert whole.exact is exact
    assert (verdict == as_track(parts, "track")) is exact
    assert sum(verdict.probabilities) == pytest.approx(1)


def test_nothing_waits_where_each_segment_is_its_own_reference():
    whole = Whole(small())
    for part in segments([0.1] * 50):
        whole.add(part)
        assert len(whole.energies) <= BATCH


def test_of_nothing_there_is_no_verdict():
    with pytest.raises(Silent):
        Whole(small()).verdict()


def test_a_real_recording():
    samples = np.concatenate(segments([0.1, 0.3, 0.2]))
    whole = Whole(small("track"))
    for start in range(0, len(samples) - RATE_HZ + 1, RATE_HZ // 2):
        whole.add(samples[start : start + RATE_HZ])
    assert whole.verdict() == as_labelled(wav(samples), small("track"))
