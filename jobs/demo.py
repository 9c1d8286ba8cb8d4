"""demo: the whole line on a small library that is rendered here."""

from pathlib import Path
from typing import Annotated

import typer

from genre_batch.choices import Redo
from jobs.config import Config

EPOCHS = 24
MAX_REJECTS = 0.2
"""The library holds bad files on purpose."""

QUESTIONS = {
    "What was heard": "SELECT genre, count(*) AS tracks, round(avg(confidence), 3) AS confidence FROM labels GROUP BY ALL ORDER BY ALL",
    "What was refused, and why": "SELECT track_id, stage, reason, detail FROM rejects ORDER BY track_id",
}


def demo(
    folder: Annotated[Path, typer.Option(help="Where to put library, shards, bundle and tables.")] = Path("demo"),
    config: Config = None,
) -> None:
    """Render a library of a hundred songs, train on it, label it, and ask the tables.

    Example: genre-batch demo
    """
    from genre_batch.cluster.session import session
    from genre_batch.embedded import library
    from genre_batch.embedded.genres import RECIPES
    from genre_batch.progress import say
    from genre_batch.tables import present
    from genre_batch.tables.query import query as ask
    from jobs.build_shards import build_shards
    from jobs.evaluate import evaluate
    from jobs.label_catalog import label_catalog
    from jobs.train_network import train_network

    songs, shards, bundle, tables = (str(folder / name) for name in ("library", "shards", "bundle", "tables"))
    say(f"rendering a library of {len(RECIPES)} genres into {songs}")
    manifest = str(library.write(Path(songs)))
    say("starting Ray on this machine")
    with session():
        _step(f"build-shards --library {manifest} --shards {shards}")
        build_shards(library=manifest, shards=shards, front_end="mel", artists=None, redo=Redo.NOTHING, max_reject_fraction=0)
        _step(f"train-network --shards {shards} --bundle {bundle} --epochs {EPOCHS}")
        train_network(shards=shards, bundle=bundle, epochs=EPOCHS)
        _step(f"evaluate --bundle {bundle} --shards {shards} --out {folder}/evaluation --leave-out")
        evaluate(bundle=bundle, shards=shards, out=f"{folder}/evaluation", leave_out=True)
        _step(f"label-catalog --library {songs} --bundle {bundle} --tables {tables} --max-reject-fraction {MAX_REJECTS}")
        label_catalog(library=songs, bundle=bundle, tables=tables, max_reject_fraction=MAX_REJECTS)
    for question, sql in QUESTIONS.items():
        print(f"\n{question}:")
        _step(f'query --tables {tables} "{sql}"')
        present.print_table(ask(tables, sql))
    print(f"The confusion matrix on artists the network never heard: {folder}/evaluation/confusion.png")
    print(f"What the bundle is worth: {bundle}/MODEL_CARD.md")
    print("\nNext, with your own recordings in folders by genre (or a manifest.csv with uri, genre, artist):")
    print("  genre-batch build-shards  --library s3://YOUR-BUCKET/library --shards s3://YOUR-BUCKET/shards")
    print("  genre-batch train-network --shards s3://YOUR-BUCKET/shards --bundle s3://YOUR-BUCKET/bundle")
    print(
        "  genre-batch label-catalog --library s3://YOUR-BUCKET/catalog --bundle s3://YOUR-BUCKET/bundle --tables s3://YOUR-BUCKET/tables"
    )


def _step(command: str) -> None:
    print(f"$ genre-batch {command}", flush=True)
