"""Where a training stands, in memory and in a checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from genre_batch.models.recipe import Recipe

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class State:
    """After `epoch` epochs: weights, their moving average (with its count; nothing where none is kept), the averages, or weights, of the
    best epoch, and the figures of each epoch.

    `stale` counts epochs since the best one.
    """

    epoch: int
    best_loss: float
    stale: int
    weights: Weights
    averaged: Weights
    best_weights: Weights
    optimizer: dict[str, Any] | None
    history: tuple[dict[str, float], ...]

    @classmethod
    def fresh(cls, network: nn.Module, averaged: nn.Module | None) -> Self:
        weights = copied(network)
        return cls(0, float("inf"), 0, weights, copied(averaged) if averaged else {}, weights, None, ())

    def finished(self, recipe: Recipe) -> bool:
        return self.epoch >= recipe.epochs or self.stale >= recipe.patience

    def after_epoch(
        self,
        network: nn.Module,
        averaged: nn.Module | None,
        optimizer: torch.optim.Optimizer,
        scores: dict[str, float],
        loss: float,
    ) -> "State":
        """`loss` decides whether this epoch is the best so far."""
        epoch, weights = self.epoch + 1, copied(network)
        mean = copied(averaged) if averaged else {}
        better = loss < self.best_loss
        # The same tensors under the names of the network: a copy would be one more network in memory.
        best = {name.removeprefix("module."): tensor for name, tensor in mean.items() if name != "n_averaged"} or weights
        return State(
            epoch=epoch,
            best_loss=loss if better else self.best_loss,
            stale=0 if better else self.stale + 1,
            weights=weights,
            averaged=mean,
            best_weights=best if better else self.best_weights,
            optimizer=optimizer.state_dict(),
            history=(*self.history, {"epoch": float(epoch), **scores}),
        )


def copied(network: nn.Module) -> Weights:
    """A state_dict shares memory with its network, which goes on learning; these do not."""
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.state_dict().items()}


def save(state: State, folder: str) -> None:
    """Weights as safetensors; the optimizer as tensors that load without unpickling code."""
    place = Path(folder)
    for name in ("weights", "averaged", "best_weights"):
        save_file(getattr(state, name), place / f"{name}.safetensors")
    rest = {name: getattr(state, name) for name in ("epoch", "best_loss", "stale", "optimizer")}
    torch.save(rest | {"history": list(state.history)}, place / "state.pt")


def load(folder: str) -> State:
    """Tensors are read when they are looked at; the files may be removed before."""
    place = Path(folder)
    rest = torch.load(place / "state.pt", weights_only=True, map_location="cpu", mmap=True)
    weights = {name: load_file(place / f"{name}.safetensors") for name in ("weights", "averaged", "best_weights")}
    return State(**weights, **{**rest, "history": tuple(rest["history"])})
