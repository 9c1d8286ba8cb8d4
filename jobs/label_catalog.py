"""label-catalog: every recording of a library gets a label, or a reason why not."""

from typing import Annotated

import typer

from genre_batch.choices import Relabel
from jobs import options
from jobs.config import Config
from jobs.summary import accounts

RELABEL = (
    f'Do again what is done: {", ".join(Relabel)}, or an SQL predicate over labels such as "confidence < 0.4". '
    "Where a run was stopped, the same command goes on."
)


def label_catalog(
    library: options.Library,
    tables: options.Tables,
    bundle: options.Bundle = options.DEFAULT_BUNDLE,
    relabel: Annotated[
        str | None, typer.Option("--relabel", "--redo", help=RELABEL, metavar="WHICH", show_default=False)
    ] = None,
    segments: Annotated[
        bool, typer.Option("--segments", help="Write a row for each segment too: the timeline of a track.")
    ] = False,
    commit_every: Annotated[
        str, typer.Option(help="What a killed run may lose: a time (30s, 5m) or a number of tracks (500).", metavar="TIME|N")
    ] = "30s",
    max_minutes: Annotated[
        float | None, typer.Option(help="Begin no track after so long; the next run goes on (exit 75).", min=0)
    ] = None,
    max_reject_fraction: options.MaxRejects = options.DEFAULT_MAX_REJECTS,
    report: Annotated[
        str | None,
        typer.Option(help="Write a page about the run here, as the job report does.", metavar="FILE", show_default=False),
    ] = None,
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="End with 7 if the run drifted; all is published.")
    ] = False,
    max_mb: Annotated[float, typer.Option(help="A larger file is rejected, unread.", min=0)] = 2000,
    max_audio_hours: Annotated[float, typer.Option(help="A longer recording is rejected.", min=0)] = 6,
    max_track_seconds: Annotated[float, typer.Option(help="A recording that takes longer to label is rejected.", min=0)] = 600,
    config: Config = None,
) -> None:
    """Label what is new or changed, into the tables labels, rejects and runs.

    Example: genre-batch label-catalog --library s3://music/catalog --bundle s3://music/bundles/first --tables s3://music/genres
    """
    from genre_batch.cluster import label as job
    from genre_batch.cluster.run import CommitEvery
    from genre_batch.errors import Drifted, StoppedEarly
    from genre_batch.limits import Limits

    night = job.label_catalog(
        job.Request(
            library_url=library,
            bundle_url=bundle,
            tables=tables,
            relabel=relabel,
            commit_every=CommitEvery.parse(commit_every),
            max_minutes=max_minutes,
            max_reject_fraction=max_reject_fraction,
            timeline=segments,
            limits=Limits(bytes=int(max_mb * 1e6), audio_s=max_audio_hours * 3600, work_s=max_track_seconds),
        )
    )
    print(accounts("label-catalog", "labelled", night.summary, tables))
    if night.drift:
        print(night.drift.told)
    if report:
        from genre_batch.report import night as page

        page.write(tables, report)
        print(f"report in {report}")
    if night.summary.remaining:
        raise StoppedEarly(f"{night.summary.remaining} tracks remain: --max-minutes is over; run again to go on")
    if fail_on_drift and night.drift and night.drift.is_alarm:
        raise Drifted(f"{night.drift.told}; all was published")
