"""Residual networks (He et al. 2015, arXiv 1512.03385): `resnet34` as published, and the two the original project called so.

`resnet34-seed` has 8 blocks where ResNet-34 has 16, and halves at the second block of each stage. `resnet34-fusion` joins the 57
descriptors of the same segment to its features. Both are the original's layer for layer, with the head mended as in `mini_vgg`.
"""

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import nn

from genre_batch.errors import UsageError
from genre_batch.models.mini_vgg import OfSpectrograms, centred, head, too_small
from genre_batch.models.network import Network, Standardised
from schemas.descriptors import NAMES

Tensor = torch.Tensor

CHANNELS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """relu(x + two 3 × 3 convolutions of x); `stride` is the first one's. A 1 × 1 convolution fits x where the shapes differ."""

    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or before != channels:
            self.shortcut = nn.Sequential(nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        joined: Tensor = self.relu(self.body(maps) + self.shortcut(maps))
        return joined


class ResNet34(OfSpectrograms):
    """3, 4, 6 and 3 blocks and a global mean, on one channel: 21,283,530 parameters with ten genres, for spectrograms of any shape."""

    def __init__(self, shape: tuple[int, int], n_genres: int) -> None:
        super().__init__(shape, n_genres)
        stem = _stem(nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False), nn.MaxPool2d(3, stride=2, padding=1))
        plan = [
            (channels, 2 if i == 0 and channels > 64 else 1)
            for channels, depth in zip(CHANNELS, (3, 4, 6, 3), strict=True)
            for i in range(depth)
        ]
        self.trunk = nn.Sequential(*stem, *_blocks(plan), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(CHANNELS[-1], n_genres)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class ResNet34Seed(OfSpectrograms):
    """The original's v7, for 512 × 512: 19,722,450 parameters with ten genres.

    Takes only the shape it was built for. Raises UsageError when built for a shape of which the poolings leave nothing.
    """

    any_length = False

    def __init__(self, shape: tuple[int, int], n_genres: int) -> None:
        super().__init__(shape, n_genres)
        self.trunk = _seed_trunk()
        self.head = head(_seed_features(shape), 1000, n_genres)


class ResNet34Fusion(Network):
    """The original's v9 and v10, for 512 × 512 and 57 descriptors: 19,779,450 parameters with ten genres.

    Descriptors come as they were measured, and the network scales them; they are of the same segments as the spectrograms, where the
    original paired them by position. Shape and errors: as `ResNet34Seed`.
    """

    inputs: ClassVar[tuple[str, ...]] = ("spectrograms", "descriptors")
    any_length = False

    def __init__(self, shape: tuple[int, int], n_genres: int) -> None:
        super().__init__(shape, n_genres)
        self.trunk = _seed_trunk()
        self.scale = Standardised()
        self.head = head(_seed_features(shape) + len(NAMES), 1000, n_genres)

    def forward(self, spectrograms: Tensor, descriptors: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        seen = self.trunk(centred(spectrograms)).flatten(1)
        logits: Tensor = self.head(torch.cat([seen, self.scale(descriptors)], dim=1))
        return logits


def _seed_trunk() -> nn.Sequential:
    """512 × 512 becomes 259, pooled 129, then 65, 33, 17 and 9, pooled 4."""
    stem = _stem(nn.Conv2d(1, 64, 2, stride=2, padding=3, bias=False), nn.MaxPool2d(2))
    plan = [(channels, stride) for channels in CHANNELS for stride in (1, 2)]
    return nn.Sequential(*stem, *_blocks(plan), nn.AvgPool2d(2))


def _seed_features(shape: tuple[int, int]) -> int:
    """How many numbers `_seed_trunk` makes of a spectrogram. Raises UsageError if none."""
    rows, columns = map(_seed_side, shape)
    if not rows or not columns:
        raise UsageError(too_small(shape, at_least=next(size for size in range(1, 99) if _seed_side(size))))
    return CHANNELS[-1] * rows * columns


def _seed_side(size: int) -> int:
    pooled = ((size + 2 * 3 - 2) // 2 + 1) // 2
    for _ in CHANNELS:
        pooled = (pooled + 1) // 2
    return pooled // 2


def _stem(convolution: nn.Conv2d, pool: nn.MaxPool2d) -> tuple[nn.Module, ...]:
    return convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU(inplace=True), pool


def _blocks(plan: Iterable[tuple[int, int]]) -> Iterable[BasicBlock]:
    """A block for each (channels, stride), after a stem of 64 channels."""
    before = 64
    for channels, stride in plan:
        yield BasicBlock(before, channels, stride)
        before = channels
