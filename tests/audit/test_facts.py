"""Tracks as workers tell of them."""

import numpy as np

from genre_batch.audit import facts
from tests.audit import made


def test_tracks_are_numbered_by_their_ids_and_all_comes_back():
    prints = {name: made.print_of(seed) for seed, name in enumerate(("rock/b", "jazz/z", "rock/a"))}
    found = made.tracks([made.row(name, print_, artist=name.upper()) for name, print_ in prints.items()])
    assert found.column("track_id") == ["jazz/z", "rock/a", "rock/b"]
    assert found.column("artist") == ["JAZZ/Z", "ROCK/A", "ROCK/B"]
    assert (len(found), found.step_s, found.sign_step_s) == (3, made.STEP_S, made.SIGN_STEP_S)
    for number, name in enumerate(sorted(prints)):
        for told in ("levels", "signs", "moments"):
            np.testing.assert_array_equal(getattr(found, told)(number), getattr(prints[name], told))
    np.testing.assert_array_equal(found.summaries([2])[0], prints["rock/b"].summary)


def test_large_columns_are_not_in_memory_twice():
    assert set(made.tracks([made.row("rock/a")]).table.column_names) == set(facts.ARROW.names) - set(facts.LARGE)


def test_a_refused_track_has_a_reason_and_no_fingerprint():
    told = made.refused("rock/a")
    assert (told["refused"], told["detail"], told["digest"], told["levels"]) == ("undecodable", "no audio in it", None, None)
