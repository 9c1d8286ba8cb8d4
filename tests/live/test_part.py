"""Parts of a pipe as blocks."""

import numpy as np
import pytest

from genre_batch.errors import Empty
from genre_batch.live.part import Part, mixed


def part(samples: list[list[float]], lost: bool = False) -> Part:
    return Part(8000, np.array(samples, np.float32).reshape(len(samples), -1 if samples else 1), lost)


def test_a_gap_is_before_what_was_lost_and_never_before_the_first():
    parts = [part([], True), part([[1, 0]], True), part([[1, 1], [0, 1]]), part([]), part([[1]], True)]
    blocks = [(block.rate_hz, block.samples.tolist(), block.gap) for block in mixed(parts)]
    assert blocks == [(8000, [0.5], False), (8000, [1, 0.5], False), (8000, [1], True)]


@pytest.mark.parametrize("parts", [[], [part([])]])
def test_of_nothing_there_is_no_block(parts: list[Part]):
    with pytest.raises(Empty):
        list(mixed(parts))
