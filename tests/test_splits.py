"""No artist on both sides, every genre in every part, and the same split for the same seed."""

import csv
import hashlib
import subprocess
import sys
from collections import Counter
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from genre_batch import splits
from genre_batch.choices import Protocol
from genre_batch.errors import UsageError
from genre_batch.splits import FOLDS, Fold
from genre_batch.taxonomy import GTZAN
from tests.conftest import SHARED

PARTS = {"train", "valid", "test"}
SPLITTING = [Protocol.TRACK, Protocol.ARTIST]
FOLDING = [Protocol.RANDOM, *SPLITTING]

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


@pytest.mark.parametrize("protocol", Protocol)
def test_a_torn_track_is_refused_under_any_protocol(protocol: Protocol):
    torn = parted_rows(("a", None, "train"), ("a", None, "valid"))
    with pytest.raises(UsageError, match="track_id 'a' stands on both sides of the split, and 0 more"):
        splits.check_disjoint(torn, protocol)


def test_unknown_artists_are_not_one_artist():
    splits.check_disjoint(parted_rows(("a", None, "train"), ("b", None, "test")), Protocol.ARTIST)


def test_digest_is_of_tracks_and_parts_in_any_order():
    rows = [("b", "Ada", "test"), ("a", None, "train")]
    digest = splits.digest(parted_rows(*rows))
    assert digest == hashlib.sha256(b"a\ttrain\nb\ttest").hexdigest()[:16]
    assert splits.digest(parted_rows(*rows[::-1])) == digest
    assert splits.digest(parted_rows(("b", "Ada", "test"), ("a", None, "valid"))) != digest
    assert splits.digest(parted_rows(("b", "Ada", "test"), ("c", None, "train"))) != digest


def test_segments_of_one_track_are_never_split_apart_to_train_a_network():
    with pytest.raises(UsageError, match="--split random would put segments of one track on both sides: take artist, track or"):
        splits.split(catalog(even()), Protocol.RANDOM, seed=0)


def segments(rows: list[Track], n: int = 3) -> pa.Table:
    """Each track n times."""
    table = catalog([row for row in rows for _ in range(n)])
    return table.append_column("segment", pa.array(list(range(n)) * len(rows), pa.int32()))


def names(rows: pa.Table, places: np.ndarray, column: str) -> set[str]:
    return set(rows[column].take(pa.array(places)).to_pylist())


@pytest.mark.parametrize("protocol", FOLDING)
@settings(max_examples=10, deadline=None)
@given(rows=catalogs(), seed=st.integers(0, 2**31))
def test_folds_test_every_row_once_and_tear_nothing(protocol: Protocol, rows: list[Track], seed: int):
    table = segments(rows)
    folds = splits.folds(table, protocol, seed=seed)
    assert len(folds) == FOLDS
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(table.num_rows))
    genres = names(table, np.arange(table.num_rows), "genre")
    for fold in folds:
        assert [*np.setdiff1d(np.arange(table.num_rows), fold.test)] == [*fold.train]
        assert [*fold.test] == sorted(fold.test)
        assert len(fold.valid) == 0
        assert names(table, fold.test, "genre") == genres
        if protocol is not Protocol.RANDOM:
            assert not names(table, fold.train, "track_id") & names(table, fold.test, "track_id")
        if protocol is Protocol.ARTIST:
            assert not (names(table, fold.train, "artist") & names(table, fold.test, "artist")) - {None}


def test_random_rows_tear_tracks():
    """Which is what they are there to show."""
    table = segments(even())
    for fold in splits.folds(table, Protocol.RANDOM, seed=0):
        assert names(table, fold.test, "track_id") & names(table, fold.train, "track_id")


def test_tracks_in_folds_tear_artists_and_artists_in_folds_do_not():
    table = segments(even(genres=1, artists=5, tracks=4))
    torn = {
        protocol: any(
            names(table, fold.test, "artist") & names(table, fold.train, "artist")
            for fold in splits.folds(table, protocol, seed=0)
        )
        for protocol in SPLITTING
    }
    assert torn == {Protocol.TRACK: True, Protocol.ARTIST: False}


