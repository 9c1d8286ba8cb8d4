"""A cell of the grid: chosen, fitted and judged so that no test row is in it, and as the original did, where the original is asked for."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from genre_batch import splits
from genre_batch.choices import Map, Model, Profile, Protocol
from genre_batch.errors import UsageError
from genre_batch.evaluation import baselines, judged
from genre_batch.evaluation.baselines import Cell, judge
from genre_batch.models.baselines import grids, select
from genre_batch.tables.features import FeatureTable, published_front_end
from genre_batch.taxonomy import Taxonomy

pytestmark = pytest.mark.usefixtures("one_thread")

THREE = Taxonomy(("blues", "jazz", "rock"))
FOLDING = [Protocol.RANDOM, Protocol.TRACK, Protocol.ARTIST]


def table(values: np.ndarray, genres: list[str], length: np.ndarray | None = None, n_segments: int = 3) -> FeatureTable:
    """Segments of tracks of that many genres; every two tracks are by one artist."""
    n_tracks = len(genres)
    rows = pa.table(
        {
            "track_id": np.repeat([f"track {i:03}" for i in range(n_tracks)], n_segments),
            "segment": pa.array(np.tile(np.arange(n_segments), n_tracks), pa.int32()),
            "genre": np.repeat(genres, n_segments),
            "artist": pa.array(np.repeat([f"artist {i // 2}" for i in range(n_tracks)], n_segments).tolist(), pa.string()),
        }
    )
    return FeatureTable("/music/features.csv", rows, values, length, published_front_end(10))


def easy(spread: float = 1.0, n_tracks: int = 42, n_segments: int = 3, seed: int = 0) -> FeatureTable:
    """Genres two tracks at a time, so that an artist has one; the first three of five values tell genres apart."""
    y = np.arange(n_tracks) // 2 % 3
    noise = np.random.default_rng(seed).normal(size=(n_tracks * n_segments, 5))
    values = spread * noise + 4 * np.eye(3, 5)[np.repeat(y, n_segments)]
    return table(values, [THREE.genres[i] for i in y], n_segments=n_segments)


def meaningless(n_tracks: int = 60, n_segments: int = 3) -> FeatureTable:
    """Labels by chance, of tracks that can be told from each other and by nothing else."""
    rng = np.random.default_rng(1)
    places = 10 * rng.normal(size=(n_tracks, 5))
    values = np.repeat(places, n_segments, axis=0) + 0.01 * rng.normal(size=(n_tracks * n_segments, 5))
    genres = rng.permutation(np.repeat(THREE.genres, n_tracks // 3)).tolist()
    return table(values, genres, n_segments=n_segments)


def cell(
    model: Model = Model.RIDGE,
    *,
    profile: Profile = Profile.SOUND,
    protocol: Protocol = Protocol.TRACK,
    chosen: Map = Map.NONE,
) -> Cell:
    return Cell(profile, protocol, model, chosen)


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("protocol", FOLDING)
def test_what_can_be_told_apart_is(profile: Profile, protocol: Protocol):
    music = easy()
    found = judge(cell(Model.RIDGE, profile=profile, protocol=protocol), music, seed=3)
    assert found.figures["track_accuracy"] > 0.95
    assert found.figures["segment_accuracy"] > 0.95
    assert len(found.params) == len(found.folds) == len(found.figures["by_fold"]) == 5
    assert all(list(params) == ["model__alpha"] for params in found.params)
    assert found.seconds > 0


@pytest.mark.parametrize("protocol", FOLDING)
def test_an_outcome_is_of_the_folds_of_its_protocol(protocol: Protocol):
    music = easy(spread=3.0)
    found = judge(cell(Model.KNN, protocol=protocol), music, seed=3)
    folds = splits.folds(music.rows, protocol, seed=3)
    assert [fold.rows.tolist() for fold in found.folds] == [fold.test.tolist() for fold in folds]
    assert found.split_digest == splits.digest_of(folds, music.rows)
    tracks, labels = np.repeat(np.arange(42), 3), baselines.classes(music, THREE)
    assert found.figures == judged.figures(found.folds, tracks, labels, THREE, seed=3)
    assert (found.figures["n"], found.figures["n_tracks"]) == (126, 42)


def test_the_same_seed_gives_the_same_outcome():
    music, what = easy(spread=3.0), cell(Model.DECISION_TREE, chosen=Map.PCA)
    first, again, other = (judge(what, music, seed=seed) for seed in (1, 1, 2))
    assert (first.figures, first.params, first.split_digest) == (again.figures, again.params, again.split_digest)
    assert (first.figures, first.split_digest) != (other.figures, other.split_digest)


@pytest.mark.parametrize("model", [Model.KNN, Model.DECISION_TREE])
def test_chance_stays_chance_unless_segments_leak(model: Model):
    """The first column of the original's table in small: what it praised was memory."""
    scores = {each: judge(cell(model, protocol=each), meaningless(), seed=0).figures["segment_accuracy"] for each in FOLDING}
    assert scores[Protocol.RANDOM] > 0.85
    assert scores[Protocol.TRACK] == pytest.approx(1 / 3, abs=0.15)
    assert scores[Protocol.ARTIST] == pytest.approx(1 / 3, abs=0.15)


