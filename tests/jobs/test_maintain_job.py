"""maintain as people start it."""

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from genre_batch.errors import TablesHeld, UsageError
from genre_batch.tables import lock, store
from jobs.config import JobCommand
from jobs.maintain import maintain
from schemas import labels
from tests.rows import label, table

app = typer.Typer(pretty_exceptions_enable=False)
app.command(cls=JobCommand)(maintain)


@app.callback()
def others() -> None:
    """So that it is one job of several."""


@pytest.fixture
def tables(tmp_path: Path) -> str:
    for track_id in "abc":
        part = store.write_part(str(tmp_path), labels, table(labels, label(track_id)))
        store.commit(str(tmp_path), labels, [part], replaced=[], run_id="run1")
    return str(tmp_path)


def run(*arguments: str) -> tuple[int, str]:
    ended = CliRunner().invoke(app, ["maintain", *arguments], catch_exceptions=False)
    return ended.exit_code, ended.output


def test_it_says_what_became_of_each_table(tables: str):
    code, out = run("--tables", tables)
    assert code == 0
    assert re.fullmatch(r"labels: 3 files are now 1; 0\.0 MB freed; versions 0 to \d+ can be read\n", out)
    code, out = run("--tables", tables, "--keep", "12h", "--target-mb", "1")
    assert code == 0
    assert out.startswith("labels: 1 files are now 1; ")


def test_how_long_is_a_length_of_time(tables: str):
    with pytest.raises(UsageError, match="--keep 'long' is no length of time"):
        run("--tables", tables, "--keep", "long")


def test_a_short_time_must_be_meant(tables: str):
    with pytest.raises(UsageError, match="--any-keep allows it"):
        run("--tables", tables, "--keep", "30m")
    assert run("--tables", tables, "--keep", "30m", "--any-keep")[0] == 0


def test_not_while_a_run_works(tables: str):
    with lock.held(tables, "run1"), pytest.raises(TablesHeld):
        run("--tables", tables)
