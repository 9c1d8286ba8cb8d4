"""What a bundle already knows: tracks it was trained on or stopped by, and others by their artists."""

import pyarrow as pa
import pytest

from genre_batch.cluster.known_tracks import choose, known, told
from genre_batch.cluster.segments import Shards
from genre_batch.errors import UsageError
from genre_batch.front_end import MEL

Rows = list[tuple[str, str | None]]


def tracks(*rows: tuple[str, str | None], genre: str = "rock") -> pa.Table:
    track_ids, artists = zip(*rows, strict=True)
    return pa.table({"track_id": track_ids, "artist": pa.array(artists, pa.string()), "genre": [genre] * len(rows)})


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


GTZAN = split(("blues.00000", None, "train"), ("blues.00001", None, "valid"), ("blues.00002", None, "test"))


@pytest.mark.parametrize("name", ["blues.{}", "blues/blues.{}", "gtzan/blues/blues.{}.wav", "blues.{}.AU", "x/blues.{}.flac"])
def test_the_same_recordings_are_known_in_other_folders_and_formats(name: str):
    there = tracks(*((name.format(f"0000{i}"), None) for i in range(4)))
    assert known(there, GTZAN) == {name.format("00000"), name.format("00001")}
    turned = split(*((name.format(f"0000{i}"), None, part) for i, part in enumerate(("train", "valid", "test"))))
    assert known(tracks(("blues.00000", None), ("blues.00002", None)), turned) == {"blues.00000"}


def test_names_that_many_recordings_have_say_nothing():
    once, twice = split(("a/01.mp3", None, "train")), split(("a/01.mp3", None, "train"), ("b/01.mp3", None, "test"))
    assert known(tracks(("x/01.mp3", None), ("y/01.mp3", None)), once) == set()
    assert known(tracks(("x/01.mp3", None), ("y/02.mp3", None)), twice) == set()
    assert known(tracks(("x/01.mp3", None), genre="jazz"), once) == set(), "a recording of another kind"
    assert known(tracks(("a/01.mp3", None), ("y/01.mp3", None)), twice) == {"a/01.mp3"}, "its id is its own"


def test_a_test_track_of_another_name_keeps_its_part():
    by_track = split(("blues.00000", "Ada", "train"), ("blues.00001", "Ada", "test"))
    here = tracks(("blues/blues.00000.wav", "Ada"), ("blues/blues.00001.wav", "Ada"), ("blues/blues.00002.wav", "Ada"))
    assert known(here, by_track) == {"blues/blues.00000.wav", "blues/blues.00002.wav"}


def shards(*rows: tuple[str, str | None]) -> Shards:
    return Shards("s3://music/shards", 4, "made once", MEL, tracks(*rows), [])


MIXED = shards(("a1", "Ada"), ("a2", "Ada"), ("b2", "Bob"), ("c1", "Cid"), ("n1", "New"), ("n2", None))


def test_shards_with_training_tracks_are_refused_and_counted():
    with pytest.raises(UsageError) as refused:
        choose(MIXED, SPLIT, leave_out=False, include_training=False)
    assert str(refused.value) == (
        "1 of the 6 tracks of s3://music/shards took part in training this bundle, and 2 of their artists did: --leave-out judges the "
        "other tracks, --include-training judges all and marks the result"
    )


def test_a_refusal_says_by_which_names_tracks_are_known():
    renamed = shards(("blues/blues.00000.wav", None), ("blues/blues.00009.wav", None))
    with pytest.raises(
        UsageError, match=r"^1 of the 2 tracks of .* this bundle \(blues/blues\.00000\.wav as blues\.00000\), and 0 of"
    ):
        choose(renamed, GTZAN, leave_out=False, include_training=False)
    chosen, _ = choose(renamed, GTZAN, leave_out=True, include_training=False)
    assert chosen == {"blues/blues.00009.wav"}
    assert choose(renamed, GTZAN, leave_out=False, include_training=True)[1]["includes_training_tracks"]


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
    def of(here: pa.Table, split: pa.Table = SPLIT) -> str:
        return told(here, split, set(here["track_id"].to_pylist()))

    assert of(tracks(("n1", "New"), ("n2", None))) == (
        "No artist of a measured track was heard in training; the artists of 2 of 5 tracks are unknown."
    )
    flattered = "**Artists may stand on both sides of the split: these figures flatter it.**"
    assert of(tracks(("n1", "New"), ("a2", "Ada"))) == flattered
    assert of(tracks(("x1", None))) == flattered
    assert of(tracks(("blues/blues.00000.wav", None)), GTZAN) == flattered


def test_what_is_told_is_of_the_chosen_tracks_alone():
    here = tracks(("x/01.mp3", "Ada"), ("y/01.mp3", None), ("n1", None))
    heard = split(("a/01.mp3", "Ada", "train"))
    assert told(here, heard, {"y/01.mp3", "n1"}).startswith("No artist"), "two here are called 01, whichever are judged"
    assert "flatter" in told(here, heard, {"x/01.mp3"})