@pytest.mark.parametrize("protocol", FOLDING)
def test_folds_have_a_fifth_of_each_genre(protocol: Protocol):
    table = segments(even(genres=3, artists=10, tracks=2))
    for fold in splits.folds(table, protocol, seed=0):
        tested = Counter(table["genre"].take(pa.array(fold.test)).to_pylist())
        assert tested == {f"genre {g}": 12 for g in range(3)}


def parts_in(fold: Fold) -> list[list[int]]:
    return [part.tolist() for part in (fold.train, fold.valid, fold.test)]


@pytest.mark.parametrize("protocol", FOLDING)
def test_the_same_seed_gives_the_same_rows_and_another_gives_others(protocol: Protocol):
    table = segments(even())
    for made in (splits.folds, lambda *args, **seed: [splits.original_rows(*args, **seed)]):
        first, again, other = ([parts_in(fold) for fold in made(table, protocol, seed=seed)] for seed in (1, 1, 2))
        assert first == again
        assert first != other


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        (Protocol.RANDOM, "genre 'polka' has 4 different segments; 5 are needed"),
        (Protocol.TRACK, "genre 'polka' has 2 different tracks; 5 are needed"),
        (
            Protocol.ARTIST,
            "genre 'polka' has 1 different artist; 5 are needed to train, validate and test it apart; --split tr",
        ),
    ],
)
def test_folds_of_too_few_are_refused(protocol: Protocol, said: str):
    table = segments([*even(genres=1), ("p", "polka", "Ada"), ("q", "polka", "Ada")], n=2)
    with pytest.raises(UsageError, match=said):
        splits.folds(table, protocol, seed=0)


def test_the_original_drew_rows_as_scikit_learn_does():
    table = segments(even(genres=3, artists=37, tracks=9), n=10)
    assert table.num_rows == 9_990
    rows = [f"{row['track_id']}.{row['segment']}" for row in table.to_pylist()]
    train, rest = train_test_split(rows, test_size=0.3, random_state=42)
    valid, test = train_test_split(rest, test_size=0.5, random_state=42)
    fold = splits.original_rows(table, Protocol.RANDOM, seed=42)
    assert [len(part) for part in parts_in(fold)] == [6_993, 1_498, 1_499]
    order = {name: i for i, name in enumerate(rows)}
    for places, expected in zip(parts_in(fold), (train, valid, test), strict=True):
        assert [rows[i] for i in places] == sorted(expected, key=order.__getitem__)


@pytest.mark.parametrize("protocol", SPLITTING)
@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.integers(7, 10), min_size=1, max_size=3), seed=st.integers(0, 2**31))
def test_the_originals_shares_without_tearing(protocol: Protocol, sizes: list[int], seed: int):
    rows = [(f"{g}-{a}-{t}", f"genre {g}", f"artist {g}-{a}") for g, n in enumerate(sizes) for a in range(n) for t in range(2)]
    table = segments(rows, n=2)
    fold = splits.original_rows(table, protocol, seed=seed)
    assert sorted(np.concatenate(parts_in(fold))) == list(range(table.num_rows))
    assert all(part == sorted(part) for part in parts_in(fold))
    for one, other in combinations((fold.train, fold.valid, fold.test), 2):
        column = "artist" if protocol is Protocol.ARTIST else "track_id"
        assert not names(table, one, column) & names(table, other, column)
    for part in (fold.train, fold.valid, fold.test):
        assert names(table, part, "genre") == {f"genre {g}" for g in range(len(sizes))}


@pytest.mark.parametrize("protocol", SPLITTING)
def test_the_original_held_out_one_in_seven_twice(protocol: Protocol):
    table = segments(even(genres=2, artists=14, tracks=1), n=1)
    fold = splits.original_rows(table, protocol, seed=0)
    for part, n in ((fold.train, 10), (fold.valid, 2), (fold.test, 2)):
        assert Counter(table["genre"].take(pa.array(part)).to_pylist()) == {"genre 0": n, "genre 1": n}


