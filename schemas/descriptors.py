"""The 57 descriptors of a segment, in the order of GTZAN's published tables; a shard's `descriptors` column holds them so.

Mean and population variance over the frames of a segment, of the samples for harmony and perceptr, of all 12 x frames cells for
chroma; tempo is one number. Units: Hz for centroid, bandwidth and rolloff, beats a minute for tempo, full scale ±1 for the rest.
"""

_SERIES = (
    "chroma_stft",
    "rms",
    "spectral_centroid",
    "spectral_bandwidth",
    "rolloff",
    "zero_crossing_rate",
    "harmony",
    "perceptr",
)
N_MFCC = 20

NAMES = (
    *(f"{series}_{figure}" for series in _SERIES for figure in ("mean", "var")),
    "tempo",
    *(f"mfcc{n}_{figure}" for n in range(1, N_MFCC + 1) for figure in ("mean", "var")),
)
