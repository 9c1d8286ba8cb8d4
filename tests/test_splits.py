"""No artist on both sides, every genre in every part, and the same split for the same seed."""

import hashlib
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch import splits
from genre_batch.choices import Protocol
from genre_batch.errors import UsageError

PARTS = {"train", "valid", "test"}

Track = tuple[str, str, str | None]


def catalog(rows: list[Track]) -> pa.Table:
    track_ids, genres, artists = zip(*rows, strict=True)
    return pa.table({"track_id": track_ids, "genre": genres, "artist": pa.array(artists, pa.string())})


def even(genres: int = 2, artists: int = 10, tracks: int = 2) -> list[Track]:
    return [
        (f"{g}-{a}-{t}", f"genre {g}", f"artist {g}-{a}") for g in range(genres) for a in range(artists) for t in range(tracks)
    ]


@st.composite
def catalogs(draw: st.DrawFn) -> list[Track]:
    """Genres with at least five artists each; an artist plays one genre, some tracks have no artist."""
    rows: list[Track] = []
    for g in range(draw(st.integers(1, 4))):
        sizes = draw(st.lists(st.integers(1, 6), min_size=5, max_size=8))
        for a, size in enumerate(sizes):
            artist = f"artist {g}-{a}" if draw(st.booleans()) else None
            rows += [(f"{g}-{a}-{t}", f"genre {g}", artist) for t in range(size)]
    return draw(st.permutations(rows))


@st.composite
def mixed_catalogs(draw: st.DrawFn) -> list[Track]:
    """Artists who play several genres."""
    artists = st.integers(0, 20).map(lambda a: f"artist {a}")
    genres = [draw(st.lists(artists, min_size=5, max_size=12, unique=True)) for _ in range(draw(st.integers(2, 3)))]
    return [(f"{g}-{artist}", f"genre {g}", artist) for g, players in enumerate(genres) for artist in players]


def parts_of(parted: pa.Table, column: str) -> dict[str, set[str]]:
    parts: dict[str, set[str]] = {}
    for row in parted.to_pylist():
        if row[column] is not None:
            parts.setdefault(row[column], set()).add(row["part"])
    return parts


@settings(max_examples=30, deadline=None)
@given(catalogs(), st.integers(0, 2**31))
def test_artists_stay_whole_and_every_part_hears_every_genre(rows: list[Track], seed: int):
    parted = splits.split(catalog(rows), Protocol.ARTIST, seed=seed)
    assert all(len(parts) == 1 for parts in parts_of(parted, "artist").values())
    assert all(parts == PARTS for parts in parts_of(parted, "genre").values())
    assert parted.select(["track_id", "genre", "artist"]).to_pylist() == catalog(sorted(rows)).to_pylist()


@settings(max_examples=25, deadline=None)
@given(mixed_catalogs(), st.integers(0, 2**31))
def test_an_artist_of_several_genres_stays_whole(rows: list[Track], seed: int):
    parted = splits.split(catalog(rows), Protocol.ARTIST, seed=seed)
    assert all(len(parts) == 1 for parts in parts_of(parted, "artist").values())


@settings(max_examples=15, deadline=None)
@given(catalogs(), st.integers(0, 2**31))
def test_by_track_every_part_hears_every_genre_too(rows: list[Track], seed: int):
    parted = splits.split(catalog(rows), Protocol.TRACK, seed=seed)
    assert all(parts == PARTS for parts in parts_of(parted, "genre").values())
    assert parted.num_rows == len(rows)


def test_a_fifth_is_tested_and_a_fifth_validates():
    parted = splits.split(catalog(even(genres=3, artists=10, tracks=2)), Protocol.ARTIST, seed=0)
    assert Counter(parted["part"].to_pylist()) == {"train": 36, "valid": 12, "test": 12}
    per_genre = Counter(zip(parted["genre"].to_pylist(), parted["part"].to_pylist(), strict=True))
    assert all(per_genre[f"genre {g}", "test"] == 4 for g in range(3))


