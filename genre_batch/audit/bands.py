"""The stored spectrograms of a track, whichever front end drew them, as decibels in bands on one line of time.

COARSE bands are what recordings are searched by: they lie where codecs and resamplers change little. FINE ones are what tells a copy from
another performance, even of the same arrangement: what noise, attacks and touch do from one moment to the next.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from genre_batch.front_end import FrontEnd
from genre_batch.signal import mel

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Bands:
    """n bands of equal width in mel between two frequencies, or, where `n` is None, the rows between them (all rows, where fewer than
    LEAST_FINE lie there), joined until fewer than twice MOST_FINE are left; a column lasts about step_s."""

    from_hz: float
    to_hz: float
    n: int | None
    step_s: float


LEAST_FINE, MOST_FINE = 9, 64
COARSE = Bands(100.0, 5500.0, 32, 0.046)
FINE = Bands(4000.0, 11_000.0, None, 0.023)
RANGE_DB = 50.0
"""What lies so far below the reference is told as lying there: codecs leave it out."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """levels: [shape=(n_bands, n), float32] in dB, NaN where a segment was left out because it was silent; a column lasts step_s."""

    levels: Floats
    step_s: float

    @property
    def heard(self) -> npt.NDArray[np.bool_]:
        """[shape=(n,)]"""
        return np.isfinite(self.levels[0])


def timeline(
    pictures: Picture, positions: npt.NDArray[np.int32], front_end: FrontEnd, duration_s: float, bands: Bands
) -> Timeline:
    """pictures: [shape=(n_segments, *front_end.spectrogram_shape)], at least one; positions: of each in segment hops from the start,
    ascending. duration_s: of the track; silence that a segment was filled up with is left out. Where segments overlap, the
    earlier is taken.
    """
    column_s = column_seconds(front_end)
    hop_columns = front_end.segment_hop_samples / front_end.sample_rate_hz / column_s
    banded = decibels(pictures, front_end, bands)
    width = banded.shape[2]
    starts = np.rint(positions * hop_columns).astype(int)
    line = np.full((banded.shape[1], int(starts.max()) + width), np.nan, np.float32)
    # Backwards, so that the earlier of two that overlap is written last.
    for start, segment in zip(starts[::-1], banded[::-1], strict=True):
        line[:, start : start + width] = segment
    line = line[:, : max(1, round(duration_s / column_s))]
    joined = min(line.shape[1], max(1, round(bands.step_s / column_s)))
    n = line.shape[1] // joined
    return Timeline(line[:, : n * joined].reshape(len(line), n, joined).mean(axis=2), joined * column_s)


def decibels(pictures: Picture, front_end: FrontEnd, bands: Bands) -> Floats:
    """[shape=(n_segments, n_bands, columns), float32]: mean level of the rows of each band in dB over the lowest that is stored."""
    if front_end.rotate_180:
        pictures = pictures[:, ::-1, ::-1]
    if front_end.pad_columns and not front_end.resize_to:
        pictures = pictures[:, :, front_end.pad_columns : -front_end.pad_columns]
    scale = np.float32(front_end.top_db / 255)
    floor = np.float32(max(0.0, front_end.top_db - RANGE_DB))
    return np.asarray(_weights(front_end, bands) @ np.maximum(pictures * scale, floor), np.float32)


def column_seconds(front_end: FrontEnd) -> float:
    """How long a stored column lasts."""
    hop_s = front_end.hop_length / front_end.sample_rate_hz
    if front_end.resize_to is None:
        return hop_s
    return hop_s * (front_end.n_frames + 2 * front_end.pad_columns) / front_end.resize_to[1]


@lru_cache(16)
def _weights(front_end: FrontEnd, bands: Bands) -> Floats:
    """[shape=(n_bands, rows), float32]: each band the mean of the rows whose centre lies in it, or the nearest row."""
    centres = row_centres_hz(front_end)
    if bands.n is None:
        inside = np.flatnonzero((centres >= bands.from_hz) & (centres < bands.to_hz))
        inside = inside if len(inside) >= LEAST_FINE else np.arange(len(centres))
        joined = max(1, len(inside) // MOST_FINE)
        members = inside[: len(inside) // joined * joined].reshape(-1, joined)
        shares = np.zeros((len(members), len(centres)), np.float32)
        shares[np.arange(len(members))[:, None], members] = 1 / joined
        return shares
    places = _mels(centres)
    low, high = _mels(np.array([bands.from_hz, bands.to_hz]))
    edges = np.linspace(low, high, bands.n + 1)
    weights = ((places >= edges[:-1, None]) & (places < edges[1:, None])).astype(np.float32)
    nearest = np.abs(places - (edges[:-1, None] + edges[1:, None]) / 2).argmin(axis=1)
    empty = np.flatnonzero(weights.sum(axis=1) == 0)
    weights[empty, nearest[empty]] = 1
    return weights / weights.sum(axis=1, keepdims=True)


def row_centres_hz(front_end: FrontEnd) -> npt.NDArray[np.float64]:
    """Of the picture's rows, lowest first."""
    bins = np.linspace(0, front_end.sample_rate_hz / 2, 1 + front_end.n_fft // 2)
    if front_end.scale == "linear":
        centres = bins[: front_end.n_bands]
    else:
        shared = (front_end.sample_rate_hz, front_end.n_fft, front_end.n_bands, front_end.fmin_hz, front_end.fmax_hz)
        filters = mel.filters(*shared)
        # Filters that are narrower than the distance of two bins may be empty: their centre is then 0, which lies in no band.
        centres = (filters @ bins) / np.maximum(np.asarray(filters.sum(axis=1)).ravel(), np.finfo(np.float32).tiny)
    if front_end.resize_to is None:
        return np.asarray(centres, np.float64)
    rows = front_end.resize_to[0]
    places = (np.arange(rows) + 0.5) * len(centres) / rows - 0.5
    return np.interp(places, np.arange(len(centres)), centres)


def _mels(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """O'Shaughnessy's."""
    return 2595 * np.log10(1 + hz / 700)
