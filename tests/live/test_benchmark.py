"""What benchmarks.live counts."""

import numpy as np
import pytest

from benchmarks import live
from benchmarks.live import RATE_HZ, Change, Excerpt
from genre_batch.live.answer import Answer, State


def excerpt(genre: str, seconds: float, new: bool = False) -> Excerpt:
    return Excerpt(genre, np.zeros(round(seconds * RATE_HZ), np.float32), new)


def told(genres: list[str]) -> list[Answer]:
    """One answer a second, from the third on."""
    return [Answer(3.0 + n, State.STABLE, genre, genre, 0.9, ()) for n, genre in enumerate(genres)]


def test_seconds_to_the_change_and_what_came_after():
    # 15.5 s of a, then 15 s of b, which is told from 21 s on and lost for one second at 28.
    genres = ["a"] * 18 + ["b"] * 7 + ["a"] + ["b"] * 2
    assert list(live.changes([excerpt("a", 15.5), excerpt("b", 15.0)], told(genres))) == [Change(5.5, 5, 4, 2)]


def test_a_genre_that_never_comes():
    assert list(live.changes([excerpt("a", 15), excerpt("b", 15)], told(["a"] * 28))) == [Change(None, 5, 0, 0)]


def test_streams_have_no_genre_twice_and_begin_with_what_is_new():
    excerpts = [excerpt(genre, 15, new) for genre in "abcd" for new in (False, False, True)]
    streams = list(live.joined(excerpts, 4, np.random.default_rng(0)))
    assert [len({each.genre for each in stream}) for stream in streams] == [3] * 4
    assert all(each.new for each in streams[0])
    assert len({id(each) for stream in streams for each in stream}) == 12


@pytest.mark.parametrize("noise_db", [20, 5])
def test_noise_is_so_many_db_below(noise_db: int):
    samples = np.sin(np.arange(100_000, dtype=np.float32))
    added = live.noisy(samples, noise_db, np.random.default_rng(0)) - samples
    assert 10 * np.log10(np.mean(samples**2) / np.mean(added**2)) == pytest.approx(noise_db, abs=0.1)
    assert live.noisy(samples, None, np.random.default_rng(0)) is samples
