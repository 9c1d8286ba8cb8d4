"""The network by which median.py takes running medians: which rows to compare and exchange, written down as a program.

Neighbouring windows differ by few rows. The rows that all windows of a block have in common are sorted once; then the block
is halved again and again, and each half merges in the rows that its own windows share beyond that, keeping only the ranks
that can still become the median. The one-dimensional case of A. Adams, "Fast median filters using separable sorting
networks", ACM Transactions on Graphics, 2021. Sorting and merging by K. E. Batcher's odd-even networks, 1968.
"""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

Program = npt.NDArray[np.int32]

# Compiled into median.py, where numba's cache does not notice a change made here.
LOAD, PAIR, MINIMUM, MAXIMUM, BOTH, STORE = range(6)


def block(size: int) -> int:
    """Windows that share a network: half of a window's rows are then common to all of them."""
    return 1 << (((size + 1) // 2).bit_length() - 1)


@cache
def program(size: int) -> tuple[Program, int]:
    """Steps (kind, two that are read, two that are written), and how many rows the working memory has.

    LOAD takes a row of the input into the working memory and PAIR two, in order; MINIMUM, MAXIMUM and BOTH compare two rows of
    the working memory. STORE reads two and a row of the input, whose number is last, and writes the median of these three: that
    of the window whose number is last but one. Rows of the input are counted from the first under the block's first window.
    """
    n = block(size)
    network = _Network(size, size + n - 1)
    # With n - 1 rows still to come, these are the ranks that can become the median.
    common, middle = network.sort(n - 1, size - n + 1), size // 2
    lowest = max(0, middle - (n - 1))
    network.halve(0, n, common[lowest : middle + 1], lowest)

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
