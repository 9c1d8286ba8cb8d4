"""What workers tell of each track, one row a track, and the tracks of an audit: rows in a file, of which small columns are in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from genre_batch.audit.bands import Floats
from genre_batch.audit.fingerprint import N_BANDS, SIZE, Fingerprint

ARROW = pa.schema(
    [
        pa.field("track_id", pa.string(), nullable=False),
        pa.field("genre", pa.string()),
        pa.field("artist", pa.string()),
        pa.field("duration_s", pa.float64()),
        pa.field("segments", pa.int32()),
        # Shares; clipped and promised_s are null where no recording was heard.
        pa.field("clipped", pa.float64()),
        pa.field("silent", pa.float64()),
        pa.field("promised_s", pa.float64()),
        # Reason and detail of a track that cannot be used; then there is no fingerprint.
        pa.field("refused", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("digest", pa.binary()),
        pa.field("step_s", pa.float64()),
        pa.field("sign_step_s", pa.float64()),
        pa.field("sign_bands", pa.int32()),
        # Row by row; signs as bits: those that are 1, then those that are -1.
        pa.field("levels", pa.binary()),
        pa.field("signs", pa.binary()),
        pa.field("moments", pa.binary()),
        pa.field("summary", pa.binary()),
    ]
)
LARGE = ("levels", "signs", "moments", "summary")
Row = dict[str, Any]


def row(track_id: str, genre: str | None, artist: str | None, **more: Any) -> Row:
    """A track that cannot be used has `refused` and `detail`; what is not given is null."""
    return dict.fromkeys(ARROW.names) | {"track_id": track_id, "genre": genre, "artist": artist} | more


def stored(print_: Fingerprint) -> Row:
    """A fingerprint as columns."""
    return {
        "segments": len(print_.summary),
        "digest": print_.digest,
        "step_s": print_.step_s,
        "sign_step_s": print_.sign_step_s,
        "sign_bands": len(print_.signs),
        "levels": print_.levels.tobytes(),
        "signs": np.packbits([print_.signs.ravel() > 0, print_.signs.ravel() < 0], axis=1).tobytes(),
        "moments": print_.moments.tobytes(),
        "summary": print_.summary.astype("<f4").tobytes(),
    }


@dataclass(frozen=True)
class Tracks:
    """The tracks of an audit in the order of their ids; a track's number is its place here.

    table: the columns of ARROW without LARGE. `large`: the rows as workers told them, which may lie in a file that is mapped into memory;
    places: where in it each track is.
    """

    table: pa.Table
    large: pa.Table
    places: npt.NDArray[np.int64]

    @classmethod
    def of(cls, rows: pa.Table) -> "Tracks":
        places = pc.sort_indices(rows["track_id"]).to_numpy()
        small = rows.select([name for name in ARROW.names if name not in LARGE])
        return cls(small.take(pa.array(places)).combine_chunks(), rows, places.astype(np.int64))

    @property
    def step_s(self) -> float:
        """Of the levels of all tracks, for all were drawn by one front end."""
        return float(pc.max(self.table["step_s"]).as_py())

    @property
    def sign_step_s(self) -> float:
        return float(pc.max(self.table["sign_step_s"]).as_py())

    def __len__(self) -> int:
        return self.table.num_rows

    def column(self, name: str) -> list[Any]:
        return list(self.table[name].to_pylist())

    def levels(self, number: int) -> npt.NDArray[np.int8]:
        return np.frombuffer(self._bytes("levels", number), np.int8).reshape(N_BANDS, -1)

    def signs(self, number: int) -> npt.NDArray[np.int8]:
        bands = self.table["sign_bands"][number].as_py()
        risen, fallen = np.unpackbits(np.frombuffer(self._bytes("signs", number), np.uint8).reshape(2, -1), axis=1)
        # The last byte of each is filled up with zeros, less than a column of at least eight bands.
        n = len(risen) // bands * bands
        return (risen[:n].astype(np.int8) - fallen[:n].astype(np.int8)).reshape(bands, -1)

    def moments(self, number: int) -> npt.NDArray[np.int8]:
        return np.frombuffer(self._bytes("moments", number), np.int8).reshape(-1, SIZE)

    def summaries(self, numbers: Sequence[int]) -> list[Floats]:
        """Of each of some tracks, [shape=(segments, 3 * N_BANDS), float32]."""
        return [np.frombuffer(self._bytes("summary", i), "<f4").reshape(-1, 3 * N_BANDS) for i in numbers]

    def _bytes(self, name: str, number: int) -> pa.Buffer:
        return self.large[name][int(self.places[number])].as_buffer()
