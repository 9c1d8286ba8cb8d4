"""`mini-vgg-v5` and `mini-vgg-v6`: the original project's plain CNNs, after VGG (Simonyan and Zisserman 2014).

Nearly all their weights lie in one linear layer over the flattened maps, so each is tied to one shape of spectrogram. They are the
original's layer for layer but for one mended defect: its heads dropped whole segments, for `Dropout1d` takes the first axis of a
matrix for channels; these drop features.
"""

from typing import ClassVar

import torch
from torch import nn

from genre_batch.errors import UsageError
from genre_batch.models.network import Network

Tensor = torch.Tensor

DROPOUT = 0.25


class OfSpectrograms(Network):
    """A `head` over what a `trunk` of convolutions makes of spectrograms alone."""

    trunk: nn.Module
    head: nn.Module

    def forward(self, spectrograms: Tensor, descriptors: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        logits: Tensor = self.head(self.trunk(centred(spectrograms)))
        return logits


class MiniVgg(OfSpectrograms):
    """A block for each of `channels`: two 3 × 3 convolutions, each with ReLU and then batch normalisation, and pooling that halves.

    Takes only the shape it was built for. Raises UsageError when built for a shape of which the halvings leave nothing.
    """

    any_length = False
    channels: ClassVar[tuple[int, ...]]

    def __init__(self, shape: tuple[int, int], n_genres: int) -> None:
        super().__init__(shape, n_genres)
        halvings = len(self.channels)
        rows, columns = (size >> halvings for size in shape)
        if not rows or not columns:
            raise UsageError(too_small(shape, at_least=1 << halvings))
        befores = (1, *self.channels[:-1])
        self.trunk = nn.Sequential(*(_block(*pair) for pair in zip(befores, self.channels, strict=True)))
        self.head = head(self.channels[-1] * rows * columns, 512, n_genres)


class MiniVggV5(MiniVgg):
    """For 480 × 640: 314,866,794 parameters with ten genres."""

    channels = (32, 64, 128)


class MiniVggV6(MiniVgg):
    """For 512 × 512: 71,831,146 parameters with ten genres."""

    channels = (32, 64, 128, 256, 512)


def centred(spectrograms: Tensor) -> Tensor:
    """Levels 0..255 [shape=(n, rows, columns)] as one channel [shape=(n, 1, rows, columns), float32, -1..1]."""
    return (spectrograms.float() / 127.5 - 1).unsqueeze(1)


def head(n_features: int, hidden: int, n_genres: int) -> nn.Sequential:
    """Maps or features to logits, by one hidden layer."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(n_features, hidden),
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(hidden),
        nn.Dropout(DROPOUT),
        nn.Linear(hidden, n_genres),
    )


def too_small(shape: tuple[int, int], at_least: int) -> str:
    """What to say of spectrograms that pooling leaves nothing of."""
    return (
        f"spectrograms of {shape[0]} × {shape[1]} are too small for this network: build shards with a front end that gives at least "
        f"{at_least} × {at_least}, or choose the network compact"
    )


def _block(before: int, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (before, channels):
        layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU(inplace=True), nn.BatchNorm2d(channels)]
    return nn.Sequential(*layers, nn.MaxPool2d(2), nn.Dropout2d(DROPOUT))
