"""One epoch of training or validation over batches; sums, never means of batch means."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

Batch = tuple[torch.Tensor, torch.Tensor]
"""Spectrograms [shape=(n, rows, columns), uint8] and class indices [shape=(n,), int64]."""


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy in nats and accuracy over `n` segments."""

    loss: float
    accuracy: float
    n: int


def train_epoch(model: nn.Module, batches: Iterable[Batch], optimizer: torch.optim.Optimizer) -> torch.Tensor:
    """One pass. Returns the sums [loss, correct, n] to add up over workers."""
    model.train()
    sums = torch.zeros(3, dtype=torch.float64)
    for spectrograms, labels in batches:
        logits = model(spectrograms)
        loss = functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        sums += _sums(logits.detach(), labels)
    return sums


@torch.no_grad()
def evaluate_epoch(model: nn.Module, batches: Iterable[Batch]) -> torch.Tensor:
    """One pass without learning; the same sums."""
    model.eval()
    sums = torch.zeros(3, dtype=torch.float64)
    for spectrograms, labels in batches:
        sums += _sums(model(spectrograms), labels)
    return sums


def score(sums: torch.Tensor) -> Score:
    loss, correct, n = sums.tolist()
    return Score(loss / max(n, 1), correct / max(n, 1), int(n))


def _sums(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    loss = functional.cross_entropy(logits, labels, reduction="sum").item()
    correct = (logits.argmax(1) == labels).sum().item()
    return torch.tensor([loss, correct, len(labels)], dtype=torch.float64)
