"""Ways to store a spectrogram in Parquet: bytes a segment, segments written and read per CPU second, error in decibels.

The segments are those of the embedded library's songs with front end `mel`. Reading ends with an array of all segments,
[shape=(n, rows, columns)], in the type they were stored in.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import report
from genre_batch.embedded.genres import RECIPES
from genre_batch.embedded.library import SONG_S
from genre_batch.embedded.song import Manner, render
from genre_batch.front_end import MEL
from genre_batch.signal import segment, spectrogram

CODECS = ("zstd", "snappy", "none")
TYPES = ("uint8", "float16", "float32")
STORED = ("uint8", "zstd", "binary")
"""How shards are stored: what the others are compared with."""

Levels = npt.NDArray[np.generic]


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument("--songs", type=int, default=8, help="songs of each genre, three segments a song (default 8)")
    asked = options.parse_args()
    exact = decibels(asked.songs)
    kinds = [(kind, codec, "binary") for kind in TYPES for codec in CODECS]
    kinds += [("float32", codec, "fixed_shape_tensor") for codec in CODECS]
    files = {kind: Stored(exact, *kind) for kind in kinds}
    write_s = report.cpu_seconds({kind: file.write for kind, file in files.items()})
    read_s = report.cpu_seconds({kind: file.read for kind, file in files.items()})
    rows = [
        {
            "values": kind[0],
            "codec": kind[1],
            "column": kind[2],
            "bytes a segment": file.written.size / len(exact),
            "write a CPU s": len(exact) / write_s[kind],
            "read a CPU s": len(exact) / read_s[kind],
            "rms error dB": float(np.sqrt(np.mean(np.square(file.error(exact))))),
            "max error dB": float(file.error(exact).max()),
            "size ×": file.written.size / files[STORED].written.size,
            "read ×": read_s[STORED] / read_s[kind],
        }
        for kind, file in files.items()
    ]
    title = f"{len(exact)} segments of {exact.shape[1]} × {exact.shape[2]}; × is relative to {', '.join(STORED)}"
    report.show(title, rows, asked.json)


def decibels(n_songs: int) -> npt.NDArray[np.float32]:
    """Levels before they are rounded, [shape=(n_segments, rows, columns)], -80..0 dB."""
    levels = []
    for g, genre in enumerate(RECIPES):
        for n in range(n_songs):
            song = render(genre, Manner.of(np.random.default_rng((g, n))), np.random.default_rng((g, n, 1)), SONG_S)
            for _, samples in segment.segments([song.astype(np.float32)], MEL):
                energy = spectrogram.power(samples, MEL)
                levels.append(spectrogram.decibels(energy, MEL, float(energy.max())))
    return np.stack(levels)


class Stored:
    """Levels in one type, and the Parquet file with one column that they become."""

    def __init__(self, exact: npt.NDArray[np.float32], values: str, codec: str, column: str) -> None:
        as_uint8 = values == "uint8"
        self.levels: Levels = (
            np.stack([spectrogram.picture(level, MEL) for level in exact]) if as_uint8 else exact.astype(values)
        )
        self.codec, self.column = codec, column
        self.written = self.write()
        if not np.array_equal(self.read(), self.levels):
            raise AssertionError(f"{values}, {codec}, {column}: what was read is not what was written")

    def write(self) -> pa.Buffer:
        if self.column == "binary":
            array = pa.array([level.tobytes() for level in self.levels], pa.binary())
        else:
            array = pa.FixedShapeTensorArray.from_numpy_ndarray(self.levels)
        buffer = pa.BufferOutputStream()
        pq.write_table(pa.table({"spectrogram": array}), buffer, compression=self.codec)
        return buffer.getvalue()

    def read(self) -> Levels:
        """[shape=(n, rows, columns)], in a copy of its own."""
        column = pq.read_table(pa.BufferReader(self.written))["spectrogram"]
        if self.column == "binary":
            one = [np.frombuffer(value.as_buffer(), self.levels.dtype) for value in column]
            return np.stack(one).reshape(self.levels.shape)
        return np.array(column.combine_chunks().to_numpy_ndarray())

    def error(self, exact: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Absolute, in decibels."""
        seen = self.levels.astype(np.float32)
        if self.levels.dtype == np.uint8:
            seen = seen / np.float32(255) * MEL.top_db - MEL.top_db
        return np.abs(seen - exact)


if __name__ == "__main__":
    main()
