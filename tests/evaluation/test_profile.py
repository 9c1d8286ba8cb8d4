"""What a run found, in short: counted by hand on either side of every edge, the same whole from any parts, there and back as a row."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch.evaluation.profile import COLUMNS, Profile
from schemas import runs
from schemas.rejects import Reason
from tests.rows import label, reject, run, table

Rows = list[dict[str, Any]]

labelled = st.lists(
    st.builds(
        label,
        genre=st.sampled_from(["jazz", "rock", "unknown"]),
        confidence=st.floats(0, 1),
        duration_s=st.floats(0.1, 1e5),
        loudness_db=st.none() | st.floats(-200, 10),
    ),
    max_size=12,
)
refused = st.lists(st.builds(reject, reason=st.sampled_from([reason.value for reason in Reason])), max_size=8)


def test_counted_by_hand():
    found = Profile.of(
        [
            label(genre="rock", confidence=0.75, duration_s=200.0, loudness_db=-22.0),
            label(genre="rock", confidence=0.05, duration_s=10.0, loudness_db=-70.0),
            label(genre="unknown", confidence=0.95, duration_s=4000.0, loudness_db=0.0),
        ],
        [reject(reason="silent"), reject(reason="empty"), reject(reason="silent")],
    )
    assert found == Profile(
        {"rock": 2, "unknown": 1},
        {"silent": 2, "empty": 1},
        (1, 0, 0, 0, 0, 0, 0, 1, 0, 1),
        (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1),
        (1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1),
    )
    assert (found.labelled, found.tried) == (3, 6)


@pytest.mark.parametrize(
    ("column", "counted", "edges"),
    [
        ("confidence", "confidence", runs.CONFIDENCE_EDGES),
        ("duration_s", "duration", runs.DURATION_EDGES_S),
        ("loudness_db", "loudness", runs.LOUDNESS_EDGES_DB),
    ],
)
def test_a_value_on_an_edge_is_of_the_bin_above(column: str, counted: str, edges: tuple[float, ...]):
    for n, edge in enumerate(edges):
        on, below = (
            getattr(Profile.of([label(**{column: value})], []), counted) for value in (edge, float(np.nextafter(edge, -np.inf)))
        )
        assert (on.index(1), below.index(1), len(on)) == (n + 1, n, len(edges) + 1)


def test_what_is_not_known_is_in_no_bin():
    found = Profile.of([label(duration_s=None, loudness_db=None, confidence=None)], [])
    assert found.genres == {"rock": 1}
    assert not any(found.confidence + found.duration + found.loudness)


def test_nothing_found():
    assert Profile.of([], []) == Profile() == Profile() + Profile()
    assert Profile().tried == 0


@settings(max_examples=150, deadline=None)
@given(labelled, refused, st.integers(0, 12), st.integers(0, 8))
def test_parts_add_up_to_the_whole(labels: Rows, rejects: Rows, i: int, j: int):
    whole = Profile.of(labels, rejects)
    assert Profile.of(labels[:i], rejects[:j]) + Profile.of(labels[i:], rejects[j:]) == whole
    assert Profile.of(labels[i:], rejects[j:]) + Profile.of(labels[:i], rejects[:j]) == whole
    assert whole.labelled == len(labels) == sum(whole.confidence) == sum(whole.duration)
    assert whole.tried == len(labels) + len(rejects)


@settings(max_examples=50, deadline=None)
@given(labelled, refused)
def test_there_and_back_through_the_runs_table(labels: Rows, rejects: Rows):
    found = Profile.of(labels, rejects)
    stored = table(runs, run(**found.to_row()))
    runs.validate(stored)
    assert Profile.from_row(stored.to_pylist()[0]) == found
    assert Profile.from_row(stored.to_pylist(maps_as_pydicts="strict")[0]) == found


def test_columns_that_a_run_did_not_fill():
    assert Profile.from_row(dict.fromkeys(COLUMNS)) == Profile()


def test_bins_of_other_edges_are_not_taken_for_these():
    found = Profile.from_row(Profile.of([label()], []).to_row() | {"confidence": [1, 0]})
    assert found.confidence == (0,) * 10
    assert sum(found.duration) == 1
