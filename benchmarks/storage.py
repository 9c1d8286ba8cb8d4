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
    measured = {kind: measure(exact, *kind) for kind in kinds}
    base = measured[STORED]
    rows = [
        {
            "values": values,
            "codec": codec,
            "column": column,
            **figures,
            "size ×": figures["bytes a segment"] / base["bytes a segment"],
            "read ×": figures["read a CPU s"] / base["read a CPU s"],
        }
        for (values, codec, column), figures in measured.items()
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


def measure(exact: npt.NDArray[np.float32], values: str, codec: str, column: str) -> dict[str, float]:
    """The figures of one way to store `exact`."""
    stored = np.stack([spectrogram.picture(level, MEL) for level in exact]) if values == "uint8" else exact.astype(values)
    written = write(stored, codec, column)
    if not np.array_equal(read(written, stored.dtype, stored.shape[1:]), stored):
        raise AssertionError(f"{values}, {codec}, {column}: what was read is not what was written")
    seen = stored / np.float32(255) * MEL.top_db - MEL.top_db if values == "uint8" else stored.astype(np.float32)
    error = np.abs(seen - exact)
    return {
        "bytes a segment": written.size / len(exact),
        "write a CPU s": len(exact) / report.cpu_seconds(lambda: write(stored, codec, column)),
        "read a CPU s": len(exact) / report.cpu_seconds(lambda: read(written, stored.dtype, stored.shape[1:])),
        "rms error dB": float(np.sqrt(np.mean(np.square(error)))),
        "max error dB": float(error.max()),
    }


def write(levels: Levels, codec: str, column: str) -> pa.Buffer:
    """One Parquet file with one column."""
    if column == "binary":
        array = pa.array([level.tobytes() for level in levels], pa.binary())
    else:
        array = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(levels))
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table({"spectrogram": array}), buffer, compression=codec)
    return buffer.getvalue()


def read(file: pa.Buffer, kind: np.dtype, shape: tuple[int, ...]) -> Levels:
    """[shape=(n, *shape)], in a copy of its own."""
    column = pq.read_table(pa.BufferReader(file))["spectrogram"]
    if column.type == pa.binary():
        return np.stack([np.frombuffer(value.as_buffer(), kind).reshape(shape) for value in column])
    return np.array(column.combine_chunks().to_numpy_ndarray())


if __name__ == "__main__":
    main()
