"""CPU seconds for the 57 descriptors of a segment: ours, a librosa loop and, where it is installed, Essentia.

The librosa loop is what a notebook would do: one call for each feature, mean and variance of each. Essentia has its own
definitions and nothing to part harmonic from percussive sound, so its row is less work; its 40 other figures stand beside ours.
All run in one process on one thread, the same segments one after the other. Beside the speed: how far ours are from librosa's,
in units of the tolerance 1e-5 |librosa| + 1e-4 deviations of that descriptor over GTZAN, and how often those that come in steps
(tempo, rolloff, zero crossing rate) are equal to the last bit.
"""

import tracemalloc
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import soundfile as sf

from benchmarks import report
from benchmarks.extract import played
from genre_batch.front_end import Descriptors
from genre_batch.signal import descriptors
from genre_batch.signal.decode import Samples
from schemas.descriptors import N_MFCC, NAMES

try:
    from essentia import standard as essentia
except ImportError:
    essentia = None

RATE_HZ = 22_050
LENGTHS_S = (3, 10)
ROUNDS = 15
PARAMETERS = Descriptors()
IN_STEPS = ("rolloff_mean", "rolloff_var", "zero_crossing_rate_mean", "zero_crossing_rate_var", "tempo")
# Deviation of each descriptor over the thousand tracks of GTZAN's published table (features_30_sec.csv).
_SPREAD_MFCC = [
    (100, 2800), (31, 440), (22, 290), (17, 120), (12, 100), (12, 68), (9.9, 58), (10, 41), (8.3, 39), (7.9, 37),
    (6.8, 38), (6.7, 33), (6.2, 33), (5, 34), (4.9, 34), (4.6, 34), (4.5, 33), (3.9, 34), (3.8, 37), (3.8, 45),
]  # fmt: skip
_SPREAD_REST = [
    0.082, 0.0077, 0.066, 0.0036, 720, 4.0e5, 530, 9.6e4, 1600, 1.4e6, 0.042, 0.003, 0.0017, 0.012, 0.0011, 0.0065, 28,
]  # fmt: skip
SPREAD = np.concatenate([_SPREAD_REST, np.ravel(_SPREAD_MFCC)])

Figures = npt.NDArray[np.float64]


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--segments", type=int, default=4, help="recordings, a segment of each length from each (default 4)")
    options.add_argument(
        "--audio", metavar="DIR", type=Path, help="recordings of one's own (default: the embedded library's songs)"
    )
    asked = options.parse_args()
    songs = recordings(asked.audio, asked.segments) if asked.audio else [rendered(n) for n in range(asked.segments)]
    rows, differences, exact = [], [], []
    for length_s in LENGTHS_S:
        segments = [middle(song, length_s) for song in songs]
        pairs = [(ours(segment), with_librosa(segment)) for segment in segments]
        differences += [np.abs(a - b) / tolerance(b) for a, b in pairs]
        exact += [a[in_steps()] == b[in_steps()] for a, b in pairs]
        works: dict[str, Callable[[], object]] = {
            "ours": partial(each, ours, segments),
            "librosa": partial(each, with_librosa, segments),
        }
        if essentia:
            works["essentia"] = partial(each, with_essentia, segments)
        spent = {name: seconds / len(segments) for name, seconds in report.cpu_seconds(works, ROUNDS).items()}
        memory = {
            "ours": memory_mb(ours, segments[0]) + workspace_mb(segments[0]),
            "librosa": memory_mb(with_librosa, segments[0]),
        }
        rows += [
            {
                "segment s": length_s,
                "pipeline": name,
                "ms a segment": 1000 * spent[name] if name in spent else "not installed",
                "× librosa": spent["librosa"] / spent[name] if name in spent else "",
                "peak MB": memory.get(name, ""),
            }
            for name in ("ours", "librosa", "essentia")
        ]
    worst = np.max(differences, axis=0)
    groups = {group: max(worst[places]) for group, places in grouped().items()}
    equal = {name: f"{sum(row)} of {len(row)}" for name, row in zip(IN_STEPS, np.transpose(exact), strict=True)}
    more = {
        "speedup_vs_librosa": rows[0]["× librosa"],
        "seconds_per_segment": rows[0]["ms a segment"] / 1000,
        "worst_difference": float(worst.max()),
        "worst_difference_by_group": {group: float(value) for group, value in groups.items()},
        "exact": float(np.mean(exact)),
        "exact_by_name": equal,
        "peak_memory_mb": rows[0]["peak MB"],
    }
    source = f"recordings of {asked.audio.name}" if asked.audio else "songs of the embedded library"
    report.show(f"Segments of {len(songs)} {source}", rows, asked.json, more)
    report.show(
        f"Ours and librosa's on {len(exact)} segments",
        [
            {
                "group": group,
                "worst difference / tolerance": float(value),
                "equal to the last bit": ", ".join(figure for name, figure in equal.items() if name.startswith(group)),
            }
            for group, value in groups.items()
        ],
        None,
    )


def rendered(n: int) -> Samples:
    return played(n, max(LENGTHS_S) + 2).astype(np.float32)


