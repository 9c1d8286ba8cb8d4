"""Running medians of many rows at once, by a network that a whole block of neighbouring windows shares.

Neighbouring windows differ by few rows. The rows that all windows of a block have in common are sorted once; then the block
is halved again and again, and each half merges in the rows that its own windows share beyond that, keeping only the ranks
that can still become the median. The one-dimensional case of A. Adams, "Fast median filters using separable sorting
networks", ACM Transactions on Graphics, 2021. Sorting and merging by K. E. Batcher's odd-even networks, 1968. A network
compares and exchanges without looking at the outcome, so one instruction does it for many columns side by side.
"""

from dataclasses import dataclass, field
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from genre_batch.signal.compiled import exact

Floats = npt.NDArray[np.float32]
Program = npt.NDArray[np.int32]

LANES = 272
"""Columns worked on at a time at most: enough to hide the cost of reading the program, few enough to stay in the cache."""
CACHE_LINE = 16
"""In floats."""
LOAD, PAIR, MINIMUM, MAXIMUM, BOTH, STORE = range(6)


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
    _run(program(size)[0], width, _block(size), source, _reflected(len(source), size), out, work)


def buffer(size: int) -> Floats:
    """Working memory for `rows`."""
    n_rows = program(size)[1]
    memory = np.empty(n_rows * LANES + CACHE_LINE, np.float32)
    # A vector that lies across two lines of the cache costs twice.
    start = -(memory.ctypes.data // memory.itemsize) % CACHE_LINE
    return memory[start : start + n_rows * LANES].reshape(n_rows, LANES)


@lru_cache(maxsize=16)
def _reflected(n: int, size: int) -> npt.NDArray[np.int64]:
    """The rows under the windows of `n` medians and of those that the last block lacks: d c b a | a b c d | d c b a."""
    place = np.arange(-(size // 2), n + size // 2 + _block(size)) % (2 * n)
    return np.where(place < n, place, 2 * n - 1 - place)


def _block(size: int) -> int:
    """Windows that share a network: half of a window's rows are then common to all of them."""
    return 1 << (((size + 1) // 2).bit_length() - 1)


@dataclass
class _Step:
    """Values read and written, and rows of the input (or a window) by number, counted from the block's first."""

    kind: int
    reads: tuple[int, ...] = ()
    writes: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()


@dataclass
class _Network:
    """Values are numbers: below `inputs` the input rows, from there what steps write, each value once."""

    size: int
    inputs: int
    steps: list[_Step] = field(default_factory=list)
    n_values: int = 0
    known: dict[tuple[int, ...], list[int]] = field(default_factory=dict)

    def exchange(self, a: int, b: int) -> list[int]:
        if max(a, b) < self.inputs:
            return self._written(PAIR, 2, numbers=(a, b))
        reads = tuple(value if value >= self.inputs else self._loaded(value) for value in (a, b))
        return self._written(BOTH, 2, reads=reads)

    def _loaded(self, number: int) -> int:
        return self._written(LOAD, 1, numbers=(number,))[0]

    def _written(self, kind: int, n: int, reads: tuple[int, ...] = (), numbers: tuple[int, ...] = ()) -> list[int]:
        new = tuple(self.inputs + self.n_values + i for i in range(n))
        self.n_values += n
        self.steps.append(_Step(kind, reads, new, numbers))
        return list(new)

    def sort(self, first: int, n: int) -> list[int]:
        """Neighbouring input rows in order; what is sorted for one half of the windows serves the others."""
        if n < 2:
            return [first] * n
        if (first, n) not in self.known:
            half = n // 2
            self.known[first, n] = self.merge(self.sort(first, half), self.sort(first + half, n - half))
        return self.known[first, n]

    def merge(self, a: list[int], b: list[int]) -> list[int]:
        if not a or not b:
            return a or b
        if len(a) == len(b) == 1:
            return self.exchange(a[0], b[0])
        even, odd = self.merge(a[::2], b[::2]), self.merge(a[1::2], b[1::2])
        merged = even[:1]
        for x, y in zip(odd, even[1:], strict=False):
            merged += self.exchange(x, y)
        n = len(merged) // 2
        return merged + odd[n:] + even[n + 1 :]

    def halve(self, first: int, n: int, common: list[int], below: int) -> None:
        """`common`: the candidates among the rows that windows first .. first + n - 1 share; `below` of them are dropped."""
        half, middle = n // 2, self.size // 2
        for start, fresh in ((first, first + half - 1), (first + half, first + self.size)):
            if n == 2:
                low, high = (value if value >= self.inputs else self._loaded(value) for value in common)
                self.steps.append(_Step(STORE, (low, high), (), (start, fresh)))
            else:
                merged = self.merge(common, self.sort(fresh, half))
                lowest = max(below, middle - (half - 1))
                self.halve(start, half, merged[lowest - below : middle + 1 - below], lowest)


@cache
def program(size: int) -> tuple[Program, int]:
    """Steps (kind, two that are read, two that are written), and how many rows the working memory has.

    LOAD and PAIR read rows of the input, the rest rows of the working memory; STORE reads its two and `written` tells which
    window's median it writes and which row of the input is the third.
    """
    block = _block(size)
    network = _Network(size, size + block - 1)
    # Of `size` rows the middle one is the median; with block - 1 still to come, these are the ranks that can become it.
    common, middle = network.sort(block - 1, size - block + 1), size // 2
    lowest = max(0, middle - (block - 1))
    network.halve(0, block, common[lowest : middle + 1], lowest)

    needed: set[int] = set()
    steps = []
    for step in reversed(network.steps):
        if step.kind == STORE or needed & set(step.writes):
            if step.kind == BOTH and not needed >= set(step.writes):
                lower = step.writes[0] in needed
                step = _Step(MINIMUM if lower else MAXIMUM, step.reads, step.writes[:1] if lower else step.writes[1:])
            needed |= set(step.reads)
            steps.append(step)
    return _placed(steps[::-1])


def _placed(steps: list[_Step]) -> tuple[Program, int]:
    """Each value in a row of the working memory from its making to its last use."""
    last = {value: place for place, step in enumerate(steps) for value in step.reads}
    free: list[int] = []
    row: dict[int, int] = {}
    n_rows = 0
    table = []
    for place, step in enumerate(steps):
        # A row that is read must not be written in the same step: the loop over lanes would not be vectorised.
        for value in step.writes:
            if not free:
                free.append(n_rows)
                n_rows += 1
            row[value] = free.pop()
        free += [row[value] for value in (*step.reads, *step.writes) if last.get(value, place) == place]
        read = [row[value] for value in step.reads] or list(step.numbers)
        written = [row[value] for value in step.writes] or list(step.numbers)
        table.append([step.kind, *(read * 2)[:2], *(written * 2)[:2]])
    return np.array(table, np.int32), n_rows


@exact
def _run(
    program: Program, width: int, block: int, source: Floats, place: npt.NDArray[np.int64], out: Floats, work: Floats
) -> None:
    n, n_lanes = source.shape
    for start in range(0, n_lanes, width):
        left = min(start, n_lanes - width)
        for first in range(0, n, block):
            for step in range(len(program)):
                kind, a, b, c, d = program[step]
                if kind == 4:
                    for i in range(width):
                        x, y = work[a, i], work[b, i]
                        work[c, i] = x if x < y else y
                        work[d, i] = y if x < y else x
                elif kind == 2:
                    for i in range(width):
                        x, y = work[a, i], work[b, i]
                        work[c, i] = x if x < y else y
                elif kind == 3:
                    for i in range(width):
                        x, y = work[a, i], work[b, i]
                        work[c, i] = y if x < y else x
                elif kind == 1:
                    upper, lower = source[place[first + a], left:], source[place[first + b], left:]
                    for i in range(width):
                        x, y = upper[i], lower[i]
                        work[c, i] = x if x < y else y
                        work[d, i] = y if x < y else x
                elif kind == 0:
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
