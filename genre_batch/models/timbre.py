"""`timbre`: statistics of the spectrogram and one hidden layer, without convolutions; knows nearly all that `compact` knows."""

import torch

from genre_batch.models.branches import Branches
from genre_batch.models.compact import TOLD, layer
from genre_batch.models.network import Network
from genre_batch.models.statistics import Statistics

Tensor = torch.Tensor


class Timbre(Network):
    """Trained in a tenth of the time of `compact`."""

    def __init__(self, shape: tuple[int, int], n_genres: int) -> None:
        super().__init__(shape, n_genres)
        self.statistics = Statistics(shape[0])
        self.told = layer(self.statistics.size, TOLD, most=4.0)
        self.branches = Branches([TOLD], n_genres)

    def forward(self, spectrograms: Tensor, descriptors: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        logits: Tensor = self.branches([self.told(self.statistics(spectrograms.float() / 255))])
        return logits
