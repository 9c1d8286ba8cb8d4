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

from genre_batch.cluster.blocks import blocks
from genre_batch.errors import UsageError
from genre_batch.front_end import FrontEnd
from genre_batch.models import scorer
from genre_batch.models.bundle import Served
from genre_batch.tables import delta, storage, store
from genre_batch.taxonomy import Taxonomy
from schemas import shards
from schemas.descriptors import NAMES

ROWS_A_BLOCK = 256


@dataclass(frozen=True)
class Shards:
    """One version of a shards table; `tracks` has one row a track: track_id, genre, artist, and how many `segments` it has.

    table_id: what Delta gave the table when it was made; a table that is made anew at the same URL counts its versions from 0 again.
    """

    url: str
    version: int
    table_id: str
    front_end: FrontEnd
    tracks: pa.Table
    files: list[str]

    def stream(
        self,
        track_ids: list[str],
        *,
        columns: tuple[str, ...] = ("spectrogram",),
        seed: int | None = None,
        by_track: bool = False,
    ) -> "ray.data.Dataset":
        """The segments of some tracks: track_id, genre, segment and `columns`, at most ROWS_A_BLOCK at a time.

        seed: read the files in an order drawn from it, another in each pass, instead of the table's. by_track: whole tracks at a time, each
        one's segments in order; raises UsageError where they lie in more than one file.
        """
        # Not ray.data.read_parquet: it lists the files again in a task of its own, ten seconds for sixteen files.
        dataset = ray.data.from_arrow([pa.table({"file": [file]}) for file in self.files])
        if seed is not None:
            # Of a mere number it would make the same order in each pass.
            dataset = dataset.randomize_block_order(seed=ray.data.RandomSeedConfig(seed=seed, reseed_after_execution=True))
        sizes = self.sizes(track_ids) if by_track else None
        if sizes:
            # Ray cuts a block that is half again as large as its target, in the middle of a track if need be: no block may grow so large.
            largest = max(ROWS_A_BLOCK, *sizes.values()) * self.bytes_a_segment
            context = dataset.context
            context.target_max_block_size = max(context.target_max_block_size or 0, 3 * largest)
        return dataset.map_batches(
            partial(_segments, track_ids=track_ids, columns=columns, sizes=sizes), batch_format="pyarrow", batch_size=None
        )

    def read(self, track_ids: list[str], columns: tuple[str, ...]) -> pa.Table:
        """The same rows here and now, by track and segment."""
        chosen = pa.array(track_ids, pa.string())
        parts = [batch for file in self.files for batch in _batches(file, chosen, columns) if batch.num_rows]
        if not parts:
            raise UsageError(f"none of the chosen tracks is in the shards at {self.url}")
        rows = pa.concat_tables(parts)
        if "spectrogram" in columns:
            # To sort them is to copy them into one array, and one of plain binary values ends at 2 GiB.
            wide = rows["spectrogram"].cast(pa.large_binary())
            rows = rows.set_column(rows.schema.get_field_index("spectrogram"), "spectrogram", wide)
        return rows.sort_by([("track_id", "ascending"), ("segment", "ascending")])

    @property
    def taxonomy(self) -> Taxonomy:
        """The genres of the tracks. Raises UsageError if there is but one."""
        found = Taxonomy.of(self.tracks["genre"].to_pylist())
        if len(found) == 1:
            raise UsageError(f"all tracks of {self.url} are of one genre, {found.genres[0]}: there is nothing to tell apart")
        return found

    @property
    def facts(self) -> dict[str, str | int]:
        """All that decides what is read from them. What is made from shards and stored bears it in its name, so that nothing that was made
        from others is taken for it."""
        return {"shards": self.url, "table": self.table_id, "version": self.version, "front_end": self.front_end.digest}

    @property
    def bytes_a_segment(self) -> int:
        """At most, in memory."""
        rows, columns = self.front_end.spectrogram_shape
        return rows * columns + 8 * len(NAMES) + 1024

    def sizes(self, track_ids: list[str]) -> dict[str, int]:
        """How many segments each of some tracks has."""
        chosen = self.tracks.filter(pc.is_in(self.tracks["track_id"], pa.array(track_ids, pa.string())))
        return dict(zip(chosen["track_id"].to_pylist(), chosen["segments"].to_pylist(), strict=True))


def _segments(
    files: pa.Table, *, track_ids: list[str], columns: tuple[str, ...], sizes: dict[str, int] | None
) -> Iterator[pa.Table]:
    chosen = pa.array(track_ids, pa.string())
    for file in files["file"].to_pylist():
        if sizes is None:
            yield from _batches(file, chosen, columns)
        else:
            yield from _whole_tracks(file, chosen, columns, sizes)


