"""The stored spectrograms of a track, whichever front end drew them, as decibels in a few bands on one line of time.

What two encodings of a recording share lies between FROM_HZ and TO_HZ: codecs and resamplers change what is above, hum and cutoffs what
is below. Levels are told relative to the mean of all bands in the same instant, so that neither gain nor a segment's own reference counts.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from genre_batch.front_end import FrontEnd
from genre_batch.signal import mel

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

N_BANDS = 32
FROM_HZ, TO_HZ = 100.0, 5500.0
STEP_S = 0.046
"""About so long is a column: short against a note, long against the error of a codec's delay."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """levels: [shape=(N_BANDS, n), float32] in dB over the mean of all bands at that time, 0 where not heard; heard: [shape=(n,), bool],
    False where a segment was left out because it was silent; a column lasts step_s seconds."""

    levels: Floats
    heard: npt.NDArray[np.bool_]
    step_s: float


def timeline(pictures: Picture, positions: npt.NDArray[np.int32], front_end: FrontEnd) -> Timeline:
    """pictures: [shape=(n_segments, *front_end.spectrogram_shape)]; positions: of each in segment hops from the start, ascending.

    Where segments overlap, the earlier is taken. Raises ValueError if there is no segment.
    """
    column_s = column_seconds(front_end)
    hop_columns = front_end.segment_hop_samples / front_end.sample_rate_hz / column_s
    banded = decibels(pictures, front_end)
    width = banded.shape[2]
    starts = np.rint(positions * hop_columns).astype(int)
    line = np.full((N_BANDS, int(starts.max()) + width), np.nan, np.float32)
    # Backwards, so that the earlier of two that overlap is written last.
    for start, segment in zip(starts[::-1], banded[::-1], strict=True):
        line[:, start : start + width] = segment
    joined = max(1, round(STEP_S / column_s))
    n = max(1, line.shape[1] // joined)
    line = line[:, : n * joined].reshape(N_BANDS, n, -1).mean(axis=2)
    heard = np.isfinite(line[0])
    shape = line - line.mean(axis=0)
    return Timeline(np.where(heard, shape, 0).astype(np.float32), heard, joined * column_s)


def decibels(pictures: Picture, front_end: FrontEnd) -> Floats:
    """[shape=(n_segments, N_BANDS, columns), float32]: mean level of the rows in each band, in dB over the lowest that is stored."""
    if front_end.rotate_180:
        pictures = pictures[:, ::-1, ::-1]
    if front_end.pad_columns and not front_end.resize_to:
        pictures = pictures[:, :, front_end.pad_columns : -front_end.pad_columns]
    scale = np.float32(front_end.top_db / 255)
    return np.asarray(_weights(front_end) * scale @ pictures.astype(np.float32), np.float32)


def column_seconds(front_end: FrontEnd) -> float:
    """How long a stored column lasts."""
    hop_s = front_end.hop_length / front_end.sample_rate_hz
    if front_end.resize_to is None:
        return hop_s
    return hop_s * (front_end.n_frames + 2 * front_end.pad_columns) / front_end.resize_to[1]


@lru_cache(8)
def _weights(front_end: FrontEnd) -> Floats:
    """[shape=(N_BANDS, rows), float32]: bands of equal width in mel (O'Shaughnessy's), each the mean of the rows whose centre lies in it,
    or the nearest row."""
    centres = _mels(_row_centres_hz(front_end))
    edges = np.linspace(*_mels(np.array([FROM_HZ, TO_HZ])), N_BANDS + 1)
    weights = ((centres >= edges[:-1, None]) & (centres < edges[1:, None])).astype(np.float32)
    nearest = np.abs(centres - (edges[:-1, None] + edges[1:, None]) / 2).argmin(axis=1)
    empty = np.flatnonzero(weights.sum(axis=1) == 0)
    weights[empty, nearest[empty]] = 1
    return weights / weights.sum(axis=1, keepdims=True)


def _row_centres_hz(front_end: FrontEnd) -> npt.NDArray[np.float64]:
    """Of the picture's rows, lowest first."""
    bins = np.linspace(0, front_end.sample_rate_hz / 2, 1 + front_end.n_fft // 2)
    if front_end.scale == "linear":
        centres = bins[: front_end.n_bands]
    else:
        shared = (front_end.sample_rate_hz, front_end.n_fft, front_end.n_bands, front_end.fmin_hz, front_end.fmax_hz)
        filters = mel.filters(*shared)
        # Filters that are narrower than the distance of two bins may be empty: their centre is then 0, which no band is.
        centres = (filters @ bins) / np.maximum(np.asarray(filters.sum(axis=1)).ravel(), np.finfo(np.float32).tiny)
    if front_end.resize_to is None:
        return np.asarray(centres, np.float64)
    rows = front_end.resize_to[0]
    places = (np.arange(rows) + 0.5) * len(centres) / rows - 0.5
    return np.interp(places, np.arange(len(centres)), centres)


def _mels(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 2595 * np.log10(1 + hz / 700)
