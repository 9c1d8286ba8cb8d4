"""audit: what is wrong with a library, or with shards, before anyone trains on it."""

from typing import Annotated

import typer

from genre_batch.audit.checks import FROM_RECORDINGS, Check
from genre_batch.errors import ExitCode
from jobs.config import Config


def audit(
    out: Annotated[str, typer.Option(help="Folder for duplicates.csv, audit.json and audit.html.", metavar="URL")],
    shards: Annotated[str | None, typer.Option(help="Shards to audit.", metavar="URL", show_default=False)] = None,
    library: Annotated[
        str | None, typer.Option(help="Recordings to audit: folder, s3:// URL or manifest.", metavar="URL", show_default=False)
    ] = None,
    artists: Annotated[
        str | None, typer.Option(help="With --library: CSV with columns track and artist.", metavar="FILE", show_default=False)
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Who stands where: a bundle, or a table with columns track_id and part.", metavar="URL", show_default=False
        ),
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            help=f"End with exit code {ExitCode.AUDIT_FAILED:d} if any of these is found: {', '.join(Check)}.",
            metavar="CHECK,…",
        ),
    ] = "",
    config: Config = None,
) -> None:
    """Find duplicates, leaks, wrong labels and broken tracks in shards or in a library of recordings.

    Example: genre-batch audit --shards s3://music/shards --out audit --fail-on duplicates,leakage
    """
    if (shards is None) == (library is None):
        raise typer.BadParameter("an audit is of shards or of recordings: give one of --shards and --library")
    if artists and library is None:
        raise typer.BadParameter("shards carry their artists: leave out --artists, or audit a --library")
    asked = _asked(fail_on)
    if untold := [check for check in asked if check in FROM_RECORDINGS and library is None]:
        raise typer.BadParameter(f"spectrograms do not tell what is {', '.join(untold)}: audit the recordings with --library")
    from genre_batch import progress
    from genre_batch.audit import notice
    from genre_batch.cluster import audit as job

    figures = job.audit(shards_url=shards, library_url=library, out=out, artists=artists, split=split)
    print(f"{figures['tracks']} tracks: {notice.told(figures['findings'])}; duplicates.csv, audit.json, audit.html in {out}")
    if lie := figures["nearest_neighbour"]:
        right = lie["accuracy"]
        print(
            f"Nearest neighbour: {right['random']:.1%} of segments right when they are split at random, {right['artist']:.1%} "
            f"when artists are kept apart; the difference is what leaks."
        )
    if failed := {check.value: n for check in asked if (n := figures["findings"][check])}:
        progress.fail(f"found what --fail-on names: {notice.told(failed)}; see {out}", exit_code=int(ExitCode.AUDIT_FAILED))
        raise typer.Exit(ExitCode.AUDIT_FAILED)


def _asked(fail_on: str) -> list[Check]:
    names = [name.strip() for name in fail_on.split(",") if name.strip()]
    if unknown := [name for name in names if name not in list(Check)]:
        raise typer.BadParameter(f"--fail-on knows no {unknown[0]!r}; it knows {', '.join(Check)}")
    return [Check(name) for name in names]
