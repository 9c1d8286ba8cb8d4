"""Seconds of audio per CPU second, bytes to spectrograms: `extract` with each preset, and a librosa pipeline.

The librosa pipeline is what a notebook would do with the same bytes: librosa.load to mono at 22,050 Hz, melspectrogram with
the numbers of front end `mel`, power_to_db. Both run in one process, the same recordings one after the other: songs of the
embedded library as they are, and the same songs as 44.1 kHz stereo mp3, which is what most catalogs hold.
"""

import io
from collections.abc import Callable
from functools import partial

import librosa
import numpy as np
import soundfile as sf
import soxr

from benchmarks import report
from genre_batch.embedded import library
from genre_batch.embedded.genres import RECIPES
from genre_batch.embedded.instruments import RATE_HZ, Sound
from genre_batch.embedded.song import Manner, render
from genre_batch.front_end import MEL, PRESETS
from genre_batch.signal.extract import extract

STEREO_HZ = 44_100


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--songs", type=int, default=4, help="recordings of each kind (default 4)")
    options.add_argument("--song-s", type=float, default=30.0, help="seconds of each (default 30)")
    asked = options.parse_args()
    songs = [played(n, asked.song_s) for n in range(asked.songs)]
    kinds: dict[str, Callable[[Sound], bytes]] = {
        "flac, mono": lambda song: library.encode(song, "flac"),
        "mp3, mono": lambda song: library.encode(song, "mp3"),
        "mp3, 44.1 kHz stereo": stereo,
    }
    rows = []
    for kind, encode in kinds.items():
        files = [encode(song) for song in songs]
        works = {"librosa": partial(each, with_librosa, files)}
        works |= {name: partial(each, partial(extract, front_end=preset), files) for name, preset in PRESETS.items()}
        spent = report.cpu_seconds(works)
        rows += [
            {
                "recordings": kind,
                "pipeline": name,
                "audio s a CPU s": asked.song_s * len(files) / seconds,
                "× librosa": spent["librosa"] / seconds,
            }
            for name, seconds in spent.items()
        ]
    report.show(f"{len(songs)} recordings of {asked.song_s:g} s of each kind", rows, asked.json)


def played(n: int, song_s: float) -> Sound:
    """A song, each of another genre."""
    genre = list(RECIPES)[n % len(RECIPES)]
    return render(genre, Manner.of(np.random.default_rng(n)), np.random.default_rng((n, 1)), song_s)


def stereo(song: Sound) -> bytes:
    """A 44.1 kHz mp3 with two channels that differ a little."""
    left = soxr.resample(song.astype(np.float32), RATE_HZ, STEREO_HZ)
    buffer = io.BytesIO()
    sf.write(buffer, np.column_stack([left, 0.8 * left]), STEREO_HZ, format="MP3")
    return buffer.getvalue()


def each(work: Callable[[bytes], object], files: list[bytes]) -> None:
    for data in files:
        work(data)


def with_librosa(data: bytes) -> np.ndarray:
    """[shape=(n_bands, n_frames)] in decibels below the recording's maximum."""
    samples, rate_hz = librosa.load(io.BytesIO(data), sr=MEL.sample_rate_hz)
    energy = librosa.feature.melspectrogram(
        y=samples, sr=rate_hz, n_fft=MEL.n_fft, hop_length=MEL.hop_length, n_mels=MEL.n_bands, fmin=MEL.fmin_hz
    )
    return librosa.power_to_db(energy, ref=np.max)


if __name__ == "__main__":
    main()
