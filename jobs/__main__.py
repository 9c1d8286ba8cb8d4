"""The one app: `python -m jobs NAME …`, `genre-batch NAME …`, and what `ray job submit` runs.

Each job module imports what it needs when it runs, so that `query` and `--help` need not wait for torch and Ray.
"""

import signal
import sys
from typing import Annotated

import typer

from genre_batch import progress
from genre_batch.errors import ExitCode, job_error_behind
from genre_batch.progress import LogFormat
from jobs.audit import audit
from jobs.build_shards import build_shards
from jobs.config import PREFIX, JobCommand, check_environment, commands_of
from jobs.demo import demo
from jobs.ensemble import ensemble
from jobs.evaluate import evaluate
from jobs.import_spectrograms import import_spectrograms
from jobs.inventory import inventory
from jobs.label_catalog import label_catalog
from jobs.listen import listen
from jobs.maintain import maintain
from jobs.query import query
from jobs.report import report
from jobs.train_network import train_network
from jobs.tune_baselines import tune_baselines
from jobs.tune_network import tune_network

INTERRUPTED = 130
"""What typer makes of a KeyboardInterrupt."""

app = typer.Typer(
    name="genre-batch",
    help="Label whole music catalogs by genre.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for job in (
    demo,
    inventory,
    audit,
    build_shards,
    import_spectrograms,
    train_network,
    tune_network,
    tune_baselines,
    ensemble,
    evaluate,
    label_catalog,
    maintain,
    report,
    query,
    listen,
):
    app.command(name=job.__name__.replace("_", "-"), cls=JobCommand)(job)


@app.callback()
def check(
    context: typer.Context,
    log_format: Annotated[
        LogFormat, typer.Option(envvar=PREFIX + "LOG_FORMAT", help="Lines on stderr: for people, or a JSON object each.")
    ] = LogFormat.TEXT,
) -> None:
    check_environment(commands_of(context), also=("log_format",))
    progress.set_format(log_format)


def main() -> None:
    """Ends with the exit code of the job: 0 done, 2 usage, 3 unreachable, 4 rejects, 5 contract, 6 held, 7 drifted, 75 stopped early."""
    # A scheduler's SIGTERM as a person's Ctrl-C: the one interruption that Ray passes on while it waits.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
        progress.fail("stopped early; what was published stays, run again to go on")
        sys.exit(ExitCode.STOPPED_EARLY)
    # What is no JobError is a defect: it is raised on with its trace.
    except Exception as error:
        stopped = job_error_behind(error)
        if stopped is None:
            raise
        progress.fail(str(stopped), exit_code=int(stopped.exit_code))
        sys.exit(stopped.exit_code)


if __name__ == "__main__":
    main()
