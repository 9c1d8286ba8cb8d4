"""`crnn`: features of each segment into a recurrent network over the segments of a track, after Choi et al. (ICASSP 2017).

The original planned one and never trained it. Its state is carried from segment to segment, so that a label can be updated while a track
plays; each answer rests on all that was heard until then.
"""

from typing import ClassVar

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from genre_batch.models import gru
from genre_batch.models.branches import Branches
from genre_batch.models.compact import Encoder
from genre_batch.models.network import RecurrentNetwork

Tensor = torch.Tensor

HIDDEN = 64


class Crnn(RecurrentNetwork):
    """The encoder of `compact`, whose features go through a GRU over segments; its state is one more branch that answers."""

    state_shape = (1, HIDDEN)

    def __init__(self, shape: tuple[int, int], n_genres: int) -> None:
        super().__init__(shape, n_genres)
        self.encoder = Encoder(shape[0], described="descriptors" in self.inputs)
        self.dropout = nn.Dropout(0.5)
        self.gru = nn.GRU(sum(self.encoder.sizes), HIDDEN, batch_first=True)
        self.branches = Branches((*self.encoder.sizes, HIDDEN), n_genres)

    def forward(self, spectrograms: Tensor, descriptors: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        features = self.encoder(spectrograms, descriptors)
        by_track = [len(spectrograms)] if lengths is None else lengths.tolist()
        padded = pad_sequence(list(self._joined(features).split(by_track)), batch_first=True)
        states, _ = self.gru(padded)
        heard = torch.cat([states[i, :n] for i, n in enumerate(by_track)])
        logits: Tensor = self.branches([*features, heard])
        return logits

    def advance(self, spectrograms: Tensor, descriptors: Tensor | None, state: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder(spectrograms, descriptors)
        heard, after = gru.advance(self.gru, self._joined(features), state)
        return self.branches([*features, heard]), after

    def _joined(self, features: list[Tensor]) -> Tensor:
        joined: Tensor = self.dropout(torch.cat(features, dim=1))
        return joined


class CrnnFusion(Crnn):
    """`crnn` that also looks at the 57 descriptors of each segment."""

    inputs: ClassVar[tuple[str, ...]] = ("spectrograms", "descriptors")
