"""Pairs of tracks that are one recording: exact by digest, near by moments that resemble one another and levels that then agree."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from genre_batch.audit import compare, neighbours
from genre_batch.audit.checks import Kind
from genre_batch.audit.compare import Int8
from genre_batch.audit.facts import Tracks

NEAR = 0.6
"""Agreement of signs, from which on two tracks are one recording: docs/audit.md tells what copies and distinct songs reach."""
FITTING = 0.6
"""Correlation of levels, below which signs are not looked at."""
LEAST_S = 6.0
LEAST_SHARE = 0.5
"""Two recordings are compared where they lie on one another for at least so long, and so much of the shorter one."""
MOST_IN_A_GROUP = 30
"""Of more equal tracks, such as a thousand copies of one jingle, each is told with the first alone."""
PAIRS_A_TASK = 256


@dataclass(frozen=True, slots=True)
class Pair:
    """Track numbers, first < second; the second begins offset_s seconds after the first."""

    kind: Kind
    first: int
    second: int
    similarity: float
    offset_s: float


def find(tracks: Tracks) -> list[Pair]:
    """Exact pairs, then near ones, each by track number. Tracks that were refused take no part."""
    equal = _equal(tracks)
    exact = [Pair(Kind.EXACT, a, b, 1.0, 0.0) for group in equal for a, b in _within(group)]
    first = {group[0]: group for group in equal}
    near = [each for found in _near(tracks, list(first)) for each in _spread(found, first)]
    return [*sorted(exact, key=_numbers), *sorted(near, key=_numbers)]


def groups(pairs: Sequence[Pair]) -> list[list[int]]:
    """Tracks that are joined by pairs, directly or through others, the largest group first."""
    leader: dict[int, int] = {}

    def leading(number: int) -> int:
        while (above := leader.setdefault(number, number)) != number:
            leader[number] = leader[above]
            number = above
        return number

    for pair in pairs:
        a, b = sorted((leading(pair.first), leading(pair.second)))
        leader[b] = a
    found = defaultdict(list)
    for number in sorted(leader):
        found[leading(number)].append(number)
    return sorted(found.values(), key=lambda group: (-len(group), group[0]))


def _equal(tracks: Tracks) -> list[list[int]]:
    """Every track that was heard, with those that are equal to it, ascending."""
    found = defaultdict(list)
    for number, digest in enumerate(tracks.column("digest")):
        if digest is not None:
            found[digest].append(number)
    return list(found.values())


def _near(tracks: Tracks, chosen: list[int]) -> Iterator[Pair]:
    """Of tracks that differ."""
    moments = [tracks.moments(number) for number in chosen]
    if not moments:
        return
    owners = np.repeat(np.array(chosen, np.int64), [len(each) for each in moments])
    candidates = neighbours.candidates(np.concatenate(moments), owners)

    def compared(part: slice) -> list[Pair]:
        numbers = zip(candidates.first[part].tolist(), candidates.second[part].tolist(), strict=True)
        return [pair for first, second in numbers if (pair := compare_two(tracks, first, second)) and pair.similarity >= NEAR]

    parts = [slice(start, start + PAIRS_A_TASK) for start in range(0, len(candidates.first), PAIRS_A_TASK)]
    # scipy's transforms let other threads run.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(compared, parts):
            yield from found


def compare_two(tracks: Tracks, first: int, second: int) -> Pair | None:
    """How alike two tracks are where their signs agree best; None where their levels fit nowhere."""
    if _best_fit(tracks.levels(first), tracks.levels(second), tracks.step_s)[0] < FITTING:
        return None
    # Not only near the lag that levels say: a loop fits wherever it comes again.
    found, lag = _best_fit(tracks.signs(first), tracks.signs(second), tracks.sign_step_s)
    return Pair(Kind.NEAR, first, second, found, lag * tracks.sign_step_s)


def _best_fit(a: Int8, b: Int8, step_s: float) -> tuple[float, int]:
    shorter = min(a.shape[1], b.shape[1])
    return compare.best_fit(a, b, min(shorter, max(round(LEAST_S / step_s), round(LEAST_SHARE * shorter))))


def _within(group: list[int]) -> Iterator[tuple[int, int]]:
    return combinations(group, 2) if len(group) <= MOST_IN_A_GROUP else product(group[:1], group[1:])


def _spread(pair: Pair, equal: dict[int, list[int]]) -> Iterator[Pair]:
    """A near pair holds for what is equal to either."""
    for a, b in product(equal[pair.first][:MOST_IN_A_GROUP], equal[pair.second][:MOST_IN_A_GROUP]):
        first, second = sorted((a, b))
        yield Pair(pair.kind, first, second, pair.similarity, pair.offset_s if a < b else -pair.offset_s)


def _numbers(pair: Pair) -> tuple[int, int]:
    return pair.first, pair.second
