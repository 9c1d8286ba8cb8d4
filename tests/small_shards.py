"""Shards written by hand: small pictures in which each genre sounds in bands of its own."""

import dataclasses
import zlib

import numpy as np

from genre_batch.cluster.segments import Shards, open_shards
from genre_batch.front_end import MEL, Descriptors, FrontEnd
from genre_batch.tables import store
from schemas import shards
from tests import rows

GENRES = ("classical", "disco", "metal")
FRONT_END = dataclasses.replace(MEL, name="small", segment_s=1.0, segment_hop_s=1.0, n_bands=24, descriptors=Descriptors())
SHAPE = FRONT_END.spectrogram_shape


def tracks(a_genre: int = 5, segments: tuple[int, ...] = (1, 3, 2)) -> dict[str, int]:
    """Tracks of GENRES and how many segments each has; every one by an artist of its own."""
    return {f"{genre}/{i}": segments[i % len(segments)] for genre in GENRES for i in range(a_genre)}


def picture(track_id: str, segment: int) -> np.ndarray:
    """[shape=SHAPE, uint8]"""
    levels = np.random.default_rng(zlib.crc32(f"{track_id} {segment}".encode())).integers(0, 100, SHAPE)
    genre = GENRES.index(track_id.split("/")[0])
    levels[8 * genre : 8 * genre + 8] += 120
    return levels.astype(np.uint8)


def described(track_id: str, segment: int) -> list[float]:
    return np.random.default_rng(zlib.crc32(f"{track_id} {segment} of 57".encode())).normal(size=57).tolist()


def row(track_id: str, segment: int) -> rows.Row:
    genre, name = track_id.split("/")
    values = {"spectrogram": picture(track_id, segment).tobytes(), "descriptors": described(track_id, segment)}
    return rows.shard(track_id, segment, genre=genre, artist=f"{name} of {genre}", **values)


def write(url: str, *files: list[rows.Row], front_end: FrontEnd = FRONT_END) -> Shards:
    """A table of some files, each with its rows as they stand."""
    store.create(url, shards.NAME, shards.ARROW, {store.FRONT_END_PROPERTY: front_end.to_json()})
    parts = [store.write_part(url, shards, rows.table(shards, *file)) for file in files]
    store.commit(url, shards, parts, replaced=[], run_id="run1")
    return open_shards(url)


def whole(url: str, chosen: dict[str, int] | None = None, n_files: int = 2) -> Shards:
    """All segments of some tracks, a track in one file."""
    files: list[list[rows.Row]] = [[] for _ in range(n_files)]
    for i, (track_id, n) in enumerate((chosen or tracks()).items()):
        files[i % n_files] += [row(track_id, segment) for segment in range(n)]
    return write(url, *files)
