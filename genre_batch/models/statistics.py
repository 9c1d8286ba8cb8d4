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
        first, second = torch.triu_indices(self.n_covariance, self.n_covariance, 1)
        self.register_buffer("pairs", first * self.n_covariance + second, persistent=False)
        angles = 2 * math.pi * torch.tensor(CYCLES)[:, None] * torch.arange(WINDOW) / WINDOW
        window = torch.hann_window(WINDOW, periodic=False)
        # A matrix, for weights of four dimensions could be laid out channels last, and of those oneDNN convolves wrongly where one window
        # is all that there is room for.
        self.register_buffer("pulses", torch.cat([angles.cos(), angles.sin()]) * window, persistent=False)
        self.size = 3 * rows + 2 * self.n_cepstral + len(self.pairs) + self.groups * len(CYCLES)

    def forward(self, levels: Tensor) -> Tensor:
        mean = levels.mean(2)
        bands = levels - mean[:, :, None]
        cepstra = self.cosines @ bands
        deviation = _deviation(cepstra)
        lowest = cepstra[:, : self.n_covariance] / deviation[:, : self.n_covariance, None]
        correlations = (lowest @ lowest.transpose(1, 2) / levels.shape[2]).flatten(1).index_select(1, self.pairs)
        told = [mean, _deviation(bands), _change(levels), deviation, _change(cepstra), correlations, self._pulse(bands)]
        return torch.cat(told, dim=1)

    def _pulse(self, bands: Tensor) -> Tensor:
        """Logarithm of the power of each pulse in each group of bands."""
        n, rows, columns = bands.shape
        groups = bands[:, : self.groups * (rows // self.groups)].reshape(n, self.groups, -1, columns).mean(2)
        if columns < WINDOW:
            groups = groups.repeat(1, 1, -(-WINDOW // columns))
        # All groups in one matrix product; a convolution of each alone takes four times as long.
        waves = functional.conv2d(groups.unsqueeze(1), self.pulses[:, None, None], stride=(1, WINDOW // 4))
        cosine, sine = waves.chunk(2, dim=1)
        power = (cosine * cosine + sine * sine).mean(3)
        return torch.log(power + 1e-3).transpose(1, 2).flatten(1)


def _deviation(lines: Tensor) -> Tensor:
    """Over time, from 0."""
    # Not square(): ONNX has only a power for it, which takes twice as long as a product.
    return ((lines * lines).mean(2) + LEAST).sqrt()


def _change(lines: Tensor) -> Tensor:
    """Deviation of the difference between neighbouring columns."""
    return _deviation(lines[:, :, 1:] - lines[:, :, :-1])