def spoilt(music: FeatureTable, rows: np.ndarray, *, values: bool) -> FeatureTable:
    """Other genres in those rows, and wild values."""
    genres = np.array(music.rows["genre"].to_pylist())
    genres[rows] = np.roll(THREE.genres, 1)[[THREE.index(genre) for genre in genres[rows]]]
    wild = music.values.copy()
    if values:
        wild[rows] = 1e6
    return dataclasses.replace(music, rows=music.rows.set_column(2, "genre", pa.array(genres)), values=wild)


def probe(what: Cell, music: FeatureTable, fold: splits.Fold) -> tuple[dict[str, Any], np.ndarray]:
    """The parameters chosen, and what the baseline says of the rows it was fitted on."""
    x, labels = baselines.inputs(what.profile, music), baselines.classes(music, THREE)
    fitted, params = baselines.fitted(what, music, x, labels, fold, seed=0)
    return params, select.shares(fitted, x[fold.train], 3)


@pytest.mark.parametrize("protocol", FOLDING)
@pytest.mark.parametrize(
    ("model", "chosen"), [(Model.KNN, Map.NONE), (Model.KNN, Map.RBF), (Model.RIDGE, Map.PCA), (Model.DECISION_TREE, Map.NONE)]
)
def test_a_sound_baseline_does_not_know_the_test_rows(model: Model, chosen: Map, protocol: Protocol):
    music, what = easy(spread=4.0), cell(model, protocol=protocol, chosen=chosen)
    fold = splits.folds(music.rows, protocol, seed=0)[0]
    params, said = probe(what, music, fold)
    hidden_params, hidden_said = probe(what, spoilt(music, fold.test, values=True), fold)
    assert hidden_params == params
    np.testing.assert_array_equal(hidden_said, said)
    _, other_said = probe(what, spoilt(music, fold.train[:6], values=False), fold)
    assert not np.array_equal(other_said, said), "or no label would matter at all"


@pytest.mark.parametrize("model", [Model.KNN, Model.RIDGE, Model.DECISION_TREE])
def test_the_original_chose_without_the_test_labels_too(model: Model):
    music, what = easy(spread=4.0), cell(model, profile=Profile.SEED, protocol=Protocol.RANDOM)
    fold = splits.original_rows(music.rows, Protocol.RANDOM, seed=0)
    params, said = probe(what, music, fold)
    hidden_params, hidden_said = probe(what, spoilt(music, fold.test, values=False), fold)
    assert hidden_params == params
    np.testing.assert_array_equal(hidden_said, said)


