"""Statistics of a spectrogram over time, as part of a network: what a band does, how bands go together, and how they pulse.

Means and deviations of bands and cepstral coefficients are the classical description of timbre (Tzanetakis and Cook 2002); correlations
after Mandel and Ellis (2005), modulation spectra after McKinney and Breebaart (2003).
"""

import math

import torch
from torch import nn
from torch.nn import functional

Tensor = torch.Tensor

N_CEPSTRAL = 30
N_COVARIANCE = 16
"""The lowest cepstral coefficients, whose correlations are told."""
GROUP = 4
"""Bands summed up before their pulse is measured."""
WINDOW = 64
"""Columns of one look at the pulse."""
CYCLES = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 31)
"""Pulses measured, per window."""
LEAST = 1e-6


class Statistics(nn.Module):
    """[shape=(n, rows, columns), float, levels 0..1] to [shape=(n, size), float32]. No parameters; columns must be at least WINDOW, or are
    filled up by repetition."""

    cosines: Tensor
    pulses: Tensor
    pairs: Tensor

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.n_cepstral, self.n_covariance = min(N_CEPSTRAL, rows), min(N_COVARIANCE, rows)
        self.groups = max(1, rows // GROUP)
        places = torch.arange(rows)
        cosines = torch.cos(math.pi * (places + 0.5) * torch.arange(self.n_cepstral)[:, None] / rows) * math.sqrt(2 / rows)
        cosines[0] /= math.sqrt(2)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("pairs", torch.triu_indices(self.n_covariance, self.n_covariance, 1), persistent=False)
        angles = 2 * math.pi * torch.tensor(CYCLES)[:, None] * torch.arange(WINDOW) / WINDOW
        window = torch.hann_window(WINDOW, periodic=False)
        self.register_buffer("pulses", (torch.cat([angles.cos(), angles.sin()]) * window)[:, None], persistent=False)
        self.size = 3 * rows + 2 * self.n_cepstral + self.pairs.shape[1] + self.groups * len(CYCLES)

    def forward(self, levels: Tensor) -> Tensor:
        mean = levels.mean(2, keepdim=True)
        bands = levels - mean
        cepstra = self.cosines @ bands
        told = [mean[:, :, 0], _deviation(bands), _change(levels), _deviation(cepstra), _change(cepstra)]
        lowest = cepstra[:, : self.n_covariance] / _deviation(cepstra[:, : self.n_covariance])[:, :, None]
        correlations = lowest @ lowest.transpose(1, 2) / levels.shape[2]
        told.append(correlations[:, self.pairs[0], self.pairs[1]])
        told.append(self._pulse(bands))
        return torch.cat(told, dim=1)

    def _pulse(self, bands: Tensor) -> Tensor:
        """Logarithm of the power of each pulse in each group of bands."""
        n, rows, columns = bands.shape
        groups = bands[:, : self.groups * (rows // self.groups)].reshape(n, self.groups, -1, columns).mean(2)
        lines = groups.reshape(n * self.groups, 1, columns)
        if columns < WINDOW:
            lines = lines.repeat(1, 1, -(-WINDOW // columns))
        waves = functional.conv1d(lines, self.pulses, stride=WINDOW // 4)
        cosine, sine = waves.chunk(2, dim=1)
        power = (cosine.square() + sine.square()).mean(2)
        return torch.log(power + 1e-3).reshape(n, -1)


def _deviation(lines: Tensor) -> Tensor:
    """Over time, of lines whose mean is 0."""
    return (lines.square().mean(2) + LEAST).sqrt()


def _change(lines: Tensor) -> Tensor:
    """Deviation of the difference between neighbouring columns."""
    return ((lines[:, :, 1:] - lines[:, :, :-1]).square().mean(2) + LEAST).sqrt()
