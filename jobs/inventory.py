"""inventory: what is in a library."""

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
    under: Annotated[
        str | None,
        typer.Option(help="Which part of an S3 Inventory's bucket is the library.", metavar="URL", show_default=False),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            help="Write the listing here as Parquet; given as --library, it is taken as it is.",
            metavar="URL",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
) -> None:
    """List a library: recordings by genre, and what is no audio.

    The manifest.json of an S3 Inventory is a library too, which is listed in minutes whatever its size.

    Example: genre-batch inventory --library s3://music/library --out inventory.parquet
    """
    import os
    from tempfile import TemporaryDirectory

    from genre_batch.tables import library as libraries
    from genre_batch.tables import storage

    with TemporaryDirectory() as folder:
        listing = libraries.write(library, layout, os.path.join(folder, "listing.parquet"), under)
        found = libraries.contents(listing)
        print(f"{listing.rows} recordings ({found.size / 1e6:.1f} MB), {listing.not_audio} other objects in {listing.url}")
        for genre, n in found.genres.items():
            print(f"  {genre or 'no genre'}: {n}")
        if found.missing:
            print(f"  missing: {found.missing}")
        if out:
            storage.put(listing.path, storage.normal(out))
            print(f"written to {out}")
