"""Which tracks may be the same."""

import numpy as np
import pytest

from genre_batch.audit import neighbours
from genre_batch.audit.fingerprint import SIZE


def moments(seed: int, n: int) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(n, SIZE))
    return np.rint(127 * found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.int8)


def pairs(found: neighbours.Candidates) -> list[tuple[int, int]]:
    return list(zip(found.first.tolist(), found.second.tolist(), strict=True))


def test_tracks_with_a_moment_in_common_are_candidates():
    described = moments(0, 40)
    described[25] = described[3]
    assert pairs(neighbours.candidates(described, np.repeat(np.arange(4), 10))) == [(0, 2)]


def test_a_moment_that_is_a_little_different_is_in_common_and_another_is_not():
    described, other = moments(0, 20), moments(1, 1)[0]
    for share, alike in ((0.5, [(0, 1)]), (2.0, [])):
        mixed = described[3] + share * other
        described[15] = np.rint(127 * mixed / np.linalg.norm(mixed))
        assert pairs(neighbours.candidates(described, np.repeat([0, 1], 10))) == alike


def test_a_track_is_no_candidate_for_itself():
    described = np.repeat(moments(0, 1), 20, axis=0)
    assert pairs(neighbours.candidates(described, np.repeat([5, 9], 10))) == [(5, 9)]
    assert pairs(neighbours.candidates(described, np.repeat([5], 20))) == []


def test_nothing_has_no_neighbours():
    assert pairs(neighbours.candidates(np.zeros((0, SIZE), np.int8), np.zeros(0, np.int64))) == []


def test_of_many_candidates_those_with_most_moments_in_common_are_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(neighbours, "MOST_CANDIDATES", 1)
    described = moments(0, 40)
    described[10] = described[0]
    described[20:22] = described[1:3]
    # Track 1 has no better candidate than track 0, so that this pair stays for its sake.
    assert pairs(neighbours.candidates(described, np.repeat(np.arange(4), 10))) == [(0, 1), (0, 2)]
    described[30] = described[11]
    described[31] = described[12]
    assert pairs(neighbours.candidates(described, np.repeat(np.arange(4), 10))) == [(0, 2), (1, 3)]


def test_cells_find_what_a_full_search_finds(monkeypatch: pytest.MonkeyPatch):
    described = moments(0, 6000)
    described[3000:3300] = described[:300]
    tracks = np.repeat(np.arange(600), 10)
    full = pairs(neighbours.candidates(described, tracks))
    assert full == [(i, i + 300) for i in range(30)]
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 1000)
    assert pairs(neighbours.candidates(described, tracks)) == full
