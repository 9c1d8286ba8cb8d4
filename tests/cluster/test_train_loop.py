"""What a worker trains on and says of an epoch, a training that diverges, and a recurrent network on whole tracks by two workers."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import ray
import ray._private.state
import ray.data
import torch

from genre_batch.choices import Augmentation, Protocol, Schedule
from genre_batch.cluster import segments, train, train_loop
from genre_batch.cluster.train import TrainOptions
from genre_batch.errors import UsageError
from genre_batch.models import bundle as bundles
from genre_batch.models.compact import Compact
from genre_batch.models.recipe import Recipe
from genre_batch.models.state import State
from schemas import shards as contract
from tests import rows, small_shards
from tests.running import job


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"train_loss": 1.0, "train_accuracy": 0.5}, "training loss 1.000, accuracy 0.500"),
        (
            {"train_loss": 1.0, "train_accuracy": 0.5, "valid_loss": 2.0, "valid_accuracy": 0.25},
            "validation loss 2.000, accuracy 0.250",
        ),
    ],
)
def test_what_is_said_of_an_epoch(scores: dict[str, float], said: str):
    assert train_loop._remark(scores) == said


def test_a_state_is_stored_in_one_piece_over_the_last(tmp_path: Path):
    url = str(tmp_path / "training" / "state.tar")
    assert train_loop.stored(url) is None
    network = Compact((16, 20), 2)
    optimizer = torch.optim.AdamW(network.parameters())
    reached = State.fresh(network, None)
    for loss in (2.0, 1.0):
        reached = reached.after_epoch(network, None, optimizer, {"train_loss": loss}, loss)
        train_loop.store(url, reached)
    found = train_loop.stored(url)
    assert found is not None
    assert (found.epoch, found.history) == (2, reached.history)
    assert all(torch.equal(found.best_weights[name], weights) for name, weights in network.state_dict().items())
    assert [file.name for file in (tmp_path / "training").iterdir()] == ["state.tar"]


def some(**lengths: int) -> pa.Table:
    """Segments of tracks, by name."""
    return rows.table(contract, *(small_shards.row(f"metal/{name}", i) for name, n in lengths.items() for i in range(n)))


def made(*tables: pa.Table, by_track: bool, training: bool = True) -> list[int]:
    """How many segments there are in each batch."""
    front_end, genres = small_shards.FRONT_END, small_shards.GENRES
    batches = train_loop.made(tables, front_end, genres, by_track=by_track, training=training)
    return [len(batch.labels) for batch in batches]


def test_workers_with_as_many_rows_train_on_as_many_batches():
    """Each waits for the gradients of the other in each of them."""
    one, other = ([segments.by_tracks(some(a=2, b=3)), segments.by_tracks(some(c=n))] for n in (1, 3))
    assert made(*one, by_track=True) == made(*other, by_track=True) == [5]
    assert made(*one, by_track=True, training=False) == [5, 1], "what learns nothing needs no statistics"
    assert made(*other, by_track=True, training=False) == [5, 3]
    assert made(some(a=2, b=1), some(c=1), by_track=False) == [3]
    assert made(some(a=2, b=1), some(c=1), by_track=False, training=False) == [3, 1]


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("blocks", [[12, 11, 13, 3, 5, 3], [10, 5, 12, 6, 13, 1], [47]])
def test_however_blocks_lie_all_tables_but_the_last_are_whole(blocks: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(train_loop, "SHUFFLED_SEGMENTS", 0)
    share = ray.data.from_arrow([pa.table({"x": np.arange(n)}) for n in blocks]).iterator()
    found = [table.num_rows for table in train_loop.tables(share, 5, by_track=False, seed=1)]
    assert found == [5] * 9 + [2]


@pytest.mark.usefixtures("ray_session")
def test_ray_gives_every_worker_as_many_tracks(tmp_path: Path):
    """As Ray Train splits a stream. A track that is left over is left out."""
    shards = small_shards.whole(str(tmp_path / "shards"), small_shards.tracks(a_genre=3, segments=(1, 3, 2, 5)), n_files=4)
    whole = shards.stream(list(shards.sizes(shards.tracks["track_id"].to_pylist())), seed=0, by_track=True)
    split = whole.map_batches(segments.by_tracks, batch_size=None, batch_format="pyarrow").streaming_split(2, equal=True)

    def sizes(share: "ray.data.DataIterator") -> list[int]:
        return [table.num_rows for table in train_loop.tables(share, 3, by_track=True, seed=0)]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(sizes, split)) == [[3, 1], [3, 1]]


def workers() -> int:
    """Workers that Ray Train has begun in this session, those that have ended among them."""
    return sum(actor["ActorClassName"] == "RayTrainWorker" for actor in ray._private.state.actors().values())


@pytest.mark.usefixtures("ray_session")
def test_a_training_that_diverges_ends_with_one_sentence_and_is_not_begun_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    shards = small_shards.whole(str(tmp_path / "shards"))
    places = ("--shards", shards.url, "--bundle", str(tmp_path / "bundle"))
    wild = ("--network", "timbre", "--batch-size", "4", "--learning-rate", "1e30")
    before = workers()
    ended = job(capfd, "train-network", *places, *wild)
    assert workers() == before + 1
    said = [line for line in ended.err.splitlines() if line.startswith("error")]
    message = "error: training diverged in epoch 1: the training loss is nan; train with a learning_rate below 1e+30"
    assert (ended.code, said) == (2, [message]), ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "bundle").exists()
    assert not list(tmp_path.rglob("state.tar"))


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        ("compact", {"workers": 30}, r"^20 segments to train on are too few for 30 worker\(s\), which need 2 each$"),
        ("compact", {"workers": 10}, r"segments to stop by are too few for 10 worker\(s\), which need 1 each$"),
        ("compact", {"n_folds": 5, "split": Protocol.RANDOM}, "^--split random would put segments of one track on both sides"),
        ("mini-vgg-v5", {}, "^mini-vgg-v5 takes only spectrograms as long as it was built for"),
    ],
)
def test_what_cannot_be_trained_is_refused_before(network: str, options: dict[str, object], message: str, tmp_path: Path):
    shards = small_shards.whole(str(tmp_path / "shards"))
    asked = TrainOptions(
        **{"network": network, "split": Protocol.ARTIST, "recipe": Recipe(), "seed": 0, "workers": 1} | options
    )
    with pytest.raises(UsageError, match=message):
        train.train_network(
            shards_url=shards.url, bundle_url=str(tmp_path / "bundle"), checkpoints=str(tmp_path / "training"), options=asked
        )


@pytest.mark.usefixtures("ray_session")
def test_two_workers_train_on_whole_tracks(tmp_path: Path):
    shards = small_shards.whole(str(tmp_path / "shards"), n_files=4)
    recipe = Recipe(
        epochs=3, batch_size=4, learning_rate=5e-3, schedule=Schedule.CONSTANT, averaging=0.5, augment=tuple(Augmentation)
    )
    options = TrainOptions(network="crnn-fusion", split=Protocol.ARTIST, recipe=recipe, seed=0, workers=2)
    ctrl_c = signal.getsignal(signal.SIGINT)
    trained = train.train_network(
        shards_url=shards.url, bundle_url=str(tmp_path / "bundle"), checkpoints=str(tmp_path / "training"), options=options
    )
    assert signal.getsignal(signal.SIGINT) is ctrl_c, "Ray's own handler ends the job with 1"
    made = bundles.load(str(tmp_path / "bundle"))
    history = made.facts["provenance"]["history"]
    assert (trained.epochs, [scores["epoch"] for scores in history]) == (3, [1, 2, 3])
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert made.served.by_track
    (member,) = made.members
    assert (member.model, member.inputs) == ("crnn-fusion", ("spectrograms", "descriptors", "state"))
    assert made.facts["provenance"]["options"]["recipe"] == recipe.to_dict()
    assert trained.metrics.keys() == {"valid", "test"}
    assert sorted(set(made.split["part"].to_pylist())) == ["test", "train", "valid"]
    assert len(list(tmp_path.glob("training/*/tensorboard/events*"))) == 3
