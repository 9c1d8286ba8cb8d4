"""Training of a network, epoch by epoch, from wherever it stands; the same loop alone in a process and in each worker of many."""

import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from genre_batch.choices import Augmentation
from genre_batch.errors import UsageError
from genre_batch.models.augment import augment, mixed
from genre_batch.models.recipe import Recipe
from genre_batch.models.state import State

Tensor = torch.Tensor


class Diverged(UsageError):
    """A training whose numbers grew beyond all bounds: begun again it would end the same way."""


class Batch(NamedTuple):
    """Spectrograms [shape=(n, rows, columns), uint8], descriptors [shape=(n, 57), float32] or None, class indices [shape=(n,), int64], and
    for recurrent networks how many of the segments belong to each track, in order [shape=(n_tracks,), int64, on the CPU], else None."""

    spectrograms: Tensor
    descriptors: Tensor | None
    labels: Tensor
    lengths: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        described = None if self.descriptors is None else self.descriptors.to(device)
        return Batch(self.spectrograms.to(device), described, self.labels.to(device), self.lengths)


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy in nats and accuracy over `n` segments."""

    loss: float
    accuracy: float
    n: int

    @classmethod
    def of(cls, sums: Tensor) -> Self:
        """Of sums [loss, correct, n], never of means of batches."""
        loss, correct, n = sums.tolist()
        return cls(loss / max(n, 1), correct / max(n, 1), int(n))


@dataclass(frozen=True)
class Fitting:
    """What one process trains with. `model` is what is trained: `network` itself, or wrapped to share gradients with other processes.

    steps: batches an epoch. reduce: adds up sums over processes. rank: of this process, so that no two augment alike.
    """

    network: nn.Module
    model: nn.Module
    recipe: Recipe
    n_genres: int
    top_db: float
    steps: int
    seed: int
    rank: int = 0
    reduce: Callable[[Tensor], Tensor] = lambda sums: sums

    def fit(
        self,
        state: State | None,
        train: Callable[[int], Iterable[Batch]],
        valid: Callable[[], Iterable[Batch]] | None,
        after: Callable[[State], None] = lambda state: None,
    ) -> State:
        """Train until the recipe is satisfied, and call `after` with the state after each epoch.

        train: the batches of an epoch, by its number. valid: those that decide which epoch is best; without them the last is. Raises
        Diverged, in all processes that share gradients alike.
        """
        # One more network in memory, where it is another one at all.
        averaged = AveragedModel(self.network, avg_fn=self._average, use_buffers=True) if self.recipe.averaging else None
        # Biases and scales do not decay.
        groups = [
            {"params": [p for p in self.network.parameters() if (p.ndim > 1) is decays], "weight_decay": decay}
            for decays, decay in ((True, self.recipe.weight_decay), (False, 0.0))
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.recipe.learning_rate)
        if state is None:
            state = State.fresh(self.network, averaged)
        else:
            self.network.load_state_dict(state.weights)
            if averaged:
                averaged.load_state_dict(state.averaged)
            assert state.optimizer is not None
            optimizer.load_state_dict(state.optimizer)
        while not state.finished(self.recipe):
            # Seeded by epoch: an epoch is the same whether or not training was interrupted before it.
            torch.manual_seed(self.seed + 1_000_003 * state.epoch + 7919 * self.rank)
            trained = Score.of(self.reduce(self._train(train(state.epoch), optimizer, averaged, state.epoch)))
            scores = {"train_loss": trained.loss, "train_accuracy": trained.accuracy}
            loss = -float(state.epoch)
            if valid:
                score = Score.of(self.reduce(evaluate(averaged.module if averaged else self.network, valid())))
                scores |= {"valid_loss": score.loss, "valid_accuracy": score.accuracy}
                loss = score.loss
            self._refuse_diverged(state.epoch + 1, scores)
            state = state.after_epoch(self.network, averaged, optimizer, scores, loss)
            after(state)
        return state

    def _refuse_diverged(self, epoch: int, scores: dict[str, float]) -> None:
        losses = {"training loss": scores["train_loss"], "validation loss": scores.get("valid_loss", 0.0)}
        wrong = [f"the {name} is {loss}" for name, loss in losses.items() if not math.isfinite(loss)]
        # No loss of this epoch tells what its last step did. Parameters alone: statistics are not the same in all processes.
        if not all(bool(weights.isfinite().all()) for weights in self.network.parameters()):
            wrong.append("the weights are no numbers any more")
        if wrong:
            rate = self.recipe.learning_rate
            raise Diverged(f"training diverged in epoch {epoch}: {wrong[0]}; train with a learning_rate below {rate:g}")

    def _average(self, mean: Tensor, new: Tensor, n: Tensor | int) -> Tensor:
        """Exponential, and nearly plain at first: early weights are forgotten."""
        decay = min(self.recipe.averaging, (1 + float(n)) / (10 + float(n)))
        # Not a sum of two products: what does not change must stay as it is to the last bit.
        return torch.lerp(mean, new, 1 - decay) if new.is_floating_point() else new

    def _train(
        self, batches: Iterable[Batch], optimizer: torch.optim.Optimizer, averaged: AveragedModel | None, epoch: int
    ) -> Tensor:
        """One pass; sums [loss, correct, n]."""
        self.model.train()
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, (1,))))
        recipe, sums = self.recipe, torch.zeros(3, dtype=torch.float64)
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate((epoch + min(step / max(self.steps, 1), 1.0)) / recipe.epochs)
            levels = augment(batch.spectrograms, recipe.augment, recipe.strength, top_db=self.top_db, generator=generator)
            described, targets = batch.descriptors, functional.one_hot(batch.labels, self.n_genres).float()
            if Augmentation.MIXUP in recipe.augment:
                levels, described, targets = mixed(
                    levels, described, targets, recipe.strength.mixup_alpha, lengths=batch.lengths, generator=generator
                )
            with _precision(levels.device):
                logits = self.model(levels, described, batch.lengths)
            loss = functional.cross_entropy(logits.float(), targets, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if averaged:
                averaged.update_parameters(self.network)
            sums += _sums(logits.detach().float(), batch.labels)
        return sums


@torch.no_grad()
def evaluate(network: nn.Module, batches: Iterable[Batch]) -> Tensor:
    """One pass without learning; sums [loss, correct, n]."""
    network.eval()
    sums = torch.zeros(3, dtype=torch.float64)
    for batch in batches:
        with _precision(batch.labels.device):
            logits = network(batch.spectrograms, batch.descriptors, batch.lengths)
        sums += _sums(logits.float(), batch.labels)
    return sums


def _precision(device: torch.device) -> "torch.autocast | nullcontext[None]":
    """Half the bits on a GPU; on a CPU they would be fifteen times slower."""
    return torch.autocast("cuda", dtype=torch.bfloat16) if device.type == "cuda" else nullcontext()


def _sums(logits: Tensor, labels: Tensor) -> Tensor:
    loss = functional.cross_entropy(logits, labels, reduction="sum").item()
    correct = (logits.argmax(1) == labels).sum().item()
    return torch.tensor([loss, correct, len(labels)], dtype=torch.float64)
