"""A finished spectrogram of a whole track cut into segments, as the recording would have been."""

import numpy as np
import numpy.typing as npt

from genre_batch.errors import Silent, TooShort
from genre_batch.front_end import FrontEnd
from genre_batch.signal.extract import TrackFeatures


def cut(levels: npt.NDArray[np.uint8], front_end: FrontEnd) -> TrackFeatures:
    """Every whole segment that is not silent; levels: [shape=(n_bands, columns)] of the track, relative to its maximum.

    As signal.segment does with samples: what is left at the end is dropped, and a track shorter than one segment is filled up with
    silence. Raises TooShort below `min_track_s`, and Silent if there is nothing but the lowest level.
    """
    columns, size = levels.shape[1], front_end.n_frames
    duration_s = columns * front_end.hop_length / front_end.sample_rate_hz
    if duration_s < front_end.min_track_s:
        raise TooShort(f"{duration_s:.2f} s long, {front_end.min_track_s:g} s are needed")
    if columns < size:
        levels = np.pad(levels, ((0, 0), (0, size - columns)))
    segments = np.stack([levels[:, start : start + size] for start in starts(columns, front_end)])
    heard = np.flatnonzero(segments.any(axis=(1, 2)))
    if not len(heard):
        raise Silent(f"all of it is {front_end.top_db:g} dB below its maximum")
    return TrackFeatures(segments[heard], None, heard.astype(np.int32), duration_s)


def starts(columns: int, front_end: FrontEnd) -> list[int]:
    """First column of each segment of a track: as many as there are in the longest recording that gives so many columns, at least one.

    Hops are no whole number of columns: a start is rounded, and the last is one column earlier where it would overshoot.
    """
    longest = front_end.frame_offset + columns * front_end.hop_length - 1
    n = 1 + max(0, longest - front_end.segment_samples) // front_end.segment_hop_samples
    last = max(0, columns - front_end.n_frames)
    return [min(last, round(k * front_end.segment_hop_samples / front_end.hop_length)) for k in range(n)]
