"""What a worker says of an epoch, and a recurrent network trained on whole tracks by two workers."""

from pathlib import Path

import pytest
import torch

from genre_batch.choices import Augmentation, Protocol, Schedule
from genre_batch.cluster import train, train_loop
from genre_batch.cluster.train import TrainOptions
from genre_batch.models import bundle as bundles
from genre_batch.models.compact import Compact
from genre_batch.models.recipe import Recipe
from genre_batch.models.state import State
from tests import small_shards


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


@pytest.mark.usefixtures("ray_session")
def test_two_workers_train_on_whole_tracks(tmp_path: Path):
    shards = small_shards.whole(str(tmp_path / "shards"), n_files=4)
    recipe = Recipe(
        epochs=3, batch_size=4, learning_rate=5e-3, schedule=Schedule.CONSTANT, averaging=0.5, augment=tuple(Augmentation)
    )
    options = TrainOptions(network="crnn-fusion", split=Protocol.ARTIST, recipe=recipe, seed=0, workers=2)
    trained = train.train_network(
        shards_url=shards.url, bundle_url=str(tmp_path / "bundle"), checkpoints=str(tmp_path / "training"), options=options
    )
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