def test_parameters_are_chosen_by_the_rows_that_should_choose(monkeypatch: pytest.MonkeyPatch):
    music = easy()
    given: list[Any] = []
    choose = select.choose

    def spied(baseline: Any, tried: Any, x: np.ndarray, y: np.ndarray, inner: Any) -> select.Chosen:
        given.append((x, y, inner))
        return choose(baseline, tried, x, y, inner)

    monkeypatch.setattr(select, "choose", spied)
    labels = baselines.classes(music, THREE)
    original = splits.original_rows(music.rows, Protocol.TRACK, seed=0)
    probe(cell(Model.KNN, profile=Profile.SEED), music, original)
    x, y, ((fit, chosen),) = given.pop()
    scaled = baselines.inputs(Profile.SEED, music)
    np.testing.assert_array_equal(x[fit], scaled[original.train])
    np.testing.assert_array_equal(x[chosen], scaled[original.valid])
    np.testing.assert_array_equal(y[fit], labels[original.train])
    np.testing.assert_array_equal(y[chosen], labels[original.valid])
    fold = splits.folds(music.rows, Protocol.ARTIST, seed=0)[1]
    probe(cell(Model.KNN, protocol=Protocol.ARTIST), music, fold)
    x, y, inner = given.pop()
    np.testing.assert_array_equal(x, music.values[fold.train])
    np.testing.assert_array_equal(y, labels[fold.train])
    artists = np.array(music.rows["artist"].to_pylist())[fold.train]
    assert sorted(np.concatenate([judged for _, judged in inner])) == list(range(len(fold.train)))
    assert len(inner) == 3
    assert all(not set(artists[fit]) & set(artists[judged]) for fit, judged in inner)


def test_the_originals_model_is_fitted_on_its_training_part_alone():
    """The validation rows chose, and were not added."""
    music = easy(spread=4.0)
    fold = splits.original_rows(music.rows, Protocol.RANDOM, seed=0)
    x, labels = baselines.inputs(Profile.SEED, music), baselines.classes(music, THREE)
    fitted, params = baselines.fitted(cell(Model.KNN, profile=Profile.SEED), music, x, labels, fold, seed=0)
    expected = grids.pipeline(Profile.SEED, Model.KNN, Map.NONE, n_rows=len(fold.train), seed=0)
    expected = select.fit(expected, params, x[fold.train], labels[fold.train])
    assert fitted[-1].n_samples_fit_ == len(fold.train)
    np.testing.assert_array_equal(fitted.predict_proba(x), expected.predict_proba(x))


