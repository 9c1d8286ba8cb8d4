"""Reading shards on the cluster: which tracks there are, and their spectrograms as a stream."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray.data

from genre_batch.errors import UsageError
from genre_batch.front_end import FrontEnd
from genre_batch.models import scorer
from genre_batch.models.bundle import Served
from genre_batch.tables import delta, storage, store
from genre_batch.taxonomy import Taxonomy
from schemas import shards

ROWS_A_BLOCK = 256


@dataclass(frozen=True)
class Shards:
    """One version of a shards table; `tracks` has one row a track: track_id, genre, artist."""

    url: str
    version: int
    front_end: FrontEnd
    tracks: pa.Table
    files: list[str]

    def stream(
        self, track_ids: list[str], *, columns: tuple[str, ...] = ("spectrogram",), seed: int | None = None
    ) -> "ray.data.Dataset":
        """The segments of some tracks: track_id, genre, segment and `columns`, at most ROWS_A_BLOCK at a time.

        seed: read the files in an order drawn from it, instead of the table's.
        """
        # Not ray.data.read_parquet: it lists the files again in a task of its own, ten seconds for sixteen files.
        dataset = ray.data.from_arrow([pa.table({"file": [file]}) for file in self.files])
        if seed is not None:
            dataset = dataset.randomize_block_order(seed=seed)
        return dataset.map_batches(
            partial(_segments, track_ids=track_ids, columns=columns), batch_format="pyarrow", batch_size=None
        )


def _segments(files: pa.Table, *, track_ids: list[str], columns: tuple[str, ...]) -> Iterator[pa.Table]:
    chosen = pa.array(track_ids, pa.string())
    for file in files["file"].to_pylist():
        part = pq.ParquetFile(pa.BufferReader(storage.read_bytes(file)))
        for batch in part.iter_batches(ROWS_A_BLOCK, columns=["track_id", "genre", "segment", *columns]):
            rows = pa.table(batch)
            yield rows.filter(pc.is_in(rows["track_id"], chosen))


def open_shards(url: str) -> Shards:
    """The newest version. Raises UsageError if there is no shards table or it is empty, StoreUnreachable."""
    url = storage.normal(url)
    table = delta.open_table(url, shards.NAME)
    if table is None:
        raise UsageError(f"{url} holds no shards: make them with build-shards --shards {url}")
    segments = store.read(url, shards.NAME, shards.ARROW, ["track_id", "genre", "artist"])
    if not segments.num_rows:
        raise UsageError(f"the shards at {url} are empty: see the table rejects there for why")
    tracks = segments.group_by(["track_id", "genre", "artist"]).aggregate([])
    front_end = store.front_end(table)
    return Shards(url, table.version(), front_end, tracks, table.file_uris())


def pictures(column: pa.ChunkedArray, shape: tuple[int, int]) -> np.ndarray:
    """Column `spectrogram` as [shape=(n, *shape), uint8]."""
    return np.stack([np.frombuffer(value.as_buffer(), np.uint8).reshape(shape) for value in column])


def descriptions(column: pa.ChunkedArray) -> np.ndarray:
    """Column `descriptors` as [shape=(n, 57), float64]."""
    return np.array(column.to_pylist(), np.float64)


def score(table: Shards, served: Served, track_ids: set[str]) -> pa.Table:
    """Logits of each segment of some tracks: track_id, genre, segment, logits [list of n_genres float32]."""
    columns = tuple(
        column
        for column, needed in (("spectrogram", served.front_end.spectrograms), ("descriptors", served.front_end.descriptors))
        if needed
    )
    scored = table.stream(sorted(track_ids), columns=columns).map_batches(
        partial(_score, served=served), batch_size=None, batch_format="pyarrow"
    )
    parts = [part for part in scored.iter_batches(batch_size=None, batch_format="pyarrow") if part.num_rows]
    if not parts:
        raise UsageError(f"none of the chosen tracks is in the shards at {table.url}")
    return pa.concat_tables(parts).sort_by([("track_id", "ascending"), ("segment", "ascending")])


class Scored(NamedTuple):
    """As metrics.evaluate takes them: logits [shape=(n_segments, n_genres)], each segment's track, each track's class."""

    logits: np.ndarray
    tracks: np.ndarray
    labels: np.ndarray


def arrays(scored: pa.Table, taxonomy: Taxonomy) -> Scored:
    """What `score` gives, as arrays; tracks are numbered in the order of their ids."""
    _, first, tracks = np.unique(np.array(scored["track_id"].to_pylist()), return_index=True, return_inverse=True)
    genres = scored["genre"].to_pylist()
    labels = np.array([taxonomy.index(genres[i]) for i in first], np.int64)
    return Scored(np.array(scored["logits"].to_pylist(), np.float32), tracks.astype(np.int64), labels)


def _score(batch: pa.Table, *, served: Served) -> pa.Table:
    logits: list[list[float]] = []
    if batch.num_rows:
        shape, there = served.front_end.spectrogram_shape, batch.column_names
        drawn = pictures(batch["spectrogram"], shape) if "spectrogram" in there else None
        described = descriptions(batch["descriptors"]) if "descriptors" in there else None
        logits = scorer.of_served(served)(drawn, described).tolist()
    return batch.select(["track_id", "genre", "segment"]).append_column("logits", pa.array(logits, pa.list_(pa.float32())))
