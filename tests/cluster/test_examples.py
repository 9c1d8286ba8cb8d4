"""Rows become batches: every segment once, with its own answer, by itself or with its track."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from genre_batch.cluster.examples import Examples
from tests import small_shards
from tests.small_shards import FRONT_END, GENRES, SHAPE

TRACKS = {"metal/0": 2, "classical/1": 3, "disco/2": 1, "disco/3": 4}
ORDER = sorted(TRACKS)
SEGMENTS = [(name, i) for name in ORDER for i in range(TRACKS[name])]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    shards = small_shards.whole(str(tmp_path_factory.mktemp("examples") / "shards"), TRACKS)
    return shards.read(list(TRACKS), ("spectrogram", "descriptors"))


@pytest.fixture(scope="module")
def examples(rows: pa.Table) -> Examples:
    return Examples.of(rows, FRONT_END, GENRES)


def which(spectrograms: torch.Tensor) -> list[int]:
    """The places of segments among SEGMENTS."""
    known = {small_shards.picture(*key).tobytes(): i for i, key in enumerate(SEGMENTS)}
    return [known[each.numpy().tobytes()] for each in spectrograms]


def test_what_they_hold(examples: Examples):
    np.testing.assert_array_equal(examples.spectrograms, [small_shards.picture(*key) for key in SEGMENTS])
    np.testing.assert_allclose(examples.descriptors, [small_shards.described(*key) for key in SEGMENTS], rtol=1e-6)
    assert examples.labels.tolist() == [GENRES.index(name.split("/")[0]) for name, _ in SEGMENTS]
    assert examples.lengths.tolist() == [3, 1, 4, 2]
    kinds = examples.spectrograms.dtype, examples.descriptors.dtype, examples.labels.dtype, examples.lengths.dtype
    assert kinds == (np.uint8, np.float32, np.int64, np.int64)


def test_genres_are_numbered_as_the_taxonomy_has_them(rows: pa.Table):
    assert Examples.of(rows, FRONT_END, ("metal", "disco", "classical")).labels.tolist() == [2] * 3 + [1] * 5 + [0] * 2


def test_all_of_it_as_one_batch(examples: Examples):
    whole = examples.whole(by_track=True)
    assert which(whole.spectrograms) == list(range(10))
    assert whole.lengths.tolist() == [3, 1, 4, 2]
    assert examples.whole(by_track=False).lengths is None


@pytest.mark.parametrize("size", [1, 3, 4, 10, 64])
def test_in_order_each_segment_once(examples: Examples, size: int):
    found = list(examples.batches(size, by_track=False, rng=None))
    assert [i for batch in found for i in which(batch.spectrograms)] == list(range(10))
    assert len(found) == examples.steps(size, by_track=False)
    assert all(len(batch.labels) <= size and batch.lengths is None for batch in found)


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_in_order_each_track_once(examples: Examples, size: int):
    found = list(examples.batches(size, by_track=True, rng=None))
    assert [i for batch in found for i in which(batch.spectrograms)] == list(range(10))
    assert [n for batch in found for n in batch.lengths.tolist()] == [3, 1, 4, 2]
    assert len(found) == examples.steps(size, by_track=True)


def test_shuffled_segments_keep_their_answers(examples: Examples):
    found = list(examples.batches(5, by_track=False, rng=np.random.default_rng(0)))
    places = [i for batch in found for i in which(batch.spectrograms)]
    assert sorted(places) == list(range(10))
    assert places != sorted(places)
    for batch in found:
        mine = which(batch.spectrograms)
        assert batch.labels.tolist() == examples.labels[mine].tolist()
        np.testing.assert_array_equal(batch.descriptors, examples.descriptors[mine])


def test_shuffled_tracks_stay_whole(examples: Examples):
    orders = set()
    for seed in range(10):
        found = list(examples.batches(2, by_track=True, rng=np.random.default_rng(seed)))
        tracks = [part for batch in found for part in batch.spectrograms.split(batch.lengths.tolist())]
        places = [which(each) for each in tracks]
        assert sorted(places) == [[0, 1, 2], [3], [4, 5, 6, 7], [8, 9]]
        orders.add(str(places))
    assert len(orders) > 5


def test_the_same_numbers_shuffle_alike(examples: Examples):
    one, other, third = (list(examples.batches(4, by_track=False, rng=np.random.default_rng(seed))) for seed in (1, 1, 2))
    assert all(torch.equal(a.spectrograms, b.spectrograms) for a, b in zip(one, other, strict=True))
    assert not all(torch.equal(a.spectrograms, b.spectrograms) for a, b in zip(one, third, strict=True))


def test_one_left_alone_is_left_out_of_a_shuffled_pass(examples: Examples):
    """It has no statistics."""
    assert [len(batch.labels) for batch in examples.batches(3, by_track=False, rng=np.random.default_rng(0))] == [3, 3, 3]
    assert [len(batch.lengths) for batch in examples.batches(3, by_track=True, rng=np.random.default_rng(0))] == [3]
    assert [len(batch.labels) for batch in examples.batches(3, by_track=False, rng=None)] == [3, 3, 3, 1]


def test_without_descriptors(tmp_path: Path):
    plain = dataclasses.replace(FRONT_END, descriptors=None)
    rows = small_shards.whole(str(tmp_path / "shards"), TRACKS).read(ORDER, ("spectrogram",))
    examples = Examples.of(rows, plain, GENRES)
    assert examples.descriptors is None
    assert examples.whole(by_track=True).descriptors is None
    assert examples.spectrograms.shape == (10, *SHAPE)
