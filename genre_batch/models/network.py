"""What every network is: segments in, logits out, whatever else it looks at."""

from typing import ClassVar

import torch
from torch import nn

from genre_batch.errors import UsageError
from schemas.descriptors import NAMES

Tensor = torch.Tensor


class Network(nn.Module):
    """forward(spectrograms, descriptors, lengths) gives logits [shape=(n, n_genres), float32].

    spectrograms [shape=(n, rows, columns), uint8 or float levels 0..255]; descriptors [shape=(n, 57), float32], looked at only where
    `inputs` names them; lengths: how many of the segments belong to each track, in order [shape=(n_tracks,), int64], looked at only by
    recurrent networks, which without it take all segments for one track.
    """

    inputs: ClassVar[tuple[str, ...]] = ("spectrograms",)
    recurrent: ClassVar[bool] = False
    any_length: ClassVar[bool] = True
    """Whether it takes spectrograms of other lengths than it was built for, as crops are."""

    def __init__(self, shape: tuple[int, int], n_genres: int) -> None:
        """shape: rows and columns of a spectrogram."""
        super().__init__()


class RecurrentNetwork(Network):
    """A network that carries a state from segment to segment of a track."""

    recurrent: ClassVar[bool] = True
    state_shape: tuple[int, ...]

    def advance(self, spectrograms: Tensor, descriptors: Tensor | None, state: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the next segments of one track, and the state after them; zeros are the state before the first."""
        raise NotImplementedError


class Standardised(nn.BatchNorm1d):
    """Descriptors brought to mean 0 and deviation 1 by what training has seen, without parameters, and never further than `most` from 0:
    one that training knew as nearly constant must not drown the others."""

    def __init__(self, n: int = len(NAMES), most: float = 5.0) -> None:
        # In GTZAN the descriptors' variances run from 1e-6 (perceptr_mean) to 2e12 (rolloff_var). The usual eps would flatten the
        # smallest, and the usual running mean, which starts at 1, be long in reaching either; the mean over all steps is right at once.
        super().__init__(n, eps=1e-12, momentum=None, affine=False)
        self.most = most

    def forward(self, values: Tensor | None) -> Tensor:
        if values is None:
            raise UsageError("this network looks at descriptors, and there are none: build the shards with --descriptors")
        return super().forward(values).clamp(-self.most, self.most)
