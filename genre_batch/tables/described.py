"""A published table of descriptors beside spectrograms: the same segments of the same tracks."""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from genre_batch.errors import Missing, UsageError
from genre_batch.front_end import FrontEnd
from genre_batch.tables import features
from genre_batch.tables.features import FeatureTable
from genre_batch.tables.spectrograms import name_of


class Described:
    """Descriptors by track and segment."""

    def __init__(self, table: FeatureTable) -> None:
        self.table = table
        keys = zip(table.rows["track_id"].to_pylist(), table.rows["segment"].to_pylist(), strict=True)
        self.place = {key: i for i, key in enumerate(keys)}
        self.rows_of: dict[str, list[int]] = {}
        for (name, _), i in self.place.items():
            self.rows_of.setdefault(name, []).append(i)

    def of(self, track_id: str, segments: Iterable[int]) -> npt.NDArray[np.float64]:
        """[shape=(n_segments, 57)]. Raises Missing if one of the segments is not in the table."""
        name = name_of(track_id)
        places = []
        for segment in segments:
            if (name, segment) not in self.place:
                raise Missing(f"segment {segment} of {name} is not in {self.table.source}")
            places.append(self.place[name, segment])
        return self.table.values[places]

    def version(self, track_id: str) -> str:
        """Sixteen hexadecimal digits of all that the table says of a track."""
        places = self.rows_of.get(name_of(track_id), [])
        segments = self.table.rows["segment"].to_numpy()[places]
        return hashlib.sha256(segments.tobytes() + self.table.values[places].tobytes()).hexdigest()[:16]


def read(url: str, front_end: FrontEnd) -> Described:
    """Raises UsageError if segments there are not those of the front end, ContractViolated for no such table, StoreUnreachable."""
    if front_end.segment_hop_s != front_end.segment_s:
        raise UsageError(
            f"{url} describes segments that follow each other: leave out --segment-hop-s, or --descriptors, with segments of "
            f"{front_end.segment_s:g} s every {front_end.segment_hop_s:g} s"
        )
    table = features.read_published(url, None)
    if table.front_end.segment_s != front_end.segment_s:
        raise UsageError(
            f"{url} describes segments of {table.front_end.segment_s:g} s, not {front_end.segment_s:g} s: "
            f"give --segment-s {table.front_end.segment_s:g}, or another table"
        )
    return Described(table)
