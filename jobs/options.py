"""Options that several jobs share."""

from typing import Annotated

import typer

from genre_batch.choices import Augmentation, Protocol, Redo, WaveformPart

Library = Annotated[
    str,
    typer.Option(help="Folder, s3:// URL, or manifest (.csv, .parquet) of the recordings.", metavar="URL", show_default=False),
]
Shards = Annotated[str, typer.Option(help="Where the shards are.", metavar="URL", show_default=False)]
Bundle = Annotated[str, typer.Option(help="Where the bundle is; gtzan is the one that ships with this package.", metavar="URL")]
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
Network = Annotated[str, typer.Option(help="Which network; --describe tells of each.", metavar="NAME")]
Split = Annotated[Protocol, typer.Option(help="Who stands on one side only; fault-filtered: GTZAN's lists.")]
Epochs = Annotated[int | None, typer.Option(min=1)]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1)]
RecipeFile = Annotated[
    str | None, typer.Option(help="TOML file with what differs from the network's own recipe.", metavar="FILE")
]
Augment = Annotated[
    list[str] | None,
    typer.Option(
        help=f"What is done to spectrograms, once for each: {', '.join(Augmentation)}, or none.",
        metavar="PART",
        show_default=False,
    ),
]
Waveform = Annotated[
    list[str] | None,
    typer.Option(
        help=f"What is done to the recordings themselves: {', '.join(WaveformPart)}, or none.",
        metavar="PART",
        show_default=False,
    ),
]

DEFAULT_MAX_REJECTS = 0.1
DEFAULT_BUNDLE = "gtzan"
