"""Several views of a segment, each with an answer of its own; the network's answer is their sum."""

import functools
from collections.abc import Sequence

import torch
from torch import nn

Tensor = torch.Tensor


class Branches(nn.Module):
    """Features of each branch [shape=(n, size)] to logits [shape=(n, n_genres)]: a linear layer each, summed up.

    While training, a segment is answered by all branches or by one alone, drawn evenly: so each learns to answer by itself, and the
    easiest does not keep the others from learning (after ModDrop, Neverova et al. 2016).
    """

    def __init__(self, sizes: Sequence[int], n_genres: int, dropout: float = 0.6) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Sequential(nn.Dropout(dropout), nn.Linear(size, n_genres)) for size in sizes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        answers = [head(each) for head, each in zip(self.heads, features, strict=True)]
        if self.training:
            weights = self._weights(len(answers[0])).to(answers[0].device)
            answers = [answer * weight for answer, weight in zip(answers, weights, strict=True)]
        return functools.reduce(torch.add, answers)

    def _weights(self, n: int) -> Tensor:
        """Of each branch in each segment [shape=(n_branches, n, 1)], summing up to n_branches."""
        branches = len(self.heads)
        drawn = torch.randint(branches + 1, (n,))
        alone = nn.functional.one_hot(drawn.clamp(max=branches - 1), branches).T * float(branches)
        return torch.where(drawn == branches, torch.ones(()), alone)[:, :, None]
