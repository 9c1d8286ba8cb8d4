"""What is kept of a track to find it again: moments to look it up by, levels to lay it over another, signs to tell a copy for sure.

Levels are the shape of the spectrum over time with the track's own mean spectrum taken away, so that gain, equalisers and the front end's
reference do not count. Moments are where the sound changes most within ANCHOR_S: both copies of a recording have them at the same places
of the music, wherever either begins (landmarks, Wang 2003). Each is described by the lowest coefficients of a two-dimensional cosine
transform of the levels around it. Signs are those of energy differences between neighbouring bands and moments (Haitsma and Kalker
2002): tones that two performances share are a small part of them, and noise, which nobody plays twice, a large one.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from genre_batch.audit import bands
from genre_batch.audit.bands import COARSE, FINE, Floats, Picture, Timeline
from genre_batch.front_end import FrontEnd

FIRST_S = 120.0
"""Of longer tracks only so much is kept: copies that begin a few seconds apart share nearly all of it."""
ANCHOR_S = 0.6
"""A moment changes more than all others so near."""
REACH_S = 1.0
"""What is described lies within this much of a moment."""
COEFFICIENTS = 8, 8
"""Across bands (without the mean of all, which is 0) and in time."""
SIZE = COEFFICIENTS[0] * COEFFICIENTS[1]
ALIKE = 0.97
"""Moments of one track that repeat an earlier one are left out: a loop tells nothing new."""
DB_A_LEVEL = 0.5
"""Levels are stored as int8: ±63.5 dB."""
SIGN_S, SMOOTH_S = 0.186, 0.116
"""Between the two moments that signs compare, and over how much time each is the mean: with less, a shift by half a column would tell."""
N_BANDS = 32
assert COARSE.n == N_BANDS

Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """digest: of the stored spectrograms, equal for equal bytes. levels: [shape=(N_BANDS, n), int8] in steps of DB_A_LEVEL, a column every
    step_s seconds. signs: [shape=(n_fine, n'), int8], -1, 0 or 1, a column every sign_step_s. moments: [shape=(m, SIZE), int8], of length
    127. summary: [shape=(n_segments, 3 * N_BANDS), float32], for each segment mean, deviation and deviation of the change of each band, dB.
    """

    digest: bytes
    levels: Int8
    step_s: float
    signs: Int8
    sign_step_s: float
    moments: Int8
    summary: Floats


def fingerprint(pictures: Picture, positions: npt.NDArray[np.int32], front_end: FrontEnd, duration_s: float) -> Fingerprint:
    """pictures: [shape=(n_segments, *front_end.spectrogram_shape), uint8]; positions: of each in segment hops, ascending; duration_s:
    of the track."""
    kept_s = min(duration_s, FIRST_S)
    line, fine = (bands.timeline(pictures, positions, front_end, kept_s, each) for each in (COARSE, FINE))
    levels = _whitened(line)
    return Fingerprint(
        digest=hashlib.sha256(positions.astype("<i4").tobytes() + np.ascontiguousarray(pictures).tobytes()).digest(),
        levels=np.clip(np.rint(levels / DB_A_LEVEL), -127, 127).astype(np.int8),
        step_s=line.step_s,
        signs=signs(fine),
        sign_step_s=fine.step_s,
        moments=moments(levels, line.heard, line.step_s),
        summary=summary(bands.decibels(pictures, front_end, COARSE)),
    )


def moments(levels: Floats, heard: npt.NDArray[np.bool_], step_s: float) -> Int8:
    """[shape=(m, SIZE), int8]: none where less than twice REACH_S is heard at a stretch."""
    reach = round(REACH_S / step_s)
    if levels.shape[1] < 2 * reach + 1:
        return np.zeros((0, SIZE), np.int8)
    described = np.array([_described(levels, place, reach) for place in _anchors(levels, heard, step_s)], np.float32)
    return np.rint(127 * _different(described.reshape(-1, SIZE))).astype(np.int8)


def signs(line: Timeline) -> Int8:
    """[shape=(n_bands - 1, n), int8]: whether a band grew louder against the one below it within SIGN_S, 1, or softer, -1; 0 where neither,
    or where nothing is heard."""
    apart, over = (max(1, round(seconds / line.step_s)) for seconds in (SIGN_S, SMOOTH_S))
    steps = ndimage.correlate1d(np.diff(line.levels, axis=0), np.full(over, 1 / over, np.float32), axis=1)
    change = steps[:, apart:] - steps[:, :-apart]
    return np.sign(np.nan_to_num(change)).astype(np.int8)


def summary(levels: Floats) -> Floats:
    """levels: [shape=(n_segments, N_BANDS, columns)] in dB. What a simple classifier would look at."""
    told = levels.mean(axis=2), levels.std(axis=2), np.diff(levels, axis=2, append=levels[:, :, -1:]).std(axis=2)
    return np.concatenate(told, axis=1).astype(np.float32)


def _whitened(line: Timeline) -> Floats:
    """Over the mean of all bands at that time, each band without its own mean; 0 where nothing is heard."""
    heard = line.levels[:, line.heard]
    shape = heard - heard.mean(axis=0)
    found = np.zeros_like(line.levels)
    found[:, line.heard] = shape - shape.mean(axis=1, keepdims=True)
    return found


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
