"""Every segment is judged once, by a network that has not heard its artist; what is finished is not trained again."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from genre_batch.choices import Augmentation, Protocol, Schedule, WaveformPart
from genre_batch.cluster import folds, session
from genre_batch.cluster.examples import Examples
from genre_batch.cluster.folds import FOUND, Trial, cross_validate, fit_in_memory, predict
from genre_batch.cluster.segments import Shards, columns_for
from genre_batch.cluster.train import everything
from genre_batch.errors import UsageError
from genre_batch.models.recipe import Recipe
from tests import small_shards
from tests.small_shards import FRONT_END, GENRES

RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=5e-3, schedule=Schedule.CONSTANT, averaging=0.0)
LEARNING = dataclasses.replace(RECIPE, epochs=12, augment=(Augmentation.GAIN,))
TRACKS = small_shards.tracks()


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return small_shards.whole(str(tmp_path_factory.mktemp("folds") / "shards"))


def trial(network: str = "compact", **changes: object) -> Trial:
    return dataclasses.replace(Trial(network=network, recipe=RECIPE, seed=0, n_folds=3), **changes)


@pytest.mark.usefixtures("ray_session")
def test_each_segment_is_judged_once_and_what_is_done_stays_done(shards: Shards, tmp_path: Path):
    place = str(tmp_path)
    trials = [trial(recipe=LEARNING), trial("crnn-fusion")]
    found, other = cross_validate(shards, trials, place)
    for each in (found, other):
        assert each.schema == FOUND
        keys = list(zip(each["track_id"].to_pylist(), each["segment"].to_pylist(), strict=True))
        assert keys == sorted((name, i) for name, n in TRACKS.items() for i in range(n))
        assert all(row["genre"] == row["track_id"].split("/")[0] for row in each.to_pylist())
        fold = {row["track_id"]: row["fold"] for row in each.to_pylist()}
        assert sorted(set(fold.values())) == [0, 1, 2]
        assert {row["artist"] for row in each.to_pylist()} == {
            f"{name.split('/')[1]} of {name.split('/')[0]}" for name in TRACKS
        }
    right = [GENRES[np.argmax(row["logits"])] == row["genre"] for row in found.to_pylist()]
    assert np.mean(right) > 0.6, "networks that learnt nothing would find as much by chance as one in three"

    files = sorted(tmp_path.glob("folds/*.parquet"))
    assert len(files) == 6
    torn = next(file for file in files if file.name.startswith("crnn-fusion") and file.name.endswith("-1.parquet"))
    torn.unlink()
    before = {file: file.stat().st_mtime_ns for file in files if file != torn}
    again = cross_validate(shards, trials, place)
    assert again[0].equals(found)
    assert {file: file.stat().st_mtime_ns for file in before} == before
    # The same fold trained again comes out as it was, but for the order in which a sum is taken.
    np.testing.assert_allclose(*(np.array(each["logits"].to_pylist()) for each in (again[1], other)), rtol=0, atol=1e-3)


def test_a_name_says_all_that_decides_what_is_found(shards: Shards):
    one = trial()
    others = [
        trial("crnn"),
        trial(recipe=LEARNING),
        trial(seed=1),
        trial(n_folds=4),
        trial(protocol=Protocol.TRACK),
    ]
    names = {each.name(shards, 0, ["a"]) for each in (one, *others)}
    names |= {
        one.name(shards, 1, ["a"]),
        one.name(shards, 0, ["b"]),
        one.name(dataclasses.replace(shards, version=9), 0, ["a"]),
        one.name(dataclasses.replace(shards, table_id="another"), 0, ["a"]),
        one.name(dataclasses.replace(shards, front_end=dataclasses.replace(FRONT_END, fmin_hz=200.0)), 0, ["a"]),
    }
    assert len(names) == len(others) + 6
    assert one.name(shards, 0, ["a"]) == trial().name(shards, 0, ["a"])


def test_what_a_network_sees_of_the_shards(shards: Shards):
    assert folds.front_end_of(shards, "crnn-fusion") == FRONT_END
    assert folds.front_end_of(shards, "crnn") == dataclasses.replace(FRONT_END, descriptors=None)
    plain = dataclasses.replace(shards, front_end=dataclasses.replace(FRONT_END, descriptors=None))
    with pytest.raises(
        UsageError, match=r"compact-fusion looks at descriptors, and the shards at .* hold none: .* --descriptors"
    ):
        folds.front_end_of(plain, "compact-fusion")
    blind = dataclasses.replace(shards, front_end=dataclasses.replace(FRONT_END, spectrograms=False))
    with pytest.raises(UsageError, match="hold no spectrograms"):
        folds.front_end_of(blind, "compact")
    with pytest.raises(UsageError, match="no network 'vgg'"):
        folds.front_end_of(shards, "vgg")


def test_recordings_cannot_be_altered_where_there_are_none(shards: Shards, tmp_path: Path):
    altering = dataclasses.replace(RECIPE, waveform=(WaveformPart.GAIN,))
    assert folds.planned(shards, trial(recipe=altering), str(tmp_path))
    imported = small_shards.write(str(tmp_path / "shards"), [small_shards.row("disco/0", 0) | {"uri": "/all.npz"}])
    with pytest.raises(
        UsageError, match=r"such as disco/0, were imported as spectrograms, and --waveform gain alters recordings"
    ):
        folds.planned(imported, trial(recipe=altering), str(tmp_path))


@pytest.mark.usefixtures("ray_session")
def test_more_than_memory_holds_is_refused(shards: Shards, tmp_path: Path):
    many = pa.array([session.memory() // 1000] + [1] * (shards.tracks.num_rows - 1), pa.int64())
    place = shards.tracks.schema.get_field_index("segments")
    large = dataclasses.replace(shards, tracks=shards.tracks.set_column(place, "segments", many))
    with pytest.raises(UsageError, match=r"holds all segments in memory for each core, .* train with one split"):
        cross_validate(large, [trial()], str(tmp_path))


@pytest.mark.usefixtures("ray_session")
def test_too_few_artists_are_refused(shards: Shards, tmp_path: Path):
    with pytest.raises(UsageError, match="genre 'classical' has 5 different artists; 6 are needed"):
        cross_validate(shards, [trial(n_folds=6)], str(tmp_path))


@pytest.mark.usefixtures("ray_session")
def test_a_job_error_in_a_worker_arrives_whole(shards: Shards, tmp_path: Path):
    """The files are gone when it comes to reading them."""
    gone = dataclasses.replace(shards, files=[str(tmp_path / "gone.parquet")])
    with pytest.raises(Exception, match=r"gone\.parquet") as stopped:
        cross_validate(gone, [trial()], str(tmp_path))
    assert "Traceback" not in str(stopped.value)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", ["compact", "crnn"])
def test_the_same_seed_gives_the_same_network(shards: Shards, name: str):
    front_end = folds.front_end_of(shards, name)
    rows = shards.read(list(TRACKS), columns_for(front_end))
    made = [fit_in_memory(rows, front_end, GENRES, name, RECIPE, seed).state_dict() for seed in (0, 0, 1)]
    assert all(torch.equal(made[0][key], made[1][key]) for key in made[0])
    assert not all(torch.equal(made[0][key], made[2][key]) for key in made[0])


@pytest.mark.usefixtures("one_thread")
def test_predictions_are_those_of_each_track_alone(shards: Shards):
    rows = shards.read(list(TRACKS), columns_for(FRONT_END))
    network = fit_in_memory(rows, FRONT_END, GENRES, "crnn-fusion", RECIPE, 0)
    assert not network.training
    found = predict(network, Examples.of(rows, FRONT_END, GENRES))
    assert (found.shape, found.dtype) == ((rows.num_rows, len(GENRES)), np.float32)
    alone = [
        predict(network, Examples.of(shards.read([name], columns_for(FRONT_END)), FRONT_END, GENRES)) for name in sorted(TRACKS)
    ]
    np.testing.assert_allclose(found, np.concatenate(alone), rtol=0, atol=1e-5)


def test_everything_is_trained_on(shards: Shards):
    split = everything(shards.tracks)
    assert split["track_id"].to_pylist() == sorted(TRACKS)
    assert set(split["part"].to_pylist()) == {"train"}
