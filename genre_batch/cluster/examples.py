"""Rows of shards as batches to train on: from a stream, or from memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from genre_batch.cluster import segments
from genre_batch.front_end import FrontEnd
from genre_batch.models.fit import Batch

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """Segments in memory, by track: spectrograms [shape=(n, rows, columns), uint8], descriptors [shape=(n, 57), float32] or None, class
    indices [shape=(n,)], and how many segments each track has [shape=(n_tracks,)]."""

    spectrograms: npt.NDArray[np.uint8]
    descriptors: npt.NDArray[np.float32] | None
    labels: Ints
    lengths: Ints

    @classmethod
    def of(cls, rows: pa.Table, front_end: FrontEnd, genres: tuple[str, ...]) -> Self:
        """rows: track_id, genre, spectrogram and where the front end says so descriptors; the segments of a track together, in order."""
        described = segments.descriptions(rows["descriptors"]).astype(np.float32) if front_end.descriptors else None
        return cls(
            segments.pictures(rows["spectrogram"], front_end.spectrogram_shape),
            described,
            pc.index_in(rows["genre"], pa.array(genres)).to_numpy().astype(np.int64),
            np.array([end - start for _, start, end in segments.runs(rows["track_id"])], np.int64),
        )

    def batch(self, chosen: Ints, lengths: Ints | None = None) -> Batch:
        """chosen: rows."""
        return Batch(
            torch.from_numpy(self.spectrograms[chosen]),
            None if self.descriptors is None else torch.from_numpy(self.descriptors[chosen]),
            torch.from_numpy(self.labels[chosen]),
            None if lengths is None else torch.from_numpy(lengths),
        )

    def whole(self, *, by_track: bool) -> Batch:
        """All of it as one batch."""
        return self.batch(np.arange(len(self.labels)), self.lengths if by_track else None)

    def batches(self, size: int, *, by_track: bool, rng: np.random.Generator | None) -> Iterator[Batch]:
        """Batches of `size` segments, or tracks, shuffled by `rng`; the last may be smaller, but in a shuffled pass never of one alone,
        which has no statistics."""
        n = len(self.lengths) if by_track else len(self.labels)
        order = np.arange(n) if rng is None else rng.permutation(n)
        starts = np.cumsum(self.lengths) - self.lengths
        for i in range(0, n, size):
            chosen = order[i : i + size]
            if rng is not None and len(chosen) == 1 and n > 1:
                continue
            if by_track:
                rows = np.concatenate([np.arange(starts[t], starts[t] + self.lengths[t]) for t in chosen])
                yield self.batch(rows, self.lengths[chosen])
            else:
                yield self.batch(chosen)

    def steps(self, size: int, *, by_track: bool) -> int:
        """Batches in a pass."""
        return -(-(len(self.lengths) if by_track else len(self.labels)) // size)
