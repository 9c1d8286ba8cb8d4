"""The last samples of a stream, in a ring."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genre_batch.live.window import Window


@given(pieces=st.lists(st.integers(0, 25), max_size=20), size=st.integers(1, 20))
def test_holds_the_last_samples_in_order(pieces: list[int], size: int):
    window, all_of_it = Window(size), np.arange(sum(pieces), dtype=np.float32)
    for piece in np.split(all_of_it, np.cumsum(pieces)[:-1]) if pieces else []:
        window.push(piece)
    assert window.samples.tolist() == all_of_it[-size:].tolist()
    assert window.length == min(size, len(all_of_it))


def test_what_is_forgotten_does_not_come_back():
    window = Window(4)
    window.push(np.array([1, 2, 3], np.float32))
    window.forget()
    assert window.samples.tolist() == []
    window.push(np.array([4, 5], np.float32))
    assert window.samples.tolist() == [4, 5]


def test_filled_up_by_itself():
    window = Window(9)
    window.push(np.array([1, 2, 3], np.float32))
    assert window.filling(7).tolist() == [1, 2, 3, 1, 2, 3, 1]


def test_loudness():
    window = Window(10)
    assert window.loudness_dbfs(4) == -math.inf
    window.push(np.array([1, 1, 0.1, -0.1], np.float32))
    assert window.loudness_dbfs(2) == pytest.approx(-20, abs=1e-5)
    window.push(np.zeros(3, np.float32))
    assert window.loudness_dbfs(3) == -math.inf
