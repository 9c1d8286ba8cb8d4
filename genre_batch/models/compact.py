"""`compact`: a small CNN with global pooling, for spectrograms of any length (100 thousand parameters for ten genres)."""

import torch
from torch import nn

CHANNELS = (16, 32, 64, 128)


class Compact(nn.Module):
    """Four 3 × 3 convolutions, mean and maximum over what is left of frequency and time, one linear layer.

    Input: uint8 or float spectrograms [shape=(n, rows, columns), 0..255]. Output: logits [shape=(n, n_genres), float32].
    The levels are normalised per band inside the network, so that serving needs nothing beside it.
    """

    def __init__(self, n_rows: int, n_genres: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.bands = nn.BatchNorm1d(n_rows)
        layers: list[nn.Module] = []
        before = 1
        for i, channels in enumerate(CHANNELS):
            # The first convolution halves by its stride: pooling after it would cost half of all the arithmetic.
            layers += [nn.Conv2d(before, channels, 3, stride=2 if i == 0 else 1, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(channels), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if i else []
            before = channels
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * before, n_genres))

    def forward(self, spectrograms: torch.Tensor) -> torch.Tensor:
        maps = self.trunk(self.bands(spectrograms.float() / 255).unsqueeze(1))
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        logits: torch.Tensor = self.head(pooled)
        return logits
