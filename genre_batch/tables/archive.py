"""All spectrograms of a collection in one NumPy archive, as others publish them; listed as a library is."""

import hashlib
import io
import lzma
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from genre_batch.errors import Missing, UsageError
from genre_batch.front_end import GTZAN_PUBLISHED
from genre_batch.tables import storage
from genre_batch.tables.library import Library
from genre_batch.tables.spectrograms import refuse_doubles
from schemas import inventory

Levels = npt.NDArray[np.uint8]
OF_NUMPY = (ValueError, TypeError, SyntaxError, tokenize.TokenError, MemoryError, OverflowError)
OF_ZIPFILE = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
"""What they raise for broken archives: NumPy for headers that are no Python, or of more than memory holds; zipfile RuntimeError for what is
encrypted, or packed in a way that it does not know."""


@dataclass(frozen=True, eq=False)
class Archive:
    """`levels` [shape=(n, bands, columns), uint8], row 0 the lowest band; name, genre and, where given, part of a split of each;
    `digest` of the file."""

    url: str
    digest: str
    levels: Levels
    names: list[str]
    genres: list[str]
    parts: list[str] | None

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def of(self, name: str) -> Levels:
        """[shape=(bands, columns)]"""
        found: Levels = self.levels[self._place[name]]
        return found

    def listing(self, only: Sequence[str] = ()) -> Library:
        """One row a track, of the parts `only` if there are any. Raises UsageError for a part that nothing belongs to."""
        return Library(self.url, pa.Table.from_pylist([self._row(i) for i in self._chosen(only)], inventory.ARROW), 0)

    def _chosen(self, only: Sequence[str]) -> list[int]:
        if not only:
            return list(range(len(self.names)))
        if self.parts is None:
            raise UsageError(f"{self.url} has no array split: leave out --only")
        for part in only:
            if part not in self.parts:
                raise UsageError(
                    f"{self.url}: --only {part}: no such value in split, which has {', '.join(sorted(set(self.parts)))}"
                )
        return [i for i, part in enumerate(self.parts) if part in only]

    def _row(self, i: int) -> dict[str, object]:
        return {
            "track_id": self.names[i],
            "uri": self.url,
            "genre": self.genres[i] or None,
            "artist": None,
            "size": self.levels[i].nbytes,
            "content_version": hashlib.sha256(self.levels[i].tobytes()).hexdigest()[:16],
        }


def read(url: str, n_bands: int) -> Archive:
    """Arrays X (uint8), name, genre and optionally split of a NumPy archive.

    Raises UsageError naming the array that is missing or of the wrong kind, StoreUnreachable.
    """
    try:
        data = storage.read_needed(url)
    except Missing as error:
        raise UsageError(f"{url} does not exist, or is a folder") from error
    arrays = _arrays(url, data)
    if missing := [name for name in ("X", "name", "genre") if name not in arrays]:
        raise UsageError(
            f"{url}: no array {', '.join(missing)}: spectrograms come with X, name and genre, and optionally split"
        )
    levels = arrays["X"]
    if levels.dtype != np.uint8 or levels.ndim != 3 or not levels.size:
        raise UsageError(
            f"{url}: X is {levels.dtype} {levels.shape}: it must be uint8 (tracks, bands, columns), none of them 0"
        )
    if levels.shape[1] != n_bands:
        raise UsageError(f"{url}: X has {levels.shape[1]} bands, the front end {GTZAN_PUBLISHED.name} has {n_bands}")
    names, genres = (_texts(url, name, arrays[name], len(levels)) for name in ("name", "genre"))
    parts = _texts(url, "split", arrays["split"], len(levels)) if "split" in arrays else None
    refuse_doubles(url, names)
    return Archive(url, hashlib.sha256(data).hexdigest()[:16], levels, names, genres, parts)


def _arrays(url: str, data: bytes) -> dict[str, npt.NDArray[Any]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)):
            pass
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            found = {name: archive[name] for name in ("X", "name", "genre", "split") if name in archive}
    except (*OF_NUMPY, *OF_ZIPFILE) as error:
        raise UsageError(f"{url} is no NumPy archive that can be read: {_sentence(error)}") from error
    for name, array in found.items():
        if not isinstance(array, np.ndarray):
            raise UsageError(f"{url} is no NumPy archive that can be read: {name} is no array")
    return found


def _texts(url: str, name: str, array: npt.NDArray[Any], n: int) -> list[str]:
    if array.dtype.kind != "U" or array.shape != (n,):
        raise UsageError(f"{url}: {name} is {array.dtype} {array.shape}: it must be {n} texts, one for each spectrogram of X")
    points = np.frombuffer(array.tobytes(), f"{array.dtype.str[0]}u4")
    # Surrogates, which Parquet refuses, and what lies beyond Unicode, which Python takes or refuses as it comes.
    wrong = points[(points > sys.maxunicode) | ((points >= 0xD800) & (points <= 0xDFFF))]
    if wrong.size:
        raise UsageError(
            f"{url}: {name} holds U+{wrong[0]:04X}, which is no character: write it anew from texts that are whole"
        )
    return [str(text) for text in array]


def _sentence(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
