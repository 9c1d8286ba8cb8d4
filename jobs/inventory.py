"""inventory: what is in a library."""

from collections import Counter
from typing import Annotated

import typer

from genre_batch.choices import Layout
from jobs import options
from jobs.config import Config


def inventory(
    library: options.Library,
    layout: Annotated[
        Layout, typer.Option(help="Is the first folder the genre? A .csv or .parquet is a manifest.")
    ] = Layout.GENRE_FOLDERS,
    out: Annotated[str | None, typer.Option(help="Write the listing here as Parquet.", metavar="URL")] = None,
    config: Config = None,
) -> None:
    """List a library: recordings by genre, and what is no audio.

    Example: genre-batch inventory --library s3://music/library --out inventory.parquet
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from genre_batch.tables import library as libraries
    from genre_batch.tables import storage

    listed = libraries.read(library, layout)
    tracks = listed.tracks
    size = sum(size or 0 for size in tracks["size"].to_pylist())
    print(f"{tracks.num_rows} recordings ({size / 1e6:.1f} MB), {listed.not_audio} other objects in {listed.url}")
    for genre, n in sorted(Counter(tracks["genre"].to_pylist()).items(), key=lambda item: str(item[0])):
        print(f"  {genre or 'no genre'}: {n}")
    if missing := tracks["content_version"].to_pylist().count("missing"):
        print(f"  missing: {missing}")
    if out:
        buffer = pa.BufferOutputStream()
        pq.write_table(tracks, buffer)
        storage.write_bytes(storage.normal(out), buffer.getvalue().to_pybytes())
        print(f"written to {out}")
