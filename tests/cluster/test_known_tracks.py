"""What a bundle already knows: tracks it was trained on or stopped by, and others by their artists."""

import pyarrow as pa
import pytest

from genre_batch.cluster.known_tracks import choose, known, told
from genre_batch.cluster.segments import Shards
from genre_batch.errors import UsageError
from genre_batch.front_end import MEL

Rows = list[tuple[str, str | None]]


def tracks(*rows: tuple[str, str | None]) -> pa.Table:
    track_ids, artists = zip(*rows, strict=True)
    return pa.table({"track_id": track_ids, "artist": pa.array(artists, pa.string()), "genre": ["rock"] * len(rows)})


def split(*rows: tuple[str, str | None, str]) -> pa.Table:
    parts = tracks(*(row[:2] for row in rows))
    return parts.append_column("part", pa.array([row[2] for row in rows]))


SPLIT = split(
    ("a1", "Ada", "train"), ("b1", "Bob", "valid"), ("c1", "Cid", "test"), ("x1", None, "train"), ("y1", None, "test")
)


def test_tracks_of_training_and_validation_are_known():
    assert known(tracks(("a1", "Ada"), ("b1", "Bob"), ("c1", "Cid"), ("x1", None), ("y1", None)), SPLIT) == {
        "a1",
        "b1",
        "x1",
    }


def test_other_tracks_by_their_artists_are_known():
    assert known(tracks(("a2", "Ada"), ("b2", "Bob"), ("c2", "Cid"), ("n", "New")), SPLIT) == {"a2", "b2"}


def test_unknown_artists_are_not_one_artist():
    assert known(tracks(("x2", None), ("y1", None)), SPLIT) == set()


def test_a_track_is_known_by_its_id_whoever_its_artist_is_now():
    assert known(tracks(("a1", None), ("x1", "New")), SPLIT) == {"a1", "x1"}


def test_a_split_by_track_keeps_its_test_tracks():
    """An artist stands on both sides there: the bundle was measured on that track and may be again."""
    by_track = split(("a1", "Ada", "train"), ("a2", "Ada", "test"))
    assert known(tracks(("a1", "Ada"), ("a2", "Ada"), ("a3", "Ada")), by_track) == {"a1", "a3"}


def test_nothing_in_common():
    assert known(tracks(("n1", "New"), ("n2", None)), SPLIT) == set()


def shards(*rows: tuple[str, str | None]) -> Shards:
    return Shards("s3://music/shards", 4, MEL, tracks(*rows), [])


MIXED = shards(("a1", "Ada"), ("a2", "Ada"), ("b2", "Bob"), ("c1", "Cid"), ("n1", "New"), ("n2", None))


def test_shards_with_training_tracks_are_refused_and_counted():
    with pytest.raises(UsageError) as refused:
        choose(MIXED, SPLIT, leave_out=False, include_training=False)
    assert str(refused.value) == (
        "1 of the 6 tracks of s3://music/shards took part in training this bundle, and 2 of their artists did: --leave-out judges the "
        "other tracks, --include-training judges all and marks the result"
    )


@pytest.mark.parametrize("row", [("b1", None), ("other", "Bob")])
def test_a_validation_track_or_its_artist_alone_is_refused(row: tuple[str, str | None]):
    with pytest.raises(UsageError, match="of the 2 tracks"):
        choose(shards(row, ("n1", "New")), SPLIT, leave_out=False, include_training=False)


def test_others_are_judged_where_asked():
    chosen, figures = choose(MIXED, SPLIT, leave_out=True, include_training=False)
    assert chosen == {"c1", "n1", "n2"}
    expected = {"includes_training_tracks": False, "tracks_left_out": 3, "shards": "s3://music/shards", "shards_version": 4}
    assert figures == expected


def test_all_are_judged_and_marked_where_asked():
    chosen, figures = choose(MIXED, SPLIT, leave_out=False, include_training=True)
    assert (len(chosen), figures["includes_training_tracks"], figures["tracks_left_out"]) == (6, True, 0)


@pytest.mark.parametrize("include_training", [False, True])
def test_strangers_are_judged_as_they_are(include_training: bool):
    """Nothing flatters there, so nothing is marked whatever was asked."""
    chosen, figures = choose(shards(("n1", "New"), ("c1", "Cid")), SPLIT, leave_out=False, include_training=include_training)
    assert (chosen, figures["includes_training_tracks"]) == ({"n1", "c1"}, False)


def test_nothing_is_left():
    with pytest.raises(UsageError, match="nothing is left to judge, take other shards, or --folds"):
        choose(shards(("a1", "Ada"), ("b2", "Bob")), SPLIT, leave_out=True, include_training=False)


def test_what_is_told_of_artists():
    assert told(tracks(("n1", "New"), ("n2", None)), SPLIT) == (
        "No artist of a measured track was heard in training; the artists of 2 of 5 tracks are unknown."
    )
    flattered = "**Artists may stand on both sides of the split: these figures flatter it.**"
    assert told(tracks(("n1", "New"), ("a2", "Ada")), SPLIT) == flattered
    assert told(tracks(("x1", None)), SPLIT) == flattered
