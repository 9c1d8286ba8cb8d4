"""Pairs that are one recording."""

import pytest

from genre_batch.audit import duplicates
from genre_batch.audit.checks import Kind
from genre_batch.audit.duplicates import Pair
from tests.audit import made


def told(rows: list[made.Row]) -> list[tuple[str, str, str]]:
    tracks = made.tracks(rows)
    names = tracks.column("track_id")
    return [(pair.kind.value, names[pair.first], names[pair.second]) for pair in duplicates.find(tracks)]


def test_equal_tracks_are_exact_pairs_whatever_their_genre():
    rows = [made.row(name, made.print_of(0)) for name in ("rock/a", "pop/a", "jazz/a")] + [made.row("rock/b", made.print_of(1))]
    assert told(rows) == [("exact", "jazz/a", "pop/a"), ("exact", "jazz/a", "rock/a"), ("exact", "pop/a", "rock/a")]


def test_a_copy_that_begins_later_is_a_near_pair_and_its_offset_is_told():
    tracks = made.tracks(
        [made.row("rock/a", made.print_of(0)), made.row("rock/b", made.print_of(0, start=60)), made.row("rock/c")]
    )
    (pair,) = duplicates.find(tracks)
    assert (pair.kind, pair.first, pair.second) == (Kind.NEAR, 0, 1)
    assert (pair.similarity, pair.offset_s) == (pytest.approx(1), pytest.approx(60 * made.STEP_S))


def test_levels_alone_make_no_pair():
    """Another performance of one arrangement."""
    a, b = made.print_of(0), made.print_of(1)
    same_notes = made.Fingerprint(b"x", a.levels, a.step_s, b.signs, a.sign_step_s, a.moments, a.summary)
    assert told([made.row("rock/a", a), made.row("rock/b", same_notes)]) == []


def test_too_little_in_common_is_no_pair():
    """Twenty seconds, of which the last eight are in both."""
    assert told([made.row("rock/a", made.print_of(0)), made.row("rock/b", made.print_of(0, start=160))]) == [
        ("near", "rock/a", "rock/b")
    ]
    late = made.print_of(0, start=240)
    longer = made.print_of(7)
    for name in ("levels", "signs"):
        getattr(longer, name)[:, : getattr(late, name).shape[1]] = getattr(late, name)
    common = made.Fingerprint(b"x", longer.levels, late.step_s, longer.signs, late.sign_step_s, late.moments, late.summary)
    assert told([made.row("rock/a", made.print_of(0)), made.row("rock/b", common)]) == []


def test_a_near_pair_holds_for_what_is_equal_to_either():
    later = made.print_of(0, start=60)
    rows = [made.row("a/1", made.print_of(0)), made.row("a/2", later), made.row("a/3", later)]
    assert told(rows) == [("exact", "a/2", "a/3"), ("near", "a/1", "a/2"), ("near", "a/1", "a/3")]
    tracks = made.tracks([rows[1], rows[2], made.row("a/9", made.print_of(0))])
    assert [pair.offset_s for pair in duplicates.find(tracks)[1:]] == pytest.approx([-60 * made.STEP_S] * 2)


def test_of_very_many_equal_tracks_each_is_told_with_the_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(duplicates, "MOST_IN_A_GROUP", 3)
    rows = [made.row(f"a/{i}", made.print_of(0)) for i in range(5)]
    assert told(rows) == [("exact", "a/0", f"a/{i}") for i in range(1, 5)]


def test_refused_tracks_are_no_duplicates_of_one_another():
    assert told([made.refused("a/1"), made.refused("a/2"), made.row("a/3")]) == []


def test_a_library_of_nothing_has_no_duplicates():
    assert told([]) == []


def test_groups_join_what_is_joined():
    pairs = [Pair(Kind.EXACT, a, b, 1.0, 0.0) for a, b in ((7, 9), (1, 2), (2, 5), (5, 6))]
    assert duplicates.groups(pairs) == [[1, 2, 5, 6], [7, 9]]
    assert duplicates.groups([]) == []
