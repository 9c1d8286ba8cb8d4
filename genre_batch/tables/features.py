"""Tables to train baselines on: descriptors as others publish them, in CSV, or those of our own shards, or what is told of spectrograms."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from genre_batch.errors import ContractViolated, UsageError
from genre_batch.front_end import MEL, Descriptors, FrontEnd
from genre_batch.tables import delta, library, manifest, storage, store
from schemas import features, shards
from schemas.contract import ContractError
from schemas.descriptors import NAMES

WHOLE_TRACK_S = 30
"""Of a recording of GTZAN."""
ROWS_A_BATCH = 256
"""Spectrograms in memory at a time, besides the file that they come from."""

Floats = npt.NDArray[np.float64]
Describe = Callable[[npt.NDArray[np.uint8]], Floats]
"""Spectrograms [shape=(n, rows, columns), uint8] to [shape=(n, n_values)]."""


@dataclass(frozen=True)
class FeatureTable:
    """`rows`: track_id, segment, genre, artist (null where unknown), ordered by the first two; `values` [shape=(n, 57), float64] in the
    order of schemas.descriptors, or [shape=(n, n_values)] as told of spectrograms; `length` in samples as published, None if it was not;
    `front_end` computes such values, or the spectrograms that they are told of."""

    source: str
    rows: pa.Table
    values: npt.NDArray[np.float64]
    length: npt.NDArray[np.float64] | None
    front_end: FrontEnd

    @property
    def inputs(self) -> tuple[str, ...]:
        """As models.bundle.Member has them."""
        return ("statistics",) if self.front_end.spectrograms else ("descriptors",)

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits of all that a model can learn from it."""
        said = hashlib.sha256(self.values.tobytes() + (b"" if self.length is None else self.length.tobytes()))
        for column in self.rows.itercolumns():
            said.update("\0".join(str(value) for value in column.to_pylist()).encode())
        return said.hexdigest()[:16]


def read_published(url: str, artists: str | None) -> FeatureTable:
    """A feature table of GTZAN. Raises ContractViolated naming line and column, UsageError for what is no table, StoreUnreachable."""
    url = storage.normal(url)
    table = manifest.read_table(url)
    table = table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))
    try:
        features.validate(table)
    except ContractError as error:
        raise ContractViolated(f"{url}: {error}") from error
    found = [features.FILENAME.fullmatch(name) for name in table["filename"].to_pylist()]
    track_ids = [each["track"] for each in found if each]
    known = library.artists_of(track_ids, artists, str) if artists else {}
    rows = pa.table(
        {
            "track_id": track_ids,
            "segment": pa.array([int(each["segment"] or 0) for each in found if each], pa.int32()),
            "genre": table["label"],
            "artist": pa.array([known.get(track_id) for track_id in track_ids], pa.string()),
        }
    )
    values = np.column_stack([features.numbers(name, table[name].to_pylist()) for name in NAMES])
    length = features.numbers("length", table["length"].to_pylist()) if "length" in table.column_names else None
    segments_a_track = 1 + max(rows["segment"].to_pylist())
    segment_s = WHOLE_TRACK_S / segments_a_track
    if length is not None:
        segment_s = round(float(np.median(length)) / features.SAMPLE_RATE_HZ)
    if segment_s < 1:
        raise UsageError(f"{url}: segments of {segment_s:g} s are too short to describe")
    return ordered(FeatureTable(url, rows, values, length, published_front_end(segment_s)))


def read_shards(url: str) -> FeatureTable:
    """The descriptors of our own shards. Raises UsageError if there are none, StoreUnreachable."""
    url = storage.normal(url)
    _, front_end = _open(url, "build-shards --descriptors")
    if front_end.descriptors is None:
        raise UsageError(f"the shards at {url} hold no descriptors: build others with build-shards --descriptors")
    rows = store.read(url, shards.NAME, shards.ARROW, ["track_id", "segment", "genre", "artist", "descriptors"])
    _refuse_empty(url, rows.num_rows)
    values = pc.list_flatten(rows["descriptors"]).to_numpy().reshape(rows.num_rows, len(NAMES))
    seen = dataclasses.replace(front_end, spectrograms=False)
    return ordered(FeatureTable(url, rows.drop_columns("descriptors"), values, None, seen))


def read_spectrograms(url: str, describe: Describe) -> FeatureTable:
    """What `describe` tells of the spectrograms of our own shards, of which few are in memory at a time. Raises UsageError if there are
    none, StoreUnreachable."""
    url = storage.normal(url)
    table, front_end = _open(url, "build-shards")
    if not front_end.spectrograms:
        raise UsageError(f"the shards at {url} hold no spectrograms: build others, or take --features descriptors")
    batches = [
        (rows.drop_columns("spectrogram"), describe(_pictures(rows["spectrogram"], front_end.spectrogram_shape)))
        for rows in _batches(table, ["track_id", "segment", "genre", "artist", "spectrogram"])
    ]
    _refuse_empty(url, len(batches))
    rows, values = pa.concat_tables([rows for rows, _ in batches]), np.concatenate([values for _, values in batches])
    return ordered(FeatureTable(url, rows, values, None, dataclasses.replace(front_end, descriptors=None)))


def _open(url: str, how: str) -> tuple[DeltaTable, FrontEnd]:
    table = delta.open_table(url, shards.NAME)
    if table is None:
        raise UsageError(f"{url} holds no shards: make them with {how} --shards {url}")
    return table, store.front_end(table)


def _refuse_empty(url: str, n: int) -> None:
    if not n:
        raise UsageError(f"the shards at {url} are empty: see the table rejects there for why")


def _batches(table: DeltaTable, columns: list[str]) -> Iterator[pa.Table]:
    for file in table.file_uris():
        part = pq.ParquetFile(pa.BufferReader(storage.read_needed(file)))
        yield from (pa.table(batch) for batch in part.iter_batches(ROWS_A_BATCH, columns=columns) if batch.num_rows)


def _pictures(column: pa.ChunkedArray, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    return np.stack([np.frombuffer(value.as_buffer(), np.uint8).reshape(shape) for value in column])


def ordered(table: FeatureTable) -> FeatureTable:
    """By track and segment, so that a split does not depend on the order of a file."""
    order = np.lexsort((table.rows["segment"].to_numpy(), np.array(table.rows["track_id"].to_pylist())))
    length = None if table.length is None else table.length[order]
    return FeatureTable(table.source, table.rows.take(order), table.values[order], length, table.front_end)


def published_front_end(segment_s: float) -> FrontEnd:
    """What computes the values of a published table with segments of such a length."""
    return dataclasses.replace(
        MEL,
        name=f"gtzan-descriptors-{segment_s:g}s",
        segment_s=float(segment_s),
        segment_hop_s=float(segment_s),
        spectrograms=False,
        descriptors=Descriptors(),
    )
