"""Flag before variable before file before default; what is misspelt is named, never ignored."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from genre_batch.tables import store
from jobs.__main__ import app
from schemas import runs
from tests import rows, running
from tests.running import Ended

SQL = "SELECT run_id FROM runs"
JOBS = typer.main.get_group(app).commands


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("GENRE_BATCH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = str(tmp_path_factory.mktemp("tables"))
    part = store.write_part(url, runs, rows.table(runs, rows.run("run1")))
    store.commit(url, runs, [part], replaced=[], run_id="run1")
    return url


class Line:
    """A command line with a configuration file and variables."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.file, self.capfd, self.monkeypatch = folder / "genre batch.toml", capfd, monkeypatch

    def __call__(self, *arguments: str, toml: str | bytes | None = None, **variables: str) -> Ended:
        if toml is not None:
            self.file.write_bytes(toml if isinstance(toml, bytes) else toml.encode())
            arguments = (arguments[0], "--config", str(self.file), *arguments[1:])
        with self.monkeypatch.context() as patched:
            for name, value in variables.items():
                patched.setenv(name, value)
            return running.job(self.capfd, *arguments)


@pytest.fixture
def line(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Line:
    return Line(tmp_path, capfd, monkeypatch)


def said(ended: Ended) -> str:
    """What stands in the box, as one line."""
    return re.sub(r"[\s│╭╮╰╯─]+", " ", ended.err)


FORMS = {"table": "  run1  ", "csv": "run_id\nrun1\n", "json": '{"run_id": "run1"}\n'}


def form(ended: Ended) -> str:
    """In which form the answer was printed."""
    assert (ended.code, ended.err) == (0, "")
    (found,) = [name for name, text in FORMS.items() if (text in ended.out if name == "table" else text == ended.out)]
    return found


def test_the_default(line: Line, tables: str):
    assert form(line("query", "--tables", tables, SQL)) == "table"


def test_a_file_before_the_default(line: Line, tables: str):
    assert form(line("query", "--tables", tables, SQL, toml='format = "csv"')) == "csv"


def test_a_variable_before_the_file(line: Line, tables: str):
    ended = line("query", "--tables", tables, SQL, toml='format = "csv"', GENRE_BATCH_FORMAT="json")
    assert form(ended) == "json"


def test_a_flag_before_variable_and_file(line: Line, tables: str):
    ended = line("query", "--tables", tables, "--format", "csv", SQL, toml='format = "table"', GENRE_BATCH_FORMAT="json")
    assert form(ended) == "csv"


def test_a_variable_before_the_default(line: Line, tables: str):
    assert form(line("query", "--tables", tables, SQL, GENRE_BATCH_FORMAT="json")) == "json"


def test_a_required_option_may_come_from_anywhere(line: Line, tables: str):
    assert form(line("query", SQL, toml=f'tables = "{tables}"\nformat = "csv"')) == "csv"
    assert form(line("query", SQL, GENRE_BATCH_TABLES=tables)) == "table"
    missing = line("query", SQL)
    assert missing.code == 2
    assert "Missing option '--tables'" in said(missing)


def test_a_table_of_the_job_before_the_top(line: Line, tables: str):
    assert form(line("query", "--tables", tables, SQL, toml='format = "csv"\n[query]\nformat = "json"\n')) == "json"


def test_a_table_of_another_job_means_nothing_to_this(line: Line, tables: str):
    toml = f'format = "csv"\nepochs = 3\ninclude_training = true\n[label-catalog]\ntables = "elsewhere"\n[query]\ntables = "{tables}"'
    assert form(line("query", SQL, toml=toml)) == "csv"


def test_the_file_may_be_named_by_a_variable(line: Line, tables: str, tmp_path: Path):
    (tmp_path / "x.toml").write_text('format = "json"')
    assert form(line("query", "--tables", tables, SQL, GENRE_BATCH_CONFIG=str(tmp_path / "x.toml"))) == "json"


@pytest.mark.parametrize("key", ["max-reject-fraction", "max_reject_fraction"])
def test_keys_with_hyphens_or_underscores(line: Line, key: str):
    """1.5 is out of range: that it is refused shows that it was read."""
    ended = line("label-catalog", "--library", "x", "--bundle", "x", "--tables", "x", toml=f"[label-catalog]\n{key} = 1.5")
    assert ended.code == 2
    assert "'--max-reject-fraction'" in said(ended)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('tabels = "x"', "there is no option 'tabels': did you mean 'tables'?"),
        ("max-rejects-fraction = 0.1", "there is no option 'max_rejects_fraction': did you mean 'max_reject_fraction'?"),
        ('[query]\nfromat = "csv"', "there is no option of query 'fromat': did you mean 'format'?"),
        ("[query]\nepochs = 3", "there is no option of query 'epochs': did you mean"),
        ("[train-network]\nepoch = 3", "there is no option of train-network 'epoch': did you mean 'epochs'?"),
        (
            "[train-network]\naugmentation = ['crop']",
            "there is no option of train-network 'augmentation': did you mean 'augment'?",
        ),
        ('[label_catalog]\nredo = "all"', "there is no job 'label_catalog': did you mean 'label-catalog'?"),
        ("query = 3", "there is no option 'query': did you mean"),
        ("tables = ", "is no TOML"),
        ("format = 'xml'", "'xml' is not one of 'table', 'csv', 'json', 'parquet'"),
    ],
)
def test_a_file_that_is_not_right(line: Line, tables: str, toml: str, message: str):
    ended = line("query", "--tables", tables, SQL, toml=toml)
    assert ended.code == 2
    assert message in said(ended)
    assert "Traceback" not in ended.err
    assert ended.out == ""