def test_by_track_one_artist_is_enough():
    rows = [(f"t{i}", "rock", "Ada") for i in range(10)]
    parted = splits.split(catalog(rows), Protocol.TRACK, seed=0)
    assert Counter(parted["part"].to_pylist()) == {"train": 6, "valid": 2, "test": 2}


def test_the_same_seed_gives_the_same_split_whatever_the_order():
    rows = even()
    first = splits.split(catalog(rows), Protocol.ARTIST, seed=7)
    assert splits.split(catalog(rows[::-1]), Protocol.ARTIST, seed=7).equals(first)


def test_another_seed_gives_another_split():
    found = {splits.digest(splits.split(catalog(even()), Protocol.ARTIST, seed=seed)) for seed in range(4)}
    assert len(found) == 4


@pytest.mark.parametrize(("n", "said"), [(4, "4 different artists"), (1, "1 different artist;")])
def test_too_few_artists_names_the_way_out(n: int, said: str):
    rows = even(genres=1) + [(f"polka {i}", "polka", f"Ada {i % n}") for i in range(20)]
    with pytest.raises(UsageError) as caught:
        splits.split(catalog(rows), Protocol.ARTIST, seed=0)
    message = str(caught.value)
    assert f"genre 'polka' has {said}" in message
    assert "--split track" in message
    assert splits.split(catalog(rows), Protocol.TRACK, seed=0).num_rows == len(rows)


def test_too_few_tracks_has_no_way_out():
    with pytest.raises(UsageError, match="genre 'rock' has 4 different tracks; 5 are needed") as caught:
        splits.split(catalog([(f"t{i}", "rock", None) for i in range(4)]), Protocol.TRACK, seed=0)
    assert "--split" not in str(caught.value)


def test_a_track_without_artist_counts_for_itself():
    rows: list[Track] = [(f"t{i}", "rock", None) for i in range(5)]
    assert splits.split(catalog(rows), Protocol.ARTIST, seed=0).num_rows == 5


def test_an_artist_named_like_a_track_is_somebody_else():
    rows: list[Track] = [("a", "rock", None), ("b", "rock", "a"), *((f"t{i}", "rock", f"Ada {i}") for i in range(3))]
    assert splits.split(catalog(rows), Protocol.ARTIST, seed=0).num_rows == 5


def parted_rows(*rows: tuple[str, str | None, str]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"track_id": track_id, "artist": artist, "part": part} for track_id, artist, part in rows],
        pa.schema({"track_id": pa.string(), "artist": pa.string(), "part": pa.string()}),
    )


def test_a_torn_artist_is_refused():
    torn = parted_rows(("a", "Ada", "train"), ("b", "Ada", "test"), ("c", "Bob", "train"))
    with pytest.raises(UsageError, match="artist 'Ada' stands on both sides of the split, and 0 more"):
        splits.check_disjoint(torn, Protocol.ARTIST)
    splits.check_disjoint(torn, Protocol.TRACK)


def test_a_torn_track_is_refused_under_either_grouping():
    torn = parted_rows(("a", None, "train"), ("a", None, "valid"))
    for grouping in Protocol:
        with pytest.raises(UsageError, match="track_id 'a' stands on both sides"):
            splits.check_disjoint(torn, grouping)


def test_unknown_artists_are_not_one_artist():
    splits.check_disjoint(parted_rows(("a", None, "train"), ("b", None, "test")), Protocol.ARTIST)


def test_digest_is_of_tracks_and_parts_in_any_order():
    rows = [("b", "Ada", "test"), ("a", None, "train")]
    digest = splits.digest(parted_rows(*rows))
    assert digest == hashlib.sha256(b"a\ttrain\nb\ttest").hexdigest()[:16]
    assert splits.digest(parted_rows(*rows[::-1])) == digest
    assert splits.digest(parted_rows(("b", "Ada", "test"), ("a", None, "valid"))) != digest
    assert splits.digest(parted_rows(("b", "Ada", "test"), ("c", None, "train"))) != digest