def _batches(file: str, chosen: pa.Array, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    part = pq.ParquetFile(pa.BufferReader(storage.read_needed(file)))
    for batch in part.iter_batches(ROWS_A_BLOCK, columns=["track_id", "genre", "segment", *columns]):
        rows = pa.table(batch)
        yield rows.filter(pc.is_in(rows["track_id"], chosen))


def _whole_tracks(file: str, chosen: pa.Array, columns: tuple[str, ...], sizes: dict[str, int]) -> Iterator[pa.Table]:
    parts = [batch for batch in _batches(file, chosen, columns) if batch.num_rows]
    if not parts:
        return
    rows = pa.concat_tables(parts).sort_by([("track_id", "ascending"), ("segment", "ascending")])
    begin = 0
    for track_id, start, end in runs(rows["track_id"]):
        if end - start != sizes[track_id]:
            raise UsageError(f"the segments of track {track_id!r} lie in more than one file: build the shards anew")
        if end - begin > ROWS_A_BLOCK and start > begin:
            yield rows.slice(begin, start - begin)
            begin = start
    yield rows.slice(begin)


def open_shards(url: str) -> Shards:
    """The newest version. Raises UsageError if there is no shards table or it is empty, StoreUnreachable."""
    url = storage.normal(url)
    table = delta.open_table(url, shards.NAME)
    if table is None:
        raise UsageError(f"{url} holds no shards: make them with build-shards --shards {url}")
    segments = store.read(url, shards.NAME, shards.ARROW, ["track_id", "genre", "artist"])
    if not segments.num_rows:
        raise UsageError(f"the shards at {url} are empty: see the table rejects there for why")
    tracks = segments.group_by(["track_id", "genre", "artist"]).aggregate([([], "count_all")])
    tracks = tracks.rename_columns({"count_all": "segments"})
    front_end = store.front_end(table)
    return Shards(url, table.version(), str(table.metadata().id), front_end, tracks, table.file_uris())


def runs(track_ids: pa.ChunkedArray) -> list[tuple[str, int, int]]:
    """Each track of an ordered column, where its rows begin and where they end."""
    names = np.array(track_ids.to_pylist())
    starts = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
    ends = [*starts[1:].tolist(), len(names)]
    return [(str(names[start]), int(start), end) for start, end in zip(starts, ends, strict=True)]


def by_tracks(rows: pa.Table) -> pa.Table:
    """One row a track, with lists of what its segments hold; the segments of a track lie together."""
    found = runs(rows["track_id"]) if rows.num_rows else []
    starts = pa.array([start for _, start, _ in found], pa.int32())
    offsets = pa.array([*starts.to_pylist(), rows.num_rows], pa.int32())
    columns: dict[str, pa.Array | pa.ChunkedArray] = {name: rows[name].take(starts) for name in ("track_id", "genre")}
    for name in rows.column_names:
        if name not in columns:
            values = rows[name].combine_chunks()
            columns[name] = pa.ListArray.from_arrays(offsets, values)
    return pa.table(columns)


def flat(tracks: pa.Table) -> pa.Table:
    """The rows that `by_tracks` was given."""
    lists = [name for name in tracks.column_names if name not in ("track_id", "genre")]
    parents = pc.list_parent_indices(tracks["segment"].combine_chunks())
    columns = {name: pc.list_flatten(tracks[name].combine_chunks()) for name in lists}
    return pa.table({name: tracks[name].take(parents) for name in ("track_id", "genre")} | columns)


def pictures(column: pa.ChunkedArray, shape: tuple[int, int]) -> np.ndarray:
    """Column `spectrogram` as [shape=(n, *shape), uint8]."""
    return np.stack([np.frombuffer(value.as_buffer(), np.uint8).reshape(shape) for value in column])


def descriptions(column: pa.ChunkedArray) -> np.ndarray:
    """Column `descriptors` as [shape=(n, 57), float64]."""
    return np.array(column.to_pylist(), np.float64)


def score(table: Shards, served: Served, track_ids: set[str]) -> pa.Table:
    """Logits of each segment of some tracks: track_id, genre, segment, logits [list of n_genres float32]."""
    columns = columns_for(served.front_end)
    scored = table.stream(sorted(track_ids), columns=columns, by_track=served.by_track).map_batches(
        partial(_score, served=served), batch_size=None, batch_format="pyarrow"
    )
    parts = [part for part in blocks(scored) if part.num_rows]
    if not parts:
        raise UsageError(f"none of the chosen tracks is in the shards at {table.url}")
    return pa.concat_tables(parts).sort_by([("track_id", "ascending"), ("segment", "ascending")])


def columns_for(front_end: FrontEnd) -> tuple[str, ...]:
    """The columns of shards that a model with this front end looks at."""
    needed = (("spectrogram", front_end.spectrograms), ("descriptors", front_end.descriptors))
    return tuple(column for column, there in needed if there)


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
        scorer_ = scorer.of_served(served)
        shape, there = served.front_end.spectrogram_shape, batch.column_names
        drawn = pictures(batch["spectrogram"], shape) if "spectrogram" in there else None
        described = descriptions(batch["descriptors"]) if "descriptors" in there else None
        for part in _parts(batch, served.by_track):
            logits += scorer_(None if drawn is None else drawn[part], None if described is None else described[part]).tolist()
    return batch.select(["track_id", "genre", "segment"]).append_column("logits", pa.array(logits, pa.list_(pa.float32())))


def _parts(batch: pa.Table, by_track: bool) -> list[slice]:
    """All rows at once, or the rows of each track."""
    if not by_track:
        return [slice(None)]
    return [slice(start, end) for _, start, end in runs(batch["track_id"])]
