"""What stands on both sides of a split, and what that is worth to a classifier."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.neighbors import KNeighborsClassifier

from genre_batch import splits
from genre_batch.audit import leakage
from genre_batch.audit.checks import Kind
from genre_batch.audit.duplicates import Pair
from genre_batch.audit.fingerprint import Fingerprint
from genre_batch.choices import Protocol
from genre_batch.errors import UsageError
from tests.audit import made

TRACK = made.print_of(0)


def torn(rows: list[made.Row], pairs: list[tuple[int, int]], split: dict[str, str] | None = None) -> dict[str, object]:
    told = [Pair(Kind.EXACT, first, second, 1.0, 0.0) for first, second in pairs]
    return leakage.torn(made.tracks(rows), told, None if split is None else leakage.Split("split.csv", split))


ROWS = [made.row(f"rock/{name}", TRACK, artist=artist) for name, artist in zip("abcd", ("Ada", "Ada", "Bo", None), strict=True)]


def test_without_a_split_pairs_leak_that_no_artist_holds_together():
    found = torn(ROWS, [(0, 1), (0, 2), (2, 3)])
    assert found == {"pairs": [1, 2], "artists": None, "shared": 2}


def test_with_a_split_pairs_and_artists_leak_that_it_tears():
    split = {"rock/a": "train", "rock/b": "test", "rock/c": "train"}
    found = torn(ROWS, [(0, 1), (0, 2), (2, 3)], split)
    assert found == {"pairs": [0], "artists": [{"artist": "Ada", "tracks": {"test": 1, "train": 1}}], "shared": 2}


def test_a_split_that_leaves_tracks_out_does_not_tear_them():
    assert torn(ROWS, [(0, 1)], {"rock/a": "train"}) == {"pairs": [], "artists": [], "shared": 2}


@pytest.mark.parametrize("name", ["track_id", "track"])
def test_a_split_is_read_from_a_table_or_a_bundle(tmp_path: Path, name: str):
    (tmp_path / "split.csv").write_text(f"{name},part\na,train\nb,\n")
    assert leakage.read_split(str(tmp_path / "split.csv")) == leakage.Split(str(tmp_path / "split.csv"), {"a": "train"})
    pq.write_table(pa.table({name: ["a", "b"], "part": ["train", "test"]}), tmp_path / "split.parquet")
    assert leakage.read_split(str(tmp_path)) == leakage.Split(str(tmp_path), {"a": "train", "b": "test"})


def test_a_table_that_is_no_split_is_refused(tmp_path: Path):
    (tmp_path / "split.csv").write_text("track_id,genre\na,rock\n")
    with pytest.raises(UsageError, match="no columns track_id and part"):
        leakage.read_split(str(tmp_path / "split.csv"))
    with pytest.raises(UsageError, match="does not exist"):
        leakage.read_split(str(tmp_path / "nothing"))


def test_a_split_of_none_of_the_tracks_is_refused():
    split = leakage.Split("split.csv", {"blues.00001": "train"})
    with pytest.raises(UsageError) as caught:
        split.check(["blues/blues.00001.wav", "blues/blues.00002.wav"])
    assert str(caught.value) == (
        "split.csv: none of the 2 tracks is in this split: it has ids such as 'blues.00001', and the tracks have ids such as "
        "'blues/blues.00001.wav'"
    )
    with pytest.raises(UsageError, match=r"it has no track with a part, and the tracks have ids such as 'a'"):
        leakage.Split("split.csv", {}).check(["a"])


def test_a_split_of_some_tracks_is_told_and_of_all_is_not(capsys: pytest.CaptureFixture[str]):
    split = leakage.Split("split.csv", {"a": "train", "b": "test", "x": "test"})
    split.check(["b", "a"])
    split.check([])
    assert capsys.readouterr().err == ""
    split.check(["a", "b", "c"])
    assert capsys.readouterr().err == "warning: 2 of 3 tracks are in the split split.csv: leakage is told of these alone\n"


def by_artist(n_artists: int, seed: int = 0) -> list[made.Row]:
    """Two genres that sound alike; what an artist does is told apart at once. Three tracks each, two segments a track."""
    rng = np.random.default_rng(seed)
    rows = []
    for genre in ("rock", "pop"):
        for artist in range(n_artists):
            manner = rng.normal(0, 10, 96)
            for n in range(3):
                summary = (manner + rng.normal(0, 1, (2, 96))).astype(np.float32)
                print_ = Fingerprint(
                    f"{genre}{artist}{n}".encode(), TRACK.levels, 0.05, TRACK.signs, 0.025, TRACK.moments, summary
                )
                rows.append(made.row(f"{genre}/{artist:02}-{n}", print_, artist=f"{genre} {artist}"))
    return rows


def test_a_classifier_that_knows_artists_is_found_out():
    found = leakage.nearest_neighbour(made.tracks(by_artist(20)))
    assert found is not None
    accuracy = found["accuracy"]
    assert accuracy["random"] == accuracy["track"] == 1
    assert 0.3 < accuracy["artist"] < 0.7
    assert found["gain"] == accuracy["random"] - accuracy["artist"]
    assert (found["tracks"], found["segments"], found["left_out"]) == (120, 240, [])


def test_it_is_what_scikit_learn_says_by_hand():
    tracks = made.tracks(by_artist(6))
    found = leakage.nearest_neighbour(tracks)
    assert found is not None
    features = np.concatenate(tracks.summaries(range(len(tracks))))
    rows = tracks.table.take(pa.array(np.repeat(np.arange(len(tracks)), 2)))
    genres = np.array(rows["genre"].to_pylist())
    right = []
    for fold in splits.folds(rows, Protocol.ARTIST, seed=leakage.SEED):
        mean, deviation = features[fold.train].mean(axis=0), features[fold.train].std(axis=0)
        model = KNeighborsClassifier(1).fit((features[fold.train] - mean) / deviation, genres[fold.train])
        right += (model.predict((features[fold.test] - mean) / deviation) == genres[fold.test]).tolist()
    assert found["accuracy"]["artist"] == pytest.approx(np.mean(right))


def test_a_genre_of_few_artists_is_left_out_and_named():
    rows = by_artist(6) + [made.row(f"jazz/{i}", TRACK, artist="Ada") for i in range(9)]
    found = leakage.nearest_neighbour(made.tracks(rows))
    assert found is not None
    assert (found["left_out"], found["tracks"]) == (["jazz"], 36)


def test_nothing_is_told_where_nothing_can_be_compared():
    assert leakage.nearest_neighbour(made.tracks([])) is None
    assert leakage.nearest_neighbour(made.tracks([row | {"artist": None} for row in by_artist(6)])) is None
    assert leakage.nearest_neighbour(made.tracks([row for row in by_artist(6) if row["genre"] == "rock"])) is None


def test_of_very_many_tracks_some_are_drawn_and_every_genre_keeps_its_artists(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leakage, "MOST_TRACKS", 30)
    found = leakage.nearest_neighbour(made.tracks(by_artist(30)))
    assert found is not None
    assert 30 <= found["tracks"] <= 40
