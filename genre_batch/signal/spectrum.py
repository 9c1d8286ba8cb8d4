"""Where the sound of each frame lies: centroid, bandwidth and rolloff of its magnitudes."""

import numpy as np
import numpy.typing as npt

from genre_batch.signal.compiled import exact, regrouped

Floats = npt.NDArray[np.float32]
Figures = npt.NDArray[np.float64]

TINY = float(np.finfo(np.float32).tiny)


def centroid_and_bandwidth(magnitude: Floats, bin_hz: float, centroid: Figures, bandwidth: Figures) -> None:
    """Mean and standard deviation of frequency in Hz, weighted by magnitude; `magnitude` is [shape=(n_frames, n_bins)].

    A. Klapuri and M. Davy (eds.), "Signal Processing Methods for Music Transcription", 2006, chapter 5. Zero for silence.
    """
    _moments(magnitude, bin_hz, TINY, centroid, bandwidth)


def rolloff(turned: Floats, share: float, frequencies: Figures, out: Figures) -> None:
    """The lowest frequency in Hz below or at which `share` of a frame's magnitude lies.

    turned: magnitudes, [shape=(n_bins, at least n_frames)]; frequencies: of the bins; out: [shape=(n_frames,)]. Sums are single
    precision from the lowest bin up, so that a frame whose sum meets the threshold to the last bit falls where librosa's does.
    """
    n_lanes = len(out)
    total, place = np.zeros(n_lanes, np.float32), np.zeros(n_lanes, np.int32)
    _accumulate(turned, total)
    _count_below(turned, total * np.float32(share), np.zeros(n_lanes, np.float32), place)
    np.take(frequencies, place, out=out)


@regrouped
def _moments(magnitude: Floats, bin_hz: float, tiny: float, centroid: Figures, bandwidth: Figures) -> None:
    for frame in range(len(magnitude)):
        m0 = m1 = m2 = 0.0
        for k in range(magnitude.shape[1]):
            weight = np.float64(magnitude[frame, k])
            m0 += weight
            m1 += weight * k
            m2 += weight * k * k
        # As librosa's normalize: what is too small to be divided by is left as it is.
        norm = m0 if m0 >= tiny else 1.0
        mean = m1 / norm
        spread = m2 / norm - 2 * mean * (m1 / norm) + mean * mean * (m0 / norm)
        centroid[frame] = mean * bin_hz
        bandwidth[frame] = np.sqrt(max(spread, 0.0)) * bin_hz


@exact
def _accumulate(turned: Floats, total: Floats) -> None:
    for k in range(len(turned)):
        for frame in range(len(total)):
            total[frame] += turned[k, frame]


@exact
def _count_below(turned: Floats, threshold: Floats, total: Floats, place: npt.NDArray[np.int32]) -> None:
    for k in range(len(turned)):
        for frame in range(len(total)):
            total[frame] += turned[k, frame]
            place[frame] += total[frame] < threshold[frame]