def test_the_original_had_the_length_among_its_inputs():
    music = easy()
    length = np.linspace(66_000, 67_000, 126)
    found = baselines.inputs(Profile.SEED, dataclasses.replace(music, length=length))
    assert found.shape == (126, 6)
    np.testing.assert_allclose(found[:, 0], np.linspace(0, 1, 126), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(found[:, 1:], baselines.inputs(Profile.SEED, music))


def test_the_original_scaled_by_the_least_and_greatest_of_all_rows():
    values = easy().values
    found = baselines.inputs(Profile.SEED, easy())
    least, greatest = values.min(axis=0), values.max(axis=0)
    np.testing.assert_allclose(found, (values - least) / (greatest - least), rtol=0, atol=1e-12)
    assert (found.min(), found.max()) == (0.0, 1.0)


def test_a_sound_baseline_has_the_descriptors_and_no_length():
    music = easy(spread=3.0)
    longer = dataclasses.replace(music, length=1000.0 * baselines.classes(music, THREE))
    assert baselines.inputs(Profile.SOUND, longer) is longer.values
    plain, told = (judge(cell(Model.KNN), each, seed=0) for each in (music, longer))
    assert told.figures == plain.figures
    cheated = judge(cell(Model.KNN, profile=Profile.SEED), longer, seed=0)
    assert cheated.figures["segment_accuracy"] > plain.figures["segment_accuracy"]


def test_the_original_was_drawn_anew_with_five_random_states():
    music = easy()
    for protocol in FOLDING:
        folds = baselines.folds_of(Profile.SEED, protocol, music, seed=42)
        expected = [splits.original_rows(music.rows, protocol, seed=42 + i) for i in range(5)]
        assert splits.digest_of(folds, music.rows) == splits.digest_of(expected, music.rows)
        assert len({tuple(fold.test) for fold in folds}) > 1


@pytest.mark.parametrize("protocol", FOLDING)
def test_sound_baselines_have_each_row_tested_once(protocol: Protocol):
    folds = baselines.folds_of(Profile.SOUND, protocol, easy(), seed=0)
    assert Counter(np.concatenate([fold.test for fold in folds])) == dict.fromkeys(range(126), 1)


def gtzan() -> FeatureTable:
    """Three genres of GTZAN by their names, a segment a track."""
    y = np.repeat(np.arange(3), 100)
    values = np.random.default_rng(0).normal(size=(300, 5)) + np.eye(3, 5)[y]
    found = table(values, [THREE.genres[i] for i in y], n_segments=1)
    names = pa.array([f"{THREE.genres[i]}.{n:05}" for i in range(3) for n in range(100)])
    rows = found.rows.set_column(0, "track_id", names).set_column(3, "artist", pa.array([None] * 300, pa.string()))
    return dataclasses.replace(found, rows=rows)


@pytest.mark.parametrize("profile", Profile)
def test_one_list_is_judged_with_five_seeds(profile: Profile, monkeypatch: pytest.MonkeyPatch):
    seeds: list[int] = []
    pipeline = grids.pipeline
    monkeypatch.setattr(grids, "pipeline", lambda *args, seed, **rest: seeds.append(seed) or pipeline(*args, seed=seed, **rest))
    music = gtzan()
    (fold,) = splits.folds(music.rows, Protocol.FAULT_FILTERED, seed=0)
    found = judge(cell(Model.DECISION_TREE, profile=profile, protocol=Protocol.FAULT_FILTERED, chosen=Map.RBF), music, seed=7)
    assert seeds == [7, 8, 9, 10, 11]
    assert all(np.array_equal(each.rows, fold.test) for each in found.folds)
    assert len(found.folds) == len(found.figures["by_fold"]) == 5
    assert found.figures["n"] == found.figures["n_tracks"] == len(fold.test)
    assert found.figures["segment_accuracy"] == pytest.approx(np.mean(found.figures["by_fold"]))
    assert len({tuple(each.heard) for each in found.folds}) > 1


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("model", Model)
def test_every_model_can_be_judged(profile: Profile, model: Model, monkeypatch: pytest.MonkeyPatch):
    """On the RBF map, which must have no more centres than the smallest part has rows."""
    monkeypatch.setattr(baselines, "REPEATS", 1)
    monkeypatch.setattr(splits, "FOLDS", 2)
    quick = {Model.RANDOM_FOREST: {"n_estimators": 5}, Model.NEURAL_NET: {"epochs": 2, "batch_size": 20}}
    pipeline = grids.pipeline

    def faster(profile: Profile, model: Model, chosen: Map, **rest: Any) -> Any:
        found = pipeline(profile, model, chosen, **rest)
        found[-1].set_params(**quick.get(model, {}))
        return found

    monkeypatch.setattr(grids, "pipeline", faster)
    if (profile, model) == (Profile.SEED, Model.RANDOM_FOREST):
        monkeypatch.setitem(grids._SEED, model, [{"model__max_depth": [3, None]}])
    found = judge(cell(model, profile=profile, chosen=Map.RBF), easy(n_segments=2), seed=0)
    assert len(found.params) == (2 if profile is Profile.SOUND else 1)
    for fold in found.folds:
        np.testing.assert_allclose(fold.shares.sum(axis=1), 1, rtol=0, atol=1e-6)
        assert fold.shares.shape == (len(fold.rows), 3)


def test_a_table_that_cannot_be_split_is_refused():
    few = easy(n_tracks=12)
    with pytest.raises(UsageError, match="genre 'blues' has 2 different artists; 5 are needed"):
        judge(cell(protocol=Protocol.ARTIST), few, seed=0)
    with pytest.raises(UsageError, match="genre 'blues' has 4 different tracks; 7 are needed"):
        judge(cell(profile=Profile.SEED), few, seed=0)
    with pytest.raises(UsageError, match="fault-filtered lists name tracks of GTZAN"):
        judge(cell(protocol=Protocol.FAULT_FILTERED), few, seed=0)


def test_classes_are_places_in_the_taxonomy():
    music = table(np.zeros((6, 2)), ["rock", "blues"])
    assert baselines.classes(music, THREE).tolist() == [2, 2, 2, 0, 0, 0]
    assert baselines.classes(music, Taxonomy(("rock", "blues"))).tolist() == [0, 0, 0, 1, 1, 1]
