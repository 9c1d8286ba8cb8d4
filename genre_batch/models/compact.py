"""`compact`: a small CNN with global pooling, beside statistics of the spectrogram, for spectrograms of any length."""

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from genre_batch.models.branches import Branches
from genre_batch.models.network import Network, Standardised
from genre_batch.models.statistics import Statistics
from schemas.descriptors import NAMES

Tensor = torch.Tensor

CHANNELS = (16, 32, 64)
PLACES = 96
"""Features of each moment, in the convolutional branch."""
TOLD = 192
"""What statistics are brought to."""
DESCRIBED = 64
"""What descriptors are brought to."""


class OverRows(nn.Conv1d):
    """One layer over all that a moment holds: [shape=(n, channels, rows, columns)] to [shape=(n, to, 1, columns)].

    A convolution as high as its maps, so that ONNX Runtime hands them on as the one before left them; its weights are those of a
    convolution over time of maps whose rows were laid end to end.
    """

    def forward(self, maps: Tensor) -> Tensor:
        return functional.conv2d(maps, self.weight.unflatten(1, maps.shape[1:3]))


class Convolutions(nn.Module):
    """[shape=(n, rows, columns), levels 0..1] to features [shape=(n, 2 * PLACES)].

    Three 3 × 3 convolutions, one layer over all that is left of the rows, then mean and deviation over time. Rows stay apart until that
    layer, for a genre's bands are not each other's.
    """

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.bands = nn.BatchNorm1d(rows)
        layers: list[nn.Module] = []
        before, left = 1, -(-rows // 2)
        for i, channels in enumerate(CHANNELS):
            # The first convolution halves by its stride, and pooling follows at once: elsewhere they would cost most of all the arithmetic.
            layers += [nn.Conv2d(before, channels, 3, stride=1 if i else 2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(channels), nn.ReLU()]
            if i < len(CHANNELS) - 1:
                layers += [nn.MaxPool2d(2)]
                left //= 2
            before = channels
        self.trunk = nn.Sequential(*layers)
        self.places = nn.Sequential(
            nn.Dropout(0.2), OverRows(before * left, PLACES, 1, bias=False), nn.BatchNorm2d(PLACES), nn.ReLU()
        )

    def forward(self, levels: Tensor) -> Tensor:
        maps = self.places(self.trunk(self.bands(levels).unsqueeze(1))).squeeze(2)
        mean = maps.mean(2)
        apart = maps - mean[:, :, None]
        deviation = ((apart * apart).mean(2) + 1e-5).sqrt()
        return torch.cat([mean, deviation], dim=1)


class Encoder(nn.Module):
    """Spectrograms [shape=(n, rows, columns), levels 0..255], and descriptors [shape=(n, 57)] where `described`, to the features of each
    branch, [shape=(n, size)] for each of `sizes`. Everything is normalised inside, so that serving needs nothing beside it."""

    def __init__(self, rows: int, *, described: bool = False) -> None:
        super().__init__()
        self.convolutions = Convolutions(rows)
        self.statistics = Statistics(rows)
        self.told = layer(self.statistics.size, TOLD, most=4.0)
        self.described = layer(len(NAMES), DESCRIBED, most=5.0) if described else None
        self.sizes = (2 * PLACES, TOLD, *((DESCRIBED,) if described else ()))

    def forward(self, spectrograms: Tensor, descriptors: Tensor | None = None) -> list[Tensor]:
        levels = spectrograms.float() / 255
        features = [self.convolutions(levels), self.told(self.statistics(levels))]
        return [*features, self.described(descriptors)] if self.described is not None else features


class Compact(Network):
    """The encoder's branches, each with an answer of its own."""

    def __init__(self, shape: tuple[int, int], n_genres: int) -> None:
        super().__init__(shape, n_genres)
        self.encoder = Encoder(shape[0], described="descriptors" in self.inputs)
        self.branches = Branches(self.encoder.sizes, n_genres)

    def forward(self, spectrograms: Tensor, descriptors: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        logits: Tensor = self.branches(self.encoder(spectrograms, descriptors))
        return logits


class CompactFusion(Compact):
    """`compact` that also looks at the 57 descriptors of the same segment."""

    inputs: ClassVar[tuple[str, ...]] = ("spectrograms", "descriptors")


def layer(size: int, to: int, *, most: float) -> nn.Module:
    """Numbers of any scale [shape=(n, size)] to features [shape=(n, to)]."""
    return nn.Sequential(Standardised(size, most), nn.Dropout(0.3), nn.Linear(size, to), nn.BatchNorm1d(to), nn.ReLU())
