"""Which tracks may be the same: those with moments that resemble one another, found by faiss."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import faiss
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

NEAREST = 32
"""Moments looked at for each."""
LEAST_ALIKE = 0.75
"""Cosine of two moments that may be one."""
MOST_CANDIDATES = 32
"""Tracks looked at for each, the likeliest."""
EXACT_UP_TO = 50_000
"""Moments that are compared with all others; of more, only with those in the nearest PROBES cells."""
PROBES = 12
POINTS_A_CELL, ROUNDS = 64, 10
BATCH = 65_536


class Candidates(NamedTuple):
    """Pairs of track numbers, the lower first, each pair once: [shape=(n,)], in ascending order."""

    first: Ints
    second: Ints


def candidates(moments: npt.NDArray[np.int8], tracks: Ints) -> Candidates:
    """moments: [shape=(n, SIZE)]; tracks: the number of each one's track, [shape=(n,)], ascending."""
    none = np.zeros(0, np.int64)
    if not len(moments):
        return Candidates(none, none)
    index = _index(moments)
    found = [pairs for pairs in _similar(index, moments, tracks) if pairs.size]
    if not found:
        return Candidates(none, none)
    pairs, votes = np.unique(np.sort(np.concatenate(found), axis=1), axis=0, return_counts=True)
    kept = _likeliest(pairs, votes)
    return Candidates(pairs[kept, 0], pairs[kept, 1])


def _index(moments: npt.NDArray[np.int8]) -> Any:
    """All of them, or in cells around the centres that k-means finds among some drawn at random."""
    n, size = moments.shape
    index: Any = faiss.IndexFlatIP(size)
    if n > EXACT_UP_TO:
        n_cells = int(4 * np.sqrt(n))
        kept_as = faiss.ScalarQuantizer.QT_8bit_direct_signed
        index = faiss.IndexIVFScalarQuantizer(index, size, n_cells, kept_as, faiss.METRIC_INNER_PRODUCT, False)
        index.cp.max_points_per_centroid, index.cp.niter, index.cp.spherical = POINTS_A_CELL, ROUNDS, True
        index.nprobe = PROBES
        drawn = np.random.default_rng(0).choice(n, min(n, n_cells * POINTS_A_CELL), replace=False)
        index.train(moments[np.sort(drawn)].astype(np.float32))
    for start in range(0, n, BATCH):
        index.add(moments[start : start + BATCH].astype(np.float32))
    return index


def _similar(index: Any, moments: npt.NDArray[np.int8], tracks: Ints) -> Iterator[Ints]:
    """Pairs of tracks, [shape=(n, 2)], one for each pair of moments that may be one."""
    for start in range(0, len(moments), BATCH):
        products, nearest = index.search(moments[start : start + BATCH].astype(np.float32), NEAREST)
        own = np.repeat(tracks[start : start + BATCH], NEAREST)
        # faiss says -1 where it found fewer.
        alike = (products.ravel() >= LEAST_ALIKE * 127**2) & (nearest.ravel() >= 0)
        other = tracks[np.where(alike, nearest.ravel(), 0)]
        alike &= own != other
        yield np.column_stack([own[alike], other[alike]])


def _likeliest(pairs: Ints, votes: Ints) -> npt.NDArray[np.bool_]:
    """Pairs that are among the MOST_CANDIDATES with most votes of either track."""
    which = np.tile(np.arange(len(pairs)), 2)
    order = np.lexsort((-votes[which], pairs.T.ravel()))
    tracks = pairs.T.ravel()[order]
    starts = np.flatnonzero(np.append(True, tracks[1:] != tracks[:-1]))
    ranks = np.arange(len(tracks)) - np.repeat(starts, np.diff(np.append(starts, len(tracks))))
    kept = np.zeros(len(pairs), bool)
    kept[which[order[ranks < MOST_CANDIDATES]]] = True
    return kept
