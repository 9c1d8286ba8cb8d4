"""Models over the segments of a stream: as over all at once."""

import numpy as np

from genre_batch.live.carried import Carried
from genre_batch.models import scorer
from tests.live.made import small


def levels(n: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (n, *small().front_end.spectrogram_shape), np.uint8)


def test_one_after_the_other_as_all_at_once():
    segments, carried = levels(6), Carried(small())
    told = np.concatenate([carried(segments[i : i + 1], None) for i in range(6)])
    np.testing.assert_allclose(told, scorer.of(small(), "cpu")(segments, None), atol=1e-5)


def test_what_is_only_looked_at_leaves_no_trace():
    segments = levels(4)
    looked, not_looked = Carried(small()), Carried(small())
    for carried in (looked, not_looked):
        carried(segments[:1], None)
    looked(segments[1:3], None, keep=False)
    np.testing.assert_array_equal(looked(segments[3:], None), not_looked(segments[3:], None))


def test_a_recurrent_member_remembers_until_it_is_told_to_forget():
    segments, carried = levels(3), Carried(small())
    first = carried(segments[2:], None)
    carried(segments[:2], None)
    assert np.abs(carried(segments[2:], None) - first).max() > 1e-4
    carried.forget()
    np.testing.assert_array_equal(carried(segments[2:], None), first)
