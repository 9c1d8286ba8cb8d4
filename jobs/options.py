"""Options that several jobs share."""

from typing import Annotated

import typer

from genre_batch.choices import Redo

Library = Annotated[
    str,
    typer.Option(help="Folder, s3:// URL, or manifest (.csv, .parquet) of the recordings.", metavar="URL", show_default=False),
]
Shards = Annotated[str, typer.Option(help="Where the shards are.", metavar="URL", show_default=False)]
Bundle = Annotated[str, typer.Option(help="Where the bundle is.", metavar="URL", show_default=False)]
Tables = Annotated[str, typer.Option(help="Where the output tables are.", metavar="URL", show_default=False)]
RedoOption = Annotated[Redo, typer.Option("--redo", help="Do again what is in the tables already.")]
MaxRejects = Annotated[
    float,
    typer.Option(
        help="Publish nothing if a larger share of the tried tracks is rejected (and more than three); 0 allows none.",
        min=0,
        max=1,
    ),
]

DEFAULT_MAX_REJECTS = 0.1
