"""What is kept of a track to find it again: levels for comparing two tracks column by column, and moments for finding what to compare.

Levels are the shape of the spectrum over time with the track's own mean spectrum taken away, so that gain, equalisers and the front end's
reference do not count. Moments are where the sound changes most within ANCHOR_S: both copies of a recording have them at the same places
of the music, wherever either begins (the idea of landmarks, Wang 2003). Each is described by the lowest coefficients of a
two-dimensional cosine transform of the levels around it, scaled to length 1.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from genre_batch.audit import bands
from genre_batch.audit.bands import N_BANDS, Floats, Picture, Timeline
from genre_batch.front_end import FrontEnd

FIRST_S = 120.0
"""Of longer tracks only so much is kept: copies that begin a few seconds apart share nearly all of it."""
ANCHOR_S = 0.7
"""A moment changes more than all others so near."""
REACH_S = 1.0
"""What is described lies within this much of a moment."""
COEFFICIENTS = 8, 8
"""Across bands (without the mean of all, which is 0) and in time."""
SIZE = COEFFICIENTS[0] * COEFFICIENTS[1]
ALIKE = 0.95
"""Moments of one track that repeat an earlier one are left out: a loop tells nothing new."""
DB_A_LEVEL = 0.5
"""Levels are stored as int8: ±63.5 dB."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """digest: of the stored spectrograms, equal for equal bytes. levels: [shape=(N_BANDS, n), int8] in steps of DB_A_LEVEL, a column every
    step_s seconds. moments: [shape=(m, SIZE), int8], of length 127. summary: [shape=(n_segments, 3 * N_BANDS), float32], for each segment
    mean, deviation and deviation of the change of each band in dB."""

    digest: bytes
    levels: npt.NDArray[np.int8]
    step_s: float
    moments: npt.NDArray[np.int8]
    summary: Floats


def fingerprint(pictures: Picture, positions: npt.NDArray[np.int32], front_end: FrontEnd) -> Fingerprint:
    """pictures: [shape=(n_segments, *front_end.spectrogram_shape), uint8]; positions: of each in segment hops, ascending."""
    line = bands.timeline(pictures, positions, front_end)
    levels = _whitened(line)[:, : round(FIRST_S / line.step_s)]
    return Fingerprint(
        digest=hashlib.sha256(positions.astype("<i4").tobytes() + np.ascontiguousarray(pictures).tobytes()).digest(),
        levels=np.clip(np.rint(levels / DB_A_LEVEL), -127, 127).astype(np.int8),
        step_s=line.step_s,
        moments=moments(levels, line.heard[: levels.shape[1]], line.step_s),
        summary=summary(bands.decibels(pictures, front_end)),
    )


def moments(levels: Floats, heard: npt.NDArray[np.bool_], step_s: float) -> npt.NDArray[np.int8]:
    """[shape=(m, SIZE), int8]: none where less than twice REACH_S is heard at a stretch."""
    reach = round(REACH_S / step_s)
    if levels.shape[1] < 2 * reach + 1:
        return np.zeros((0, SIZE), np.int8)
    described = np.array([_described(levels, place, reach) for place in _anchors(levels, heard, step_s)], np.float32)
    return np.rint(127 * _different(described.reshape(-1, SIZE))).astype(np.int8)


def summary(levels: Floats) -> Floats:
    """levels: [shape=(n_segments, N_BANDS, columns)] in dB. What a simple classifier would look at."""
    told = levels.mean(axis=2), levels.std(axis=2), np.diff(levels, axis=2, append=levels[:, :, -1:]).std(axis=2)
    return np.concatenate(told, axis=1).astype(np.float32)


def _whitened(line: Timeline) -> Floats:
    """Each band without its mean, 0 where nothing is heard."""
    mean = line.levels[:, line.heard].mean(axis=1, keepdims=True)
    return np.where(line.heard, line.levels - mean, 0).astype(np.float32)


def _anchors(levels: Floats, heard: npt.NDArray[np.bool_], step_s: float) -> npt.NDArray[np.intp]:
    """Columns where the change between a column's two neighbours is greatest, with REACH_S heard on both sides."""
    reach, near = round(REACH_S / step_s), 2 * round(ANCHOR_S / step_s) + 1
    change = np.zeros(levels.shape[1], np.float32)
    change[1:-1] = np.abs(levels[:, 2:] - levels[:, :-2]).sum(axis=0)
    change = ndimage.uniform_filter1d(change, 3, mode="constant")
    change[~heard] = 0
    peaks = (change == ndimage.maximum_filter1d(change, near, mode="constant")) & (change > 0)
    whole = ndimage.minimum_filter1d(heard.astype(np.uint8), 2 * reach + 1, mode="constant")
    return np.flatnonzero(peaks & (whole > 0))


def _described(levels: Floats, place: int, reach: int) -> Floats:
    patch = levels[:, place - reach : place + reach + 1]
    across, along = COEFFICIENTS
    found = fft.dctn(patch, norm="ortho")[1 : across + 1, :along].ravel()
    return np.asarray(found / max(float(np.linalg.norm(found)), 1e-6), np.float32)


def _different(described: Floats) -> Floats:
    """Without those that repeat an earlier one."""
    alike = described @ described.T > ALIKE
    kept: list[int] = []
    for i in range(len(described)):
        if not alike[i, kept].any():
            kept.append(i)
    return described[kept]
