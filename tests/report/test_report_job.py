"""report as people call it."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from genre_batch.errors import UsageError
from jobs.config import JobCommand
from jobs.report import report
from tests.report.nights import HOSTILE, fill

app = typer.Typer()
app.command(name="report", cls=JobCommand)(report)
app.command(name="other")(lambda: None)


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", *arguments])


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    return fill(str(tmp_path_factory.mktemp("tables")))


def test_a_page_is_written(tables: str, tmp_path: Path):
    out = tmp_path / "report.html"
    ended = asked("--tables", tables, "--out", str(out), "--spectrograms", "0", "--core-hour", "0.05", "--cores", "4")
    assert ended.exit_code == 0, ended.output
    n = len(HOSTILE)
    assert ended.stdout.startswith(f"report of run two: {n + 7} of {n + 6} labels, ")
    assert ended.stdout.rstrip().endswith(f" in {out}")
    assert "4 cores at 0.05 an hour" in out.read_text()


def test_options_by_environment(tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GENRE_BATCH_TABLES", tables)
    monkeypatch.setenv("GENRE_BATCH_ROWS", "2")
    ended = asked("--out", str(tmp_path / "report.html"), "--spectrograms", "0")
    assert ended.stdout.startswith(f"report of run two: 2 of {len(HOSTILE) + 6} labels, "), ended.output


def test_cores_alone_are_refused(tables: str, tmp_path: Path):
    ended = asked("--tables", tables, "--out", str(tmp_path / "report.html"), "--cores", "4")
    assert ended.exit_code == 2
    assert "--core-hour" in ended.output


def test_no_tables_is_one_sentence(tmp_path: Path):
    ended = asked("--tables", str(tmp_path), "--out", str(tmp_path / "report.html"))
    assert isinstance(ended.exception, UsageError)
    assert "there is nothing to report yet" in str(ended.exception)
    assert not (tmp_path / "report.html").exists()
