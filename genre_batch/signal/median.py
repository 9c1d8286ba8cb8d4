"""Running medians of many rows at once. Comparing and exchanging without looking at the outcome, as a sorting network does, one
instruction serves many columns side by side; and neighbouring windows share most of the network (network.py).
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from genre_batch.signal import network
from genre_batch.signal.compiled import exact

Floats = npt.NDArray[np.float32]

LANES = 272
"""Columns worked on at a time at most: enough to hide the cost of reading the program, few enough to stay in the cache."""
CACHE_LINE = 16
"""In floats."""


def rows(source: Floats, size: int, out: Floats, work: Floats) -> None:
    """The median of `size` (odd, at least 3) neighbouring rows around each row of `source` into `out`; past the ends reflected.

    The same bits as scipy.ndimage.median_filter(source, (size, 1), mode="reflect"), wherever that has its own right: with
    fewer rows than an eighth of `size`, scipy 1.17 reads before the array. `source` and `out` are float32 matrices
    of one shape without NaN; `work` is buffer(size).
    """
    n_lanes = source.shape[1]
    even = -(-n_lanes // -(-n_lanes // LANES))
    # Eight lanes fit every vector; the last step takes some lanes again rather than fewer.
    width = min(n_lanes, -(-even // 8) * 8)
    _run(network.program(size)[0], width, network.block(size), source, _reflected(len(source), size), out, work)


def buffer(size: int) -> Floats:
    """Working memory for `rows`."""
    n_rows = network.program(size)[1]
    memory = np.empty(n_rows * LANES + CACHE_LINE, np.float32)
    # A vector that lies across two lines of the cache costs twice.
    start = -(memory.ctypes.data // memory.itemsize) % CACHE_LINE
    return memory[start : start + n_rows * LANES].reshape(n_rows, LANES)


@lru_cache(maxsize=16)
def _reflected(n: int, size: int) -> npt.NDArray[np.int64]:
    """The rows under the windows of `n` medians and of those that the last block lacks: d c b a | a b c d | d c b a."""
    place = np.arange(-(size // 2), n + size // 2 + network.block(size)) % (2 * n)
    return np.where(place < n, place, 2 * n - 1 - place)


@exact
def _run(
    program: network.Program, width: int, block: int, source: Floats, place: npt.NDArray[np.int64], out: Floats, work: Floats
) -> None:
    n, n_lanes = source.shape
    for start in range(0, n_lanes, width):
        left = min(start, n_lanes - width)
        for first in range(0, n, block):
            for step in range(len(program)):
                kind, a, b, c, d = program[step]
                if kind == network.BOTH:
                    for i in range(width):
                        x, y = work[a, i], work[b, i]
                        work[c, i] = x if x < y else y
                        work[d, i] = y if x < y else x
                elif kind == network.MINIMUM:
                    for i in range(width):
                        x, y = work[a, i], work[b, i]
                        work[c, i] = x if x < y else y
                elif kind == network.MAXIMUM:
                    for i in range(width):
                        x, y = work[a, i], work[b, i]
                        work[c, i] = y if x < y else x
                elif kind == network.PAIR:
                    upper, lower = source[place[first + a], left:], source[place[first + b], left:]
                    for i in range(width):
                        x, y = upper[i], lower[i]
                        work[c, i] = x if x < y else y
                        work[d, i] = y if x < y else x
                elif kind == network.LOAD:
                    row = source[place[first + a], left:]
                    for i in range(width):
                        work[c, i] = row[i]
                elif first + c < n:
                    row, median = source[place[first + d], left:], out[first + c, left:]
                    for i in range(width):
                        # Of two in order and a third.
                        x, y = work[b, i], row[i]
                        y = x if x < y else y
                        x = work[a, i]
                        median[i] = y if x < y else x