def recordings(folder: Path, n: int) -> list[Samples]:
    """Mono, at RATE_HZ, evenly from all recordings of the folder that are long enough."""
    files = [file for file in sorted(folder.rglob("*")) if file.suffix in {".wav", ".flac", ".ogg", ".mp3", ".au"}]
    long = [file for file in files if sf.info(file).duration > max(LENGTHS_S) + 1]
    return [librosa.load(file, sr=RATE_HZ)[0] for file in long[:: max(1, len(long) // n)][:n]]


def middle(song: Samples, length_s: float) -> Samples:
    n = round(length_s * RATE_HZ)
    return song[(len(song) - n) // 2 :][:n]


def each(work: Callable[[Samples], object], segments: list[Samples]) -> None:
    for segment in segments:
        work(segment)


def ours(samples: Samples) -> Figures:
    return descriptors.describe(samples, RATE_HZ, PARAMETERS)


def with_librosa(samples: Samples, rate_hz: int = RATE_HZ) -> Figures:
    """[shape=(57,)] in the order of schemas.descriptors.NAMES."""
    feature = librosa.feature
    harmonic, percussive = librosa.effects.hpss(samples)
    series = [
        feature.chroma_stft(y=samples, sr=rate_hz),
        feature.rms(y=samples),
        feature.spectral_centroid(y=samples, sr=rate_hz),
        feature.spectral_bandwidth(y=samples, sr=rate_hz),
        feature.spectral_rolloff(y=samples, sr=rate_hz),
        feature.zero_crossing_rate(samples),
        harmonic,
        percussive,
    ]
    tempo = np.atleast_1d(librosa.beat.beat_track(y=samples, sr=rate_hz)[0])
    mfcc = feature.mfcc(y=samples, sr=rate_hz, n_mfcc=N_MFCC)
    figures = [[np.mean(each), np.var(each)] for each in series], [tempo], [[np.mean(row), np.var(row)] for row in mfcc]
    return np.concatenate([np.ravel(part) for part in figures]).astype(np.float64)


def with_essentia(samples: Samples) -> None:
    """Essentia's nearest to the same descriptors, frame by frame as its tutorials do."""
    p = PARAMETERS
    window, spectrum = essentia.Windowing(type="hann"), essentia.Spectrum(size=p.n_fft)
    peaks, hpcp = essentia.SpectralPeaks(sampleRate=RATE_HZ), essentia.HPCP(sampleRate=RATE_HZ)
    mfcc = essentia.MFCC(inputSize=p.n_fft // 2 + 1, sampleRate=RATE_HZ, numberBands=p.n_mels, numberCoefficients=N_MFCC)
    plain = [
        essentia.Centroid(range=RATE_HZ / 2),
        essentia.RollOff(cutoff=p.roll_percent, sampleRate=RATE_HZ),
    ]
    moments, shape = essentia.CentralMoments(range=RATE_HZ / 2), essentia.DistributionShape()
    rms, crossings = essentia.RMS(), essentia.ZeroCrossingRate()
    figures = []
    for frame in essentia.FrameGenerator(samples, frameSize=p.n_fft, hopSize=p.hop_length):
        magnitude = spectrum(window(frame))
        scalars = [work(magnitude) for work in plain] + [shape(moments(magnitude))[0], rms(frame), crossings(frame)]
        figures.append(np.concatenate([scalars, hpcp(*peaks(magnitude)), mfcc(magnitude)[1]]))
    np.mean(figures, axis=0), np.var(figures, axis=0)
    # Its beat tracker knows one sample rate.
    essentia.RhythmExtractor2013(method="degara")(essentia.Resample(inputSampleRate=RATE_HZ, outputSampleRate=44_100)(samples))


def tolerance(expected: Figures) -> Figures:
    return 1e-5 * np.abs(expected) + 1e-4 * SPREAD


def in_steps() -> list[int]:
    return [NAMES.index(name) for name in IN_STEPS]


def grouped() -> dict[str, list[int]]:
    """Places of the descriptors by what they describe."""
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(NAMES):
        group = "mfcc" if name.startswith("mfcc") else name.removesuffix("_mean").removesuffix("_var")
        groups.setdefault(group, []).append(place)
    return groups


def memory_mb(work: Callable[[Samples], object], segment: Samples) -> float:
    """The most that one call holds at a time, as far as numpy allocates it."""
    tracemalloc.start()
    work(segment)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def workspace_mb(segment: Samples) -> float:
    """What stays between calls on segments of this length."""
    waiting: list[object] = [descriptors._workspace(len(segment), RATE_HZ, PARAMETERS)]
    owners = {}
    while waiting:
        one = waiting.pop()
        if isinstance(one, np.ndarray):
            while isinstance(one.base, np.ndarray):
                one = one.base
            owners[id(one)] = one.nbytes
        elif type(one).__module__.startswith("genre_batch.signal"):
            waiting += vars(one).values()
    return sum(owners.values()) / 2**20


if __name__ == "__main__":
    with warnings.catch_warnings():
        # librosa's, about segments without a pitch.
        warnings.simplefilter("ignore", UserWarning)
        main()
