"""What the labelling benchmarks work on, all of it made here: recordings, libraries of any size, bundles that nobody trained."""

import io
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile as sf

from benchmarks.extract import played, stereo
from genre_batch.choices import Layout
from genre_batch.embedded import library
from genre_batch.embedded.genres import RECIPES
from genre_batch.front_end import MEL, Denoise, Descriptors, FrontEnd
from genre_batch.models import export, networks
from genre_batch.models.bundle import Bundle
from genre_batch.models.calibrate import Calibration
from genre_batch.signal import encode
from genre_batch.tables import library as listing
from genre_batch.taxonomy import Taxonomy

EVERYTHING = replace(MEL, name="mel-everything", denoise=Denoise(noise="minimum-statistics"), descriptors=Descriptors())
"""Denoising and the 57 descriptors besides the spectrograms of `mel`."""
BIT_RATE = 128_000
SIDE_INFORMATION = 36
"""Bytes from the start of a stereo frame of MPEG-1 to the mark of LAME's first frame, which holds the length and no sound."""


def recordings(n: int, song_s: float) -> list[bytes]:
    """Stereo mp3 at 44.1 kHz, which is what most catalogs hold."""
    return [stereo(played(i, song_s)) for i in range(n)]


def short(n: int, song_s: float = 2.0) -> list[bytes]:
    """Ogg, so short that tracks can be counted in thousands."""
    return [library.encode(played(i, song_s), "ogg") for i in range(n)]


def hours(song: bytes, duration_s: float) -> bytes:
    """An mp3 of at least so many seconds: a song over and over, at a constant bit rate, so that its length can be told from its size."""
    samples, rate_hz = sf.read(io.BytesIO(song), dtype="float32")
    coded = encode.mp3(samples, rate_hz, BIT_RATE)
    start = coded.index(b"Info") - SIDE_INFORMATION
    padding = coded[start + 2] >> 1 & 1
    frames = coded[start + 144 * BIT_RATE // rate_hz + padding :]
    return frames * int(np.ceil(duration_s * BIT_RATE / 8 / len(frames)))


def write(folder: Path, contents: Sequence[bytes], ending: str, n: int) -> str:
    """A library of n files, most of them links to the first: many tracks need no more of the disk than few."""
    folder.mkdir(parents=True)
    for i in range(n):
        file = folder / f"{i:06}.{ending}"
        if i < len(contents):
            file.write_bytes(contents[i])
        else:
            os.link(folder / f"{i % len(contents):06}.{ending}", file)
    return str(folder)


def tracks(url: str) -> list[dict[str, Any]]:
    """As a worker is given them."""
    rows: list[dict[str, Any]] = listing.read(url, Layout.TREE).tracks.to_pylist()
    return rows


def untrained(network: str, front_end: FrontEnd, folder: Path) -> str:
    """A bundle for all that asks how long, and not what."""
    genres = tuple(sorted(RECIPES))
    built = networks.build(network, front_end.spectrogram_shape, len(genres))
    figures = dict.fromkeys(("track_accuracy", "segment_accuracy", "macro_f1", "ece", "coverage", "selective_accuracy"), 0.0)
    bundle = Bundle.assemble(
        name=network,
        members=[export.member(built, network, front_end.spectrogram_shape)],
        front_end=front_end,
        taxonomy=Taxonomy(genres),
        calibration=Calibration(1.0, 0.0),
        split=pa.table({"track_id": ["x"], "genre": [genres[0]], "artist": pa.nulls(1, pa.string()), "part": ["train"]}),
        provenance={"options": {"split": "artist"}, "split_digest": "none", "seed": 0, "shards_version": 0},
        metrics={part: figures | {"n_tracks": 0} for part in ("valid", "test")},
    )
    bundle.write(str(folder))
    return str(folder)
