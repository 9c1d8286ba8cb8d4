"""Segments come from shards whole and in order, and are scored as each track alone would be."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import ray.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch.cluster import segments
from genre_batch.cluster.segments import ROWS_A_BLOCK, Shards, by_tracks, flat
from genre_batch.errors import UsageError
from genre_batch.models import export, networks, scorer
from genre_batch.models.bundle import Served
from genre_batch.taxonomy import Taxonomy
from tests import small_shards
from tests.small_shards import FRONT_END, GENRES, SHAPE

TRACKS = small_shards.tracks()


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return small_shards.whole(str(tmp_path_factory.mktemp("segments") / "shards"))


def batches(dataset: "ray.data.Dataset") -> list[pa.Table]:
    found = dataset.iter_batches(batch_size=None, batch_format="pyarrow")
    return [batch for batch in found if batch.num_rows]


def keys(table: pa.Table) -> list[tuple[str, int]]:
    return list(zip(table["track_id"].to_pylist(), table["segment"].to_pylist(), strict=True))


def test_what_there_is(shards: Shards):
    assert sorted(shards.tracks.column_names) == ["artist", "genre", "segments", "track_id"]
    assert {row["track_id"]: row["segments"] for row in shards.tracks.to_pylist()} == TRACKS
    assert shards.front_end == FRONT_END
    assert len(shards.files) == 2
    assert shards.sizes(["metal/1", "disco/0"]) == {"disco/0": 1, "metal/1": 3}


def test_no_shards(tmp_path: Path):
    with pytest.raises(UsageError, match="holds no shards: make them with build-shards"):
        segments.open_shards(str(tmp_path))
    small_shards.write(str(tmp_path / "x"), [small_shards.row("disco/0", 0)])
    with pytest.raises(UsageError, match="none of the chosen tracks is in the shards at"):
        segments.open_shards(str(tmp_path / "x")).read(["metal/0"], ("spectrogram",))


def test_shards_built_anew_at_the_same_place_are_others(tmp_path: Path):
    """Their versions count from 0 again."""
    url, rows, built = str(tmp_path / "shards"), [small_shards.row("disco/0", 0)], []
    for front_end in (FRONT_END, FRONT_END, dataclasses.replace(FRONT_END, fmin_hz=200.0)):
        shutil.rmtree(url, ignore_errors=True)
        built.append(small_shards.write(url, rows, front_end=front_end))
    assert {(shards.url, shards.version) for shards in built} == {(url, 1)}
    assert len({shards.table_id for shards in built}) == 3
    assert built[0].facts == segments.open_shards(url).facts | {
        "table": built[0].table_id,
        "front_end": FRONT_END.digest,
    }, "nothing else differs"
    assert segments.open_shards(url).facts == built[-1].facts


def test_spectrograms_are_read_into_a_column_that_may_be_large(shards: Shards):
    """Sorted into one array, more than 2 GiB have no room in plain binary values. It changes nothing for who takes them."""
    found = shards.read(["disco/1"], ("spectrogram",))
    assert found.schema.field("spectrogram").type == pa.large_binary()
    np.testing.assert_array_equal(
        segments.pictures(found["spectrogram"], SHAPE), [small_shards.picture("disco/1", i) for i in range(3)]
    )
    assert flat(by_tracks(found)).to_pylist() == found.to_pylist()
    assert shards.read(["disco/1"], ("descriptors",)).column_names == ["track_id", "genre", "segment", "descriptors"]


def test_read_gives_rows_by_track_and_segment(shards: Shards):
    found = shards.read(["metal/1", "disco/1", "classical/0"], ("spectrogram", "descriptors"))
    assert found.column_names == ["track_id", "genre", "segment", "spectrogram", "descriptors"]
    expected = [("classical/0", 0), *(("disco/1", i) for i in range(3)), *(("metal/1", i) for i in range(3))]
    assert keys(found) == expected
    np.testing.assert_array_equal(
        segments.pictures(found["spectrogram"], SHAPE), [small_shards.picture(*key) for key in expected]
    )
    np.testing.assert_array_equal(
        segments.descriptions(found["descriptors"]), [small_shards.described(*key) for key in expected]
    )


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("by_track", [False, True])
@pytest.mark.parametrize("seed", [None, 3])
def test_a_stream_holds_each_chosen_segment_once(shards: Shards, by_track: bool, seed: int | None):
    chosen = [name for name in TRACKS if not name.endswith("/2")]
    found = pa.concat_tables(batches(shards.stream(chosen, seed=seed, by_track=by_track)))
    assert sorted(keys(found)) == sorted((name, i) for name in chosen for i in range(TRACKS[name]))
    assert found.column_names == ["track_id", "genre", "segment", "spectrogram"]


@pytest.mark.usefixtures("ray_session")
def test_files_come_in_another_order_in_each_pass_and_alike_for_the_same_seed(tmp_path: Path):
    alone = {f"metal/{i}": 1 for i in range(8)}
    parted = small_shards.whole(str(tmp_path / "shards"), alone, n_files=8)

    def passes(seed: int) -> list[list[str]]:
        """As Ray Train takes them."""
        stream = parted.stream(list(alone), columns=(), seed=seed)
        # Or they would come as tasks end.
        stream.context.execution_options = ray.data.ExecutionOptions(preserve_order=True)
        (share,) = stream.streaming_split(1, equal=True)
        return [[name for name, _ in keys(pa.concat_tables(batches(share)))] for _ in range(2)]

    first, second = passes(seed=1)
    assert first != second
    assert sorted(first) == sorted(second) == sorted(alone)
    assert passes(seed=1) == [first, second]


SHUFFLED = {"classical/0": 3, "disco/1": 200, "metal/2": 150, "disco/3": 300, "metal/4": 2}


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """One file whose rows lie in no order; one track is longer than a block."""
    rows = [small_shards.row(name, i) for name, n in SHUFFLED.items() for i in range(n)]
    np.random.default_rng(0).shuffle(rows)
    return small_shards.write(str(tmp_path_factory.mktemp("long") / "shards"), rows)


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("target", [None, 10_000])
def test_whole_tracks_come_together_and_in_order(long: Shards, target: int | None, monkeypatch: pytest.MonkeyPatch):
    """However small the blocks that Ray would like: it cuts where it pleases."""
    before = ray.data.DataContext.get_current().target_max_block_size
    if target:
        monkeypatch.setattr(ray.data.DataContext.get_current(), "target_max_block_size", target)

    def lengths(batch: pa.Table) -> pa.Table:
        found = segments.runs(batch["track_id"]) if batch.num_rows else []
        ordered = [batch["segment"][start:end].to_pylist() == list(range(end - start)) for _, start, end in found]
        names, sizes = [name for name, _, _ in found], [end - start for _, start, end in found]
        rows = pa.array([batch.num_rows] * len(found), pa.int64())
        return pa.table(
            {
                "name": pa.array(names, pa.string()),
                "n": pa.array(sizes, pa.int64()),
                "ordered": pa.array(ordered, pa.bool_()),
                "rows": rows,
            }
        )

    stream = long.stream(list(SHUFFLED), by_track=True)
    told = pa.concat_tables(batches(stream.map_batches(lengths, batch_size=None, batch_format="pyarrow"))).to_pylist()
    assert {row["name"]: row["n"] for row in told} == SHUFFLED
    assert len(told) == len(SHUFFLED)
    assert all(row["ordered"] for row in told)
    assert ray.data.DataContext.get_current().target_max_block_size == (target or before), "others' blocks stay as they are"


def test_blocks_of_whole_tracks_are_as_small_as_they_can_be(long: Shards):
    sizes = long.sizes(list(SHUFFLED))
    (file,) = long.files
    blocks = list(segments._whole_tracks(file, pa.array(list(SHUFFLED)), ("spectrogram",), sizes))
    assert [block.num_rows for block in blocks] == [203, 300, 152]
    assert sum(block.num_rows > ROWS_A_BLOCK for block in blocks) == 1, "only what is one track"


@pytest.mark.usefixtures("ray_session")
def test_a_track_torn_over_two_files_is_refused(tmp_path: Path):
    halves = [[small_shards.row("disco/0", i), small_shards.row(f"metal/{i}", 0)] for i in range(2)]
    torn = small_shards.write(str(tmp_path / "shards"), *halves)
    everything = ["disco/0", "metal/0", "metal/1"]
    with pytest.raises(UsageError, match="the segments of track 'disco/0' lie in more than one file: build the shards anew"):
        batches(torn.stream(everything, by_track=True))
    assert len(batches(torn.stream(everything[1:], by_track=True))) == 2, "other tracks are not hurt"
    assert sum(batch.num_rows for batch in batches(torn.stream(everything))) == 4, "nor whoever takes segments alone"


def test_runs_in_exact_numbers():
    assert segments.runs(pa.chunked_array([["a", "a"], ["a", "b", "c", "c"]])) == [("a", 0, 3), ("b", 3, 4), ("c", 4, 6)]
    assert segments.runs(pa.chunked_array([["b"]])) == [("b", 0, 1)]


def test_columns_that_a_front_end_names():
    assert segments.columns_for(FRONT_END) == ("spectrogram", "descriptors")


def served(name: str) -> Served:
    torch.manual_seed(0)
    network = networks.build(name, SHAPE, len(GENRES)).train()
    x = torch.from_numpy(np.stack([small_shards.picture("disco/0", i) for i in range(8)]))
    network(x, torch.randn(8, 57), torch.tensor([8]))
    return Served((export.member(network.eval(), name, SHAPE).served,), None, FRONT_END)


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("name", ["compact", "crnn-fusion"])
def test_scores_are_those_of_each_track_alone(shards: Shards, name: str):
    model = served(name)
    chosen = {name for name in TRACKS if not name.endswith("/0")}
    found = segments.score(shards, model, chosen)
    assert found.column_names == ["track_id", "genre", "segment", "logits"]
    alone = scorer.of_served(model)
    expected = []
    for track_id in sorted(chosen):
        places = range(TRACKS[track_id])
        x = np.stack([small_shards.picture(track_id, i) for i in places])
        d = np.array([small_shards.described(track_id, i) for i in places])
        expected.append(alone(x, d))
        if name == "crnn-fusion" and len(x) > 1:
            assert not np.allclose(alone(x[1:], d[1:]), expected[-1][1:], atol=1e-3), "or the state would not matter"
    assert keys(found) == [(track_id, i) for track_id in sorted(chosen) for i in range(TRACKS[track_id])]
    np.testing.assert_allclose(np.array(found["logits"].to_pylist()), np.concatenate(expected), rtol=0, atol=1e-5)


@pytest.mark.usefixtures("ray_session")
def test_scores_of_nothing_are_refused(shards: Shards):
    with pytest.raises(UsageError, match="none of the chosen tracks is in the shards"):
        segments.score(shards, served("compact"), {"polka/0"})


def test_arrays_number_tracks_in_the_order_of_their_ids():
    logits = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    scored = pa.table({"track_id": ["b", "a", "b"], "genre": ["rock", "jazz", "rock"], "segment": [0, 0, 1], "logits": logits})
    found = segments.arrays(scored, Taxonomy(("jazz", "rock")))
    assert found.tracks.tolist() == [1, 0, 1]
    assert found.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(found.logits, np.array(logits, np.float32))


SCHEMA = pa.schema(
    [
        pa.field("track_id", pa.string()),
        pa.field("genre", pa.string()),
        pa.field("segment", pa.int32()),
        pa.field("spectrogram", pa.binary()),
        pa.field("descriptors", pa.list_(pa.float64())),
    ]
)


def some_rows(lengths: list[int]) -> pa.Table:
    found = [
        {
            "track_id": f"t{t:02d}",
            "genre": "ab"[t % 2],
            "segment": i,
            "spectrogram": bytes([t, i]),
            "descriptors": [t, i / 4, -1.0],
        }
        for t, n in enumerate(lengths)
        for i in range(n)
    ]
    return pa.Table.from_pylist(found, SCHEMA)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 5), max_size=6))
def test_rows_come_back_as_they_were(lengths: list[int]):
    before = some_rows(lengths)
    tracks = by_tracks(before)
    assert tracks.num_rows == len(lengths)
    assert tracks["track_id"].to_pylist() == [f"t{t:02d}" for t in range(len(lengths))]
    assert [len(each) for each in tracks["spectrogram"].to_pylist()] == lengths
    assert flat(tracks).equals(before)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
def test_some_tracks_in_any_order_give_their_own_rows(lengths: list[int], data: st.DataObject):
    """As batches come out of Ray's shuffling: taken, cut and in several pieces."""
    before = some_rows(lengths)
    order = data.draw(st.permutations(range(len(lengths))))
    cut = data.draw(st.integers(0, len(lengths)))
    tracks = by_tracks(before).take(order)
    pieces = pa.concat_tables([tracks.slice(0, cut), tracks.slice(cut)])
    starts = np.cumsum([0, *lengths])
    expected = [before.slice(starts[t], lengths[t]) for t in order]
    assert flat(pieces).equals(pa.concat_tables(expected))
    assert flat(tracks.slice(cut)).equals(pa.concat_tables([before.slice(0, 0), *expected[cut:]]))


def test_nothing_is_no_track():
    assert by_tracks(some_rows([])).num_rows == 0
    assert by_tracks(some_rows([])).column_names == SCHEMA.names


def test_rows_in_several_pieces_are_one_track():
    whole = some_rows([3, 2])
    assert by_tracks(pa.concat_tables([whole.slice(0, 1), whole.slice(1)])).equals(by_tracks(whole))


def test_one_genre_is_nothing_to_tell_apart(tmp_path: Path):
    shards = small_shards.whole(str(tmp_path / "shards"), {"disco/0": 2, "disco/1": 1})
    with pytest.raises(UsageError, match="are of one genre, disco: there is nothing to tell apart"):
        _ = shards.taxonomy