def test_no_file(line: Line, tables: str, tmp_path: Path):
    for name, reason in (("none.toml", "No such file or directory"), (".", "Is a directory")):
        ended = line("query", "--config", str(tmp_path / name), "--tables", tables, SQL)
        assert ended.code == 2
        assert f"cannot be read: {reason}" in said(ended)


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("GENRE_BATCH_TABELS", "GENRE_BATCH_TABLES"),
        ("GENRE_BATCH_MAX_REJECT", "GENRE_BATCH_MAX_REJECT_FRACTION"),
        ("GENRE_BATCH_CONFIG_FILE", "GENRE_BATCH_CONFIG"),
    ],
)
def test_a_misspelt_variable(line: Line, tables: str, variable: str, near: str):
    ended = line("query", "--tables", tables, SQL, **{variable: "x"})
    assert ended.code == 2
    assert f"there is no environment variable '{variable}': did you mean '{near}'?" in said(ended)


def test_a_variable_of_another_job_is_no_misspelling(line: Line, tables: str):
    assert form(line("query", "--tables", tables, SQL, GENRE_BATCH_EPOCHS="many")) == "table"


def test_a_wrong_value_of_a_variable(line: Line, tables: str):
    ended = line("query", "--tables", tables, SQL, GENRE_BATCH_FORMAT="xml")
    assert ended.code == 2
    assert "GENRE_BATCH_FORMAT" in said(ended)
    assert "'xml' is not one of" in said(ended)


def test_a_misspelt_flag_or_job(line: Line):
    for arguments, near in ((("query", "--tabels", "x", SQL), "--tables"), (("qeury",), "query")):
        ended = line(*arguments)
        assert ended.code == 2
        assert near in said(ended)


def test_there_are_these_jobs():
    assert sorted(JOBS) == [
        "audit", "build-shards", "demo", "ensemble", "evaluate", "import-spectrograms", "inventory", "label-catalog", "listen", "maintain",
        "query", "report", "train-network", "tune-baselines", "tune-network",
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(JOBS))
def test_help_shows_an_example_that_can_be_typed(line: Line, name: str):
    ended = line(name, "--help")
    text = re.sub(r"\s+", " ", ended.out)
    assert ended.code == 0
    assert f"Example: genre-batch {name}" in text
    assert "--config" in text


@pytest.mark.parametrize("name", sorted(JOBS))
def test_every_option_says_what_it_is_and_has_its_variable(name: str):
    options: list[Any] = [option for option in JOBS[name].params if option.opts[0].startswith("--") and option.name != "help"]
    assert options
    for option in options:
        assert option.envvar == f"GENRE_BATCH_{option.name.upper()}"


def test_a_failure_is_one_line_and_an_exit_code(line: Line, tables: str, tmp_path: Path):
    for arguments, code, message in (
        (("query", "--tables", tables, "SELEC 1"), 2, "syntax error"),
        (("query", "--tables", str(tmp_path), SQL), 2, "holds no tables"),
        (("inventory", "--library", str(tmp_path / "none")), 3, "none does not exist"),
    ):
        ended = line(*arguments)
        assert ended.code == code
        assert ended.err.startswith("error: ")
        assert message in ended.err
        assert "Traceback" not in ended.err
        assert ended.out == ""
