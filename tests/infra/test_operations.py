"""What docs/operations.md tells people to do, done: the restore on a real store, each query, each exit code."""

import os
import re
import subprocess
import sysconfig
import time
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from deltalake import CommitProperties, write_deltalake

from genre_batch.errors import ExitCode
from genre_batch.evaluation.drift import Level
from genre_batch.tables import storage
from genre_batch.tables.query import query
from schemas import labels, rejects, runs
from schemas.rejects import Reason
from tests import rows
from tests.conftest import S3
from tests.infra import command_lines
from tests.infra.command_lines import OPERATIONS, fenced

TEXT = OPERATIONS.read_text()
QUERIES = [
    command_lines.parsed(found.arguments).params["sql"]
    for found in command_lines.in_repository()
    if found.where == "docs/operations.md" and found.arguments[0] == "query"
]


def publish(url: str, run_id: str, *tables: tuple[ModuleType, list[dict[str, Any]]]) -> None:
    for contract, found in tables:
        write_deltalake(
            f"{url}/{contract.NAME}",
            rows.table(contract, *found),
            mode="overwrite",
            storage_options=storage.delta_options(),
            commit_properties=CommitProperties(custom_metadata={"run_id": run_id}),
        )


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = str(tmp_path_factory.mktemp("tables"))
    run = rows.run(tracks_per_s=2.5, drift_level="watch", drift=[("genres, previous run", 0.2)])
    publish(url, "run1", (labels, [rows.label()]), (rejects, [rows.reject("b")]), (runs, [run]))
    return url


@pytest.mark.parametrize("sql", QUERIES, ids=range(len(QUERIES)))
def test_each_query_has_an_answer(sql: str, tables: str):
    assert query(tables, sql).num_rows == 1


def test_a_restore_puts_back_what_was(s3: S3, tmp_path: Path):
    """The script of the document, word for word, against a real S3 server."""
    url = s3.url("restored")
    publish(url, "good", (labels, [rows.label("a"), rows.label("b")]), (runs, [rows.run("good")]))
    # What the store tells of a file's time is in whole seconds.
    time.sleep(1.5)
    moment = datetime.now(UTC)
    time.sleep(1.5)
    publish(url, "bad", (labels, [rows.label("a", genre="polka", run_id="bad")]), (runs, [rows.run("bad")]))
    (script,) = fenced(OPERATIONS, "python")
    (tmp_path / "restore.py").write_text(script)
    command = [str(Path(sysconfig.get_path("scripts")) / "python"), str(tmp_path / "restore.py"), url, moment.isoformat()]
    ended = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert ended.returncode == 0, ended.stderr
    assert re.findall(r"^(\w+): version 1 gave way .* 1 files back, 1 out$", ended.stdout, re.MULTILINE) == ["labels", "runs"]
    assert query(url, "SELECT track_id, genre, run_id FROM labels ORDER BY 1").to_pylist() == [
        {"track_id": "a", "genre": "rock", "run_id": "run1"},
        {"track_id": "b", "genre": "rock", "run_id": "run1"},
    ]
    assert query(url, "SELECT run_id FROM runs").to_pylist() == [{"run_id": "good"}]


def test_each_exit_code_says_what_it_wants():
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)}
    assert told == {code.value for code in ExitCode} | {1}


def test_each_level_of_drift_says_what_it_wants():
    for level in Level:
        assert f"\n| `{level}` | " in TEXT


@pytest.mark.parametrize(
    "reason", [Reason.CRASHED, Reason.TOO_SLOW, Reason.MISSING, Reason.FORBIDDEN, Reason.TOO_LARGE, Reason.TOO_LONG]
)
def test_reasons_that_are_no_fault_of_the_recording_say_what_they_want(reason: Reason):
    assert re.search(rf"^\| rejects with reason .*`{reason}`.* \| ", TEXT, re.MULTILINE)


def test_links_lead_somewhere():
    headings = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= headings


def test_files_that_are_named_are_there():
    root = command_lines.ROOT
    named = {each for each in re.findall(r"\b(?:infra|genre_batch|docs)/[\w./-]+\w", TEXT) if "." in each}
    missing = {path for path in named if not (root / path).exists()}
    assert missing == set()
