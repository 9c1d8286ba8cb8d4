"""What is done to spectrograms while a network is trained, so that it cannot learn them by heart: on levels, 0..255 = -top_db..0 dB."""

from collections.abc import Collection

import numpy as np
import torch
from torch.nn import functional

from genre_batch.choices import Augmentation
from genre_batch.models.recipe import Strength

Tensor = torch.Tensor

LEVELS = 255.0


def augment(
    spectrograms: Tensor, parts: Collection[Augmentation], strength: Strength, *, top_db: float, generator: torch.Generator
) -> Tensor:
    """A batch as the network sees it: [shape=(n, rows, columns), uint8] to [shape=(n, rows, columns or fewer), float32, 0..255].

    Every segment is drawn for by itself, with `generator`, which lives on the CPU. Mixup is `mixed`, for it changes the answers too.
    """
    levels = spectrograms.float()
    draw = _Draw(len(levels), levels.device, generator)
    if Augmentation.CROP in parts:
        levels = _cropped(levels, strength, draw)
    if Augmentation.STRETCH in parts:
        levels = _stretched(levels, strength, draw)
    if Augmentation.SHIFT in parts:
        rows = levels.shape[1]
        places = torch.arange(rows, device=levels.device) + draw.between(-strength.shift_bands, strength.shift_bands)[:, None]
        levels = _resampled(levels, places)
    if Augmentation.GAIN in parts:
        levels = _louder(levels, draw.normal(1) * strength.gain_db * (LEVELS / top_db))
    if Augmentation.EQUALISER in parts:
        points = draw.normal(strength.equaliser_points) * strength.equaliser_db * (LEVELS / top_db)
        curve = functional.interpolate(points[:, None], size=levels.shape[1], mode="linear", align_corners=True)[:, 0]
        levels = _louder(levels, curve)
    if Augmentation.SPECAUGMENT in parts:
        for _ in range(strength.masks):
            levels = _masked(levels, 1, strength.mask_bands, draw)
            levels = _masked(levels, 2, strength.mask_columns, draw)
    return levels


def mixed(
    levels: Tensor,
    descriptors: Tensor | None,
    targets: Tensor,
    alpha: float,
    *,
    lengths: Tensor | None,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Mixup (Zhang et al. 2018): each example blended with another of its batch, all that is known of it alike: levels
    [shape=(n, rows, columns)], descriptors [shape=(n, 57)], targets [shape=(n, n_genres)]. The larger share is its own.

    An example is a segment or, with `lengths` (segments of each track), a whole track, whose partner is repeated as needed.
    """
    n = len(levels) if lengths is None else len(lengths)
    shares = torch.from_numpy(_numpy(generator).beta(alpha, alpha, size=n)).float()
    shares = torch.maximum(shares, 1 - shares).to(levels.device)
    partner = torch.randperm(n, generator=generator)
    if lengths is not None:
        starts = torch.cumsum(lengths, 0) - lengths
        tracks = torch.repeat_interleave(torch.arange(n), lengths)
        places = torch.arange(len(levels)) - starts[tracks]
        partner = starts[partner][tracks] + places % lengths[partner][tracks]
        shares = shares[tracks.to(levels.device)]
    partner = partner.to(levels.device)

    def blended(values: Tensor) -> Tensor:
        own = shares.reshape(-1, *[1] * (values.ndim - 1))
        return values * own + values[partner] * (1 - own)

    return blended(levels), None if descriptors is None else blended(descriptors), blended(targets)


def columns_kept(columns: int, strength: Strength) -> int:
    """How many of them a crop leaves."""
    return max(1, round(columns * strength.crop_share))


class _Draw:
    """Random numbers for each of n segments, drawn on the CPU so that they are the same on every device."""

    def __init__(self, n: int, device: torch.device, generator: torch.Generator) -> None:
        self.n, self.device, self.generator = n, device, generator

    def between(self, low: float, high: float) -> Tensor:
        """[shape=(n,)]"""
        return low + (high - low) * torch.rand(self.n, generator=self.generator).to(self.device)

    def normal(self, size: int) -> Tensor:
        """[shape=(n, size)]"""
        return torch.randn(self.n, size, generator=self.generator).to(self.device)


def _numpy(generator: torch.Generator) -> "np.random.Generator":
    return np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))


def _cropped(levels: Tensor, strength: Strength, draw: _Draw) -> Tensor:
    """Another part of each segment: whole columns, for between two columns statistics of change would be others."""
    columns = levels.shape[2]
    kept = columns_kept(columns, strength)
    starts = (draw.between(0, 1) * (columns - kept + 1)).long().clamp(max=columns - kept)
    places = starts[:, None] + torch.arange(kept, device=levels.device)
    return levels.gather(2, places[:, None, :].expand(-1, levels.shape[1], -1))


def _stretched(levels: Tensor, strength: Strength, draw: _Draw) -> Tensor:
    """Played a little faster or slower about the middle; past the ends the last column stands still."""
    columns = levels.shape[2]
    middle = (columns - 1) / 2
    speed = 1 + draw.between(-strength.stretch, strength.stretch)[:, None]
    places = middle + (torch.arange(columns, device=levels.device) - middle) * speed
    return _resampled(levels.transpose(1, 2), places).transpose(1, 2)


def _resampled(levels: Tensor, places: Tensor) -> Tensor:
    """Lines of the second axis at fractional places [shape=(n, m)], between two neighbours; past the ends the last line."""
    last = levels.shape[1] - 1
    places = places.clamp(0, last)
    below = places.floor()
    share = (places - below)[:, :, None]
    segments = torch.arange(len(levels), device=levels.device)[:, None]
    first = below.long()
    return levels[segments, first] * (1 - share) + levels[segments, (first + 1).clamp(max=last)] * share


def _louder(levels: Tensor, by: Tensor) -> Tensor:
    """by: levels added to each band [shape=(n, rows or 1)]; silence stays silent."""
    return torch.where(levels > 0, (levels + by[:, :, None]).clamp(0, LEVELS), levels)


def _masked(levels: Tensor, axis: int, widest: float, draw: _Draw) -> Tensor:
    """SpecAugment (Park et al. 2019): a stripe of each segment is replaced by the segment's mean level."""
    n_lines = levels.shape[axis]
    widths = draw.between(0, min(widest, n_lines))
    starts = draw.between(0, 1) * (n_lines - widths)
    lines = torch.arange(n_lines, device=levels.device)
    hidden = (lines >= starts[:, None]) & (lines < (starts + widths)[:, None])
    mean = levels.mean(dim=(1, 2), keepdim=True)
    return torch.where(hidden[:, :, None] if axis == 1 else hidden[:, None, :], mean, levels)
