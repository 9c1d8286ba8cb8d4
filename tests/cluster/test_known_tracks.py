"""What a bundle already knows: tracks it was trained on or stopped by, and others by their artists."""

import pyarrow as pa

from genre_batch.cluster.evaluate import known_tracks

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
    assert known_tracks(tracks(("a1", "Ada"), ("b1", "Bob"), ("c1", "Cid"), ("x1", None), ("y1", None)), SPLIT) == {
        "a1",
        "b1",
        "x1",
    }


def test_other_tracks_by_their_artists_are_known():
    assert known_tracks(tracks(("a2", "Ada"), ("b2", "Bob"), ("c2", "Cid"), ("n", "New")), SPLIT) == {"a2", "b2"}


def test_unknown_artists_are_not_one_artist():
    assert known_tracks(tracks(("x2", None), ("y1", None)), SPLIT) == set()


def test_a_track_is_known_by_its_id_whoever_its_artist_is_now():
    assert known_tracks(tracks(("a1", None), ("x1", "New")), SPLIT) == {"a1", "x1"}


def test_a_split_by_track_keeps_its_test_tracks():
    """An artist stands on both sides there: the bundle was measured on that track and may be again."""
    by_track = split(("a1", "Ada", "train"), ("a2", "Ada", "test"))
    assert known_tracks(tracks(("a1", "Ada"), ("a2", "Ada"), ("a3", "Ada")), by_track) == {"a1", "a3"}


def test_nothing_in_common():
    assert known_tracks(tracks(("n1", "New"), ("n2", None)), SPLIT) == set()
