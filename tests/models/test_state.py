"""Where a training stands comes back from a checkpoint as it was; nothing in it is unpickled."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from genre_batch.models import state
from genre_batch.models.recipe import Recipe
from genre_batch.models.state import State

RECIPE = Recipe(epochs=5, patience=2)


def parts() -> tuple[nn.Module, AveragedModel, torch.optim.Optimizer]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).to(memory_format=torch.channels_last)
    averaged = AveragedModel(network, use_buffers=True)
    optimizer = torch.optim.AdamW([{"params": list(network.parameters()), "weight_decay": 0.1}], lr=0.01)
    for _ in range(2):
        network(torch.randn(4, 1, 5, 5)).square().mean().backward()
        optimizer.step()
        averaged.update_parameters(network)
    return network, averaged, optimizer


def trained(*losses: float) -> State:
    network, averaged, optimizer = parts()
    reached = State.fresh(network, averaged)
    for loss in losses:
        with torch.no_grad():
            averaged.module[0].bias += 1
        reached = reached.after_epoch(network, averaged, optimizer, {"train_loss": loss / 3}, loss)
    return reached


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_beginning():
    network, averaged, _ = parts()
    fresh = State.fresh(network, averaged)
    assert (fresh.epoch, fresh.best_loss, fresh.stale, fresh.history, fresh.optimizer) == (0, float("inf"), 0, (), None)
    assert same(fresh.weights, network.state_dict())
    assert same(fresh.averaged, averaged.state_dict())
    assert not fresh.finished(RECIPE)


def test_the_best_epoch_is_kept():
    after = [trained(*[3.0, 2.0, 2.5, 2.0, 1.0][:n]) for n in range(6)]
    assert [each.best_loss for each in after[1:]] == [3.0, 2.0, 2.0, 2.0, 1.0]
    assert [each.stale for each in after] == [0, 0, 0, 1, 2, 0], "as good is not better"
    assert same(after[3].best_weights, after[2].best_weights)
    assert not same(after[5].best_weights, after[2].best_weights)
    expected = {name.removeprefix("module."): value for name, value in after[5].averaged.items() if name != "n_averaged"}
    assert same(after[5].best_weights, expected)
    assert after[5].best_weights.keys() == after[5].weights.keys()


def test_without_an_average_the_weights_themselves_are_kept(tmp_path: Path):
    network, _, optimizer = parts()
    reached = State.fresh(network, None).after_epoch(network, None, optimizer, {}, 1.0)
    state.save(reached, str(tmp_path))
    found = state.load(str(tmp_path))
    assert found.averaged == reached.averaged == {}
    assert same(found.best_weights, network.state_dict())
    with torch.no_grad():
        network[0].bias += 1
    later = found.after_epoch(network, None, optimizer, {}, 2.0)
    assert same(later.weights, network.state_dict())
    assert same(later.best_weights, found.best_weights), "not the best epoch"


def test_what_was_loaded_needs_its_files_no_more(tmp_path: Path):
    before = trained(3.0, 2.0)
    state.save(before, str(tmp_path))
    found = state.load(str(tmp_path))
    for file in tmp_path.iterdir():
        file.unlink()
    assert same(found.best_weights, before.best_weights)
    assert found.optimizer is not None
    assert before.optimizer is not None
    assert same(found.optimizer["state"][0], before.optimizer["state"][0])


def test_history_counts_epochs():
    assert trained(3.0, 6.0).history == ({"epoch": 1.0, "train_loss": 1.0}, {"epoch": 2.0, "train_loss": 2.0})


@pytest.mark.parametrize(
    ("losses", "finished"),
    [
        ((3.0,), False),
        ((3.0, 4.0), False),
        ((3.0, 4.0, 4.0), True),
        ((5.0, 4.0, 3.0, 2.0), False),
        ((5.0, 4.0, 3.0, 2.0, 1.0), True),
    ],
)
def test_the_end_is_the_last_epoch_or_the_end_of_patience(losses: tuple[float, ...], finished: bool):
    assert trained(*losses).finished(RECIPE) is finished


def test_weights_do_not_go_on_learning():
    network, averaged, optimizer = parts()
    reached = State.fresh(network, averaged).after_epoch(network, averaged, optimizer, {}, 1.0)
    before = {name: value.clone() for name, value in reached.weights.items()}
    with torch.no_grad():
        for value in (*network.state_dict().values(), *averaged.state_dict().values()):
            value.add_(1)
    assert same(reached.weights, before)
    assert same(reached.best_weights, {k.removeprefix("module."): v for k, v in reached.averaged.items() if k != "n_averaged"})
    assert not same(reached.averaged, averaged.state_dict())


@pytest.mark.parametrize("losses", [(), (3.0, 2.0, 4.0)])
def test_a_checkpoint_is_whole(tmp_path: Path, losses: tuple[float, ...]):
    before = trained(*losses)
    state.save(before, str(tmp_path))
    found = state.load(str(tmp_path))
    for name in ("weights", "averaged", "best_weights"):
        assert same(getattr(found, name), getattr(before, name)), name
    for name in ("epoch", "best_loss", "stale", "history"):
        assert getattr(found, name) == getattr(before, name), name
    if before.optimizer is not None:
        assert found.optimizer is not None
        assert found.optimizer["param_groups"] == before.optimizer["param_groups"]
        for i, values in before.optimizer["state"].items():
            assert same(found.optimizer["state"][i], values)


def test_an_optimizer_goes_on_from_it(tmp_path: Path):
    network, averaged, optimizer = parts()
    state.save(State.fresh(network, averaged).after_epoch(network, averaged, optimizer, {}, 1.0), str(tmp_path))
    found = state.load(str(tmp_path))
    other = torch.optim.AdamW([{"params": list(parts()[0].parameters()), "weight_decay": 0.0}], lr=1.0)
    assert found.optimizer is not None
    other.load_state_dict(found.optimizer)
    assert (other.param_groups[0]["lr"], other.param_groups[0]["weight_decay"]) == (0.01, 0.1)
    assert other.state_dict()["state"][0]["step"] == 2


class Bomb:
    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.crater,)


def test_nothing_is_unpickled(tmp_path: Path):
    state.save(trained(1.0), str(tmp_path))
    torch.save({"epoch": 1, "optimizer": Bomb(tmp_path / "crater")}, tmp_path / "state.pt")
    with pytest.raises(pickle.UnpicklingError):
        state.load(str(tmp_path))
    assert not (tmp_path / "crater").exists()
    torch.load(tmp_path / "state.pt", weights_only=False)
    assert (tmp_path / "crater").exists(), "or the bomb would be a dud"