@pytest.mark.parametrize("protocol", SPLITTING)
def test_six_cannot_be_parted_as_the_original_did(protocol: Protocol):
    table = segments(even(genres=2, artists=6, tracks=1))
    with pytest.raises(UsageError, match=f"genre 'genre 0' has 6 different {protocol}s; 7 are needed"):
        splits.original_rows(table, protocol, seed=0)


@pytest.mark.parametrize("protocol", [*FOLDING, Protocol.FAULT_FILTERED])
def test_inner_folds_stay_within_the_chosen_rows(protocol: Protocol):
    table = segments(even(genres=2, artists=8, tracks=2))
    chosen = np.flatnonzero(np.arange(table.num_rows) % 12 < 9)
    inner = splits.inner_folds(table, protocol, chosen, 3, seed=0)
    assert sorted(np.concatenate([judged for _, judged in inner])) == list(range(len(chosen)))
    column = "track_id" if protocol is Protocol.TRACK else "artist"
    for fitted, judged in inner:
        assert sorted([*fitted, *judged]) == list(range(len(chosen)))
        assert names(table, chosen[judged], "genre") == {"genre 0", "genre 1"}
        torn = names(table, chosen[fitted], column) & names(table, chosen[judged], column)
        assert bool(torn) is (protocol is Protocol.RANDOM)


def test_groups_by_protocol():
    table = catalog([("a", "rock", "Ada"), ("a", "rock", "Ada"), ("b", "rock", None), ("Ada", "rock", None)])
    assert splits.groups_of(table, Protocol.RANDOM).tolist() == ["0", "1", "2", "3"]
    assert splits.groups_of(table, Protocol.TRACK).tolist() == ["a", "a", "b", "Ada"]
    for protocol in (Protocol.ARTIST, Protocol.FAULT_FILTERED):
        assert splits.groups_of(table, protocol).tolist() == ["artist Ada", "artist Ada", "track b", "track Ada"]


def gtzan(name: str = "{track}") -> pa.Table:
    """The names of GTZAN, as a format may write them."""
    rows: list[Track] = [
        (name.format(track=f"{genre}.{i:05}", genre=genre), genre, None) for genre in GTZAN.genres for i in range(100)
    ]
    return catalog(rows)


@pytest.mark.parametrize(
    "name",
    ["{track}", "{genre}/{track}.wav", "{track}.flac", "deep/er/{genre}/{track}.mp3", "genres/{genre}/{track}.au"],
)
def test_fault_filtered_lists_know_names_with_folders_and_endings(name: str):
    from torchaudio.datasets import gtzan as published

    table = gtzan(name)
    (fold,) = splits.folds(table, Protocol.FAULT_FILTERED, seed=0)
    assert [len(part) for part in parts_in(fold)] == [443, 197, 290]
    lists = (published.filtered_train, published.filtered_valid, published.filtered_test)
    plain = gtzan()
    for places, listed in zip(parts_in(fold), lists, strict=True):
        assert names(plain, np.array(places), "track_id") == set(listed)


def test_fault_filtered_is_one_split_for_every_purpose_and_seed():
    table = gtzan()
    (fold,) = splits.folds(table, Protocol.FAULT_FILTERED, seed=0)
    assert parts_in(splits.original_rows(table, Protocol.FAULT_FILTERED, seed=1)) == parts_in(fold)
    parted = splits.split(table, Protocol.FAULT_FILTERED, seed=2)
    assert parted.num_rows == 443 + 197 + 290
    assert Counter(parted["part"].to_pylist()) == {"train": 443, "valid": 197, "test": 290}
    for part, places in zip(("train", "valid", "test"), parts_in(fold), strict=True):
        listed = {row["track_id"] for row in parted.to_pylist() if row["part"] == part}
        assert listed == names(table, np.array(places), "track_id")


def test_fault_filtered_keeps_all_segments_of_a_listed_track():
    table = segments([(f"blues.{i:05}", "blues", None) for i in range(100)], n=3)
    (fold,) = splits.folds(table, Protocol.FAULT_FILTERED, seed=0)
    for part in (fold.train, fold.valid, fold.test):
        counts = Counter(table["track_id"].take(pa.array(part)).to_pylist())
        assert set(counts.values()) == {3}


