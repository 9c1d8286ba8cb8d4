"""query as people and programs use it: answers alone on stdout, failures alone on stderr."""

import csv
import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genre_batch.tables import store
from schemas import labels
from tests.rows import WHEN, label, table
from tests.running import job

SQL = "SELECT track_id, probabilities, labelled_at, confidence FROM labels ORDER BY track_id"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = str(tmp_path_factory.mktemp("tables"))
    part = store.write_part(url, labels, table(labels, label('a, "ü"'), label("z", confidence=1 / 3)))
    store.commit(url, labels, [part], replaced=[], run_id="run1")
    return url


def asked(tables: str, form: str) -> bytes:
    """The very process, as its bytes."""
    command = [sys.executable, "-m", "jobs", "query", "--tables", tables, SQL, "--format", form]
    ended = subprocess.run(command, capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")
    return ended.stdout


def test_parquet_on_stdout_is_parquet(tables: str):
    found = pq.read_table(pa.BufferReader(asked(tables, "parquet")))
    assert found.to_pylist(maps_as_pydicts="strict") == [
        {"track_id": 'a, "ü"', "probabilities": {"jazz": 0.25, "rock": 0.75}, "labelled_at": WHEN, "confidence": 0.75},
        {"track_id": "z", "probabilities": {"jazz": 0.25, "rock": 0.75}, "labelled_at": WHEN, "confidence": 1 / 3},
    ]


def test_json(tables: str, capfd: pytest.CaptureFixture[str]):
    ended = job(capfd, "query", "--tables", tables, SQL, "--format", "json")
    assert (ended.code, ended.err) == (0, "")
    first, second = map(json.loads, ended.out.splitlines())
    assert first == {
        "track_id": 'a, "ü"',
        "probabilities": {"jazz": 0.25, "rock": 0.75},
        "labelled_at": "2026-03-01T12:30:15.250000+00:00",
        "confidence": 0.75,
    }
    assert second["confidence"] == 1 / 3


def test_csv(tables: str, capfd: pytest.CaptureFixture[str]):
    ended = job(capfd, "query", "--tables", tables, SQL, "--format", "csv")
    assert (ended.code, ended.err) == (0, "")
    header, first, second = csv.reader(io.StringIO(ended.out))
    assert header == ["track_id", "probabilities", "labelled_at", "confidence"]
    assert first == ['a, "ü"', '{"jazz": 0.25, "rock": 0.75}', "2026-03-01T12:30:15.250000+00:00", "0.75"]
    assert float(second[3]) == 1 / 3


def test_a_table_is_what_people_get(tables: str, capfd: pytest.CaptureFixture[str]):
    ended = job(capfd, "query", "--tables", tables, "SELECT genre, count(*) AS tracks FROM labels GROUP BY genre")
    assert (ended.code, ended.err) == (0, "")
    assert [line.split() for line in ended.out.splitlines() if line.strip(" ─")] == [["genre", "tracks"], ["rock", "2"]]


def test_a_path_that_is_relative(tables: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(Path(tables).parent)
    ended = job(capfd, "query", "--tables", Path(tables).name, "SELECT count(*) AS n FROM labels", "--format", "csv")
    assert (ended.code, ended.out) == (0, "n\n2\n")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM nobody", "Table with name nobody does not exist"),
        ("SELECT * FROM read_csv('/etc/passwd')", "file system operations are disabled"),
        ("COPY labels TO 'labels.csv'", "file system operations are disabled"),
        ("SELECT 1; SELECT 2", "a query is one SQL statement"),
    ],
)
def test_sql_that_is_refused(
    tables: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, sql: str, message: str
):
    monkeypatch.chdir(tmp_path)
    ended = job(capfd, "query", "--tables", tables, sql, "--format", "csv")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert message in ended.err
    assert list(tmp_path.iterdir()) == []


def test_statements_are_asked_one_by_one(tables: str, capfd: pytest.CaptureFixture[str]):
    """Nothing of one query is there in the next."""
    assert job(capfd, "query", "--tables", tables, "CREATE TABLE mine AS SELECT 1 AS x", "--format", "csv").code == 0
    assert job(capfd, "query", "--tables", tables, "SELECT * FROM mine").code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_question(tables: str, number: int):
    endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b"
    asked = subprocess.Popen([sys.executable, "-m", "jobs", "query", "--tables", tables, endless], stderr=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        asked.wait(5)
    asked.send_signal(number)
    assert asked.wait(10) == -number
    assert asked.stderr.read() == b""
