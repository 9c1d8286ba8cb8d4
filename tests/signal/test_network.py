"""The network of the medians: small, and with no more working memory than it needs. What it computes is tested with the medians."""

import numpy as np
import pytest

from genre_batch.signal import network


def test_windows_share_most_of_the_work():
    """Sorting the 31 rows of every window by itself takes ten times as many."""
    steps, _ = network.program(31)
    windows = np.count_nonzero(steps[:, 0] == network.STORE)
    exchanges = np.count_nonzero(np.isin(steps[:, 0], [network.PAIR, network.MINIMUM, network.MAXIMUM, network.BOTH]))
    assert windows == network.block(31) == 16
    assert exchanges / windows < 19


@pytest.mark.parametrize("size", [3, 5, 7, 15, 31, 33, 63])
def test_every_window_of_the_block_is_stored_once(size):
    steps, _ = network.program(size)
    np.testing.assert_array_equal(np.sort(steps[steps[:, 0] == network.STORE, 3]), np.arange(network.block(size)))


@pytest.mark.parametrize("size", [3, 7, 31])
def test_nothing_is_read_before_it_is_written_and_no_step_writes_what_it_reads(size):
    steps, n_rows = network.program(size)
    written = set()
    for kind, a, b, c, d in steps.tolist():
        if kind not in (network.LOAD, network.PAIR):
            assert {a, b} <= written
        if kind != network.STORE:
            assert kind in (network.LOAD, network.PAIR) or not {a, b} & {c, d}
            written |= {c, d}
    assert written == set(range(n_rows))