def test_fault_filtered_is_of_gtzan_alone():
    with pytest.raises(
        UsageError, match=r"fault-filtered lists name tracks of GTZAN, such as blues\.00000: none of them is here"
    ):
        splits.folds(segments(even()), Protocol.FAULT_FILTERED, seed=0)
    with pytest.raises(UsageError, match="fault-filtered lists name tracks"):
        splits.split(catalog(even()), Protocol.FAULT_FILTERED, seed=0)


@pytest.mark.parametrize("missing", ["train", "valid", "test"])
def test_no_part_of_the_fault_filtered_lists_may_be_empty(missing: str):
    """Known before training, which calibrates on the validation part; folds have none."""
    from torchaudio.datasets import gtzan as published

    left_out = set(getattr(published, f"filtered_{missing}"))
    rows: list[Track] = [
        (row["track_id"], row["genre"], None) for row in gtzan().to_pylist() if row["track_id"] not in left_out
    ]
    with pytest.raises(
        UsageError, match="validation is here, and training stops" if missing == "valid" else "in train and test"
    ):
        splits.split(catalog(rows), Protocol.FAULT_FILTERED, seed=0)
    if missing == "valid":
        (fold,) = splits.folds(catalog(rows), Protocol.FAULT_FILTERED, seed=0)
        assert [len(part) for part in parts_in(fold)] == [443, 0, 290]


def test_other_protocols_need_no_torch():
    code = """
import sys
import pyarrow as pa
from genre_batch import splits
from genre_batch.choices import Protocol
rows = pa.table({"track_id": [str(i) for i in range(10)], "genre": ["rock"] * 10, "artist": [str(i) for i in range(10)]})
splits.folds(rows, Protocol.ARTIST, seed=0)
print("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_fault_filtered_keeps_artists_apart():
    if not (SHARED / "gtzan" / "artists.csv").is_file():
        pytest.skip(f"GTZAN's artists are not in {SHARED}")
    with (SHARED / "gtzan" / "artists.csv").open() as text:
        artists = {row["track"]: row["artist"] for row in csv.DictReader(text) if row["artist"]}
    table = gtzan()
    (fold,) = splits.folds(table, Protocol.FAULT_FILTERED, seed=0)
    heard = [{artists.get(name) for name in names(table, part, "track_id")} for part in (fold.train, fold.valid, fold.test)]
    assert all(len(part) > 50 for part in heard)
    for one, other in combinations(heard, 2):
        assert one & other <= {None}


def fold_of(train: list[int], valid: list[int], test: list[int]) -> Fold:
    return Fold(*(np.array(part, np.int64) for part in (train, valid, test)))


def test_digest_of_folds_is_of_segments_and_parts():
    rows = pa.table({"track_id": ["a", "a", "b"], "segment": [0, 1, 0]})
    folds = [fold_of([0, 1], [], [2]), fold_of([2], [0], [1])]
    said = b"a\t0\ttrain\na\t1\ttrain\n\n" + b"\n\n" + b"b\t0\ttest\n\n"
    said += b"b\t0\ttrain\n\n" + b"a\t0\tvalid\n\n" + b"a\t1\ttest\n\n"
    digest = splits.digest_of(folds, rows)
    assert digest == hashlib.sha256(said).hexdigest()[:16]
    others = [
        splits.digest_of(folds[::-1], rows),
        splits.digest_of(folds[:1], rows),
        splits.digest_of([fold_of([0], [1], [2]), folds[1]], rows),
        splits.digest_of(folds, rows.set_column(1, "segment", pa.array([0, 2, 0]))),
        splits.digest_of(folds, rows.set_column(0, "track_id", pa.array(["a", "a", "c"]))),
    ]
    assert len({digest, *others}) == 6


def test_digest_of_folds_does_not_know_the_order_of_rows():
    rows = pa.table({"track_id": ["a", "a", "b"], "segment": [0, 1, 0]})
    turned = rows.take([2, 1, 0])
    assert splits.digest_of([fold_of([1, 2], [], [0])], turned) == splits.digest_of([fold_of([0, 1], [], [2])], rows)
