"""Samples of one segment to a spectrogram in decibels, and from there to the 256 levels that are stored."""

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import fft, sparse

from genre_batch.front_end import FrontEnd
from genre_batch.signal import mel
from genre_batch.signal.decode import Samples

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

BLOCK = 64
"""Frames transformed at a time: they stay in the cache, and cost half of what a whole segment at once does."""


def power(samples: Samples, front_end: FrontEnd) -> Floats:
    """Power per band, [shape=(n_bands, n_frames)]: librosa's centred STFT with zeros past the ends, Hann, then its mel bands.

    Frame i is centred on sample `frame_offset + i * hop_length`.
    """
    n_fft, hop = front_end.n_fft, front_end.hop_length
    padded = np.concatenate([np.zeros(n_fft // 2, np.float32), samples, np.zeros(n_fft // 2, np.float32)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[front_end.frame_offset :: hop][: front_end.n_frames]
    energy = np.empty((len(frames), 1 + n_fft // 2), np.float32)
    for first in range(0, len(frames), BLOCK):
        spectra = fft.rfft(frames[first : first + BLOCK] * hann(n_fft), axis=1)
        block = energy[first : first + BLOCK]
        np.square(spectra.real, out=block)
        block += np.square(spectra.imag)
    if front_end.scale == "linear":
        return np.ascontiguousarray(energy[:, : front_end.n_bands].T)
    filters = mel.filters(front_end.sample_rate_hz, n_fft, front_end.n_bands, front_end.fmin_hz, front_end.fmax_hz)
    return np.asarray(filters @ energy.T, np.float32)


def decibels(energy: Floats, front_end: FrontEnd, maximum: float) -> Floats:
    """10 log10 of power over `maximum`, never below -top_db: [-top_db, 0]."""
    floor = np.float32(front_end.power_floor)
    level = 10 * np.log10(np.maximum(energy, floor)) - 10 * np.log10(max(maximum, front_end.power_floor))
    return np.maximum(level, np.float32(-front_end.top_db)).astype(np.float32)


def picture(level: Floats, front_end: FrontEnd) -> Picture:
    """The spectrogram as stored, [shape=front_end.spectrogram_shape]."""
    if front_end.levels == "min-max":
        lowest, highest = level.min(), level.max()
        grey = (255 * (level - lowest) / max(highest - lowest, np.finfo(np.float32).eps)).astype(np.uint8)
    else:
        grey = np.rint(255 * (1 + level / front_end.top_db)).astype(np.uint8)
    if front_end.pad_columns:
        grey = np.pad(grey, ((0, 0), (front_end.pad_columns,) * 2))
    if front_end.resize_to:
        rows, columns = front_end.resize_to
        resized = _resizer(grey.shape[0], rows) @ grey.astype(np.float32) @ _resizer(grey.shape[1], columns).T
        grey = np.rint(resized).astype(np.uint8)
    return np.ascontiguousarray(grey[::-1, ::-1]) if front_end.rotate_180 else grey


@cache
def hann(n: int) -> Floats:
    """The periodic Hann window, [shape=(n,)]."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)


@cache
def _resizer(n_from: int, n_to: int) -> sparse.csr_array:
    """Weights of OpenCV's INTER_AREA where one side grows: two neighbours, weighted by the overlap of the pixels."""
    scale = n_from / n_to
    place = np.arange(n_to)
    left = np.floor(place * scale).astype(int)
    share = (place + 1) - (left + 1) / scale
    share = np.where(share <= 0, 0, share - np.floor(share))
    right = np.minimum(left + 1, n_from - 1)
    rows = np.concatenate([place, place])
    return sparse.csr_array(
        (np.concatenate([1 - share, share]).astype(np.float32), (rows, np.concatenate([left, right]))), (n_to, n_from)
    )
