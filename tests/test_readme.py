"""What the README tells people to type: each query in DuckDB, and the lines of Polars, over tables that keep every promise."""

import re
from types import ModuleType

import polars as pl
import pytest

from genre_batch.tables import store
from genre_batch.tables.query import query
from schemas import labels, rejects, runs, segments
from tests.conftest import ROOT, S3
from tests.rows import Row, label, reject, run, segment, table

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


QUERIES = [part.strip() for block in blocks("sql") for part in block.split(";") if part.strip()]


def fill(url: str) -> None:
    rows: dict[ModuleType, list[Row]] = {
        labels: [
            label("a"),
            label("b", genre="jazz", best_genre="jazz", runner_up="blues", probabilities=[("blues", 0.3), ("jazz", 0.7)]),
        ],
        rejects: [reject("c")],
        segments: [segment("a")],
        runs: [run(tracks_per_s=3.5, drift_level="stable")],
    }
    for contract, some in rows.items():
        store.commit(url, contract, [store.write_part(url, contract, table(contract, *some))], replaced=[], run_id="run1")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = str(tmp_path_factory.mktemp("tables"))
    fill(url)
    return url


def test_there_are_queries() -> None:
    assert len(QUERIES) >= 5
    assert len(blocks("python")) == 1


@pytest.mark.parametrize("sql", QUERIES)
def test_a_query_answers_with_rows(tables: str, sql: str) -> None:
    assert query(tables, sql).num_rows >= 1


def test_polars(s3: S3) -> None:
    fill(s3.url("readme"))
    (code,) = blocks("python")
    # A second version, for the line that reads an earlier one.
    store.commit(
        s3.url("readme"),
        labels,
        [store.write_part(s3.url("readme"), labels, table(labels, label("z")))],
        replaced=[],
        run_id="run2",
    )
    code = code.replace("s3://YOUR-BUCKET/genres", s3.url("readme"))
    code = code.replace('os.environ["AWS_ENDPOINT_URL"]}', 'os.environ["AWS_ENDPOINT_URL"], "AWS_ALLOW_HTTP": "true"}')
    known: dict[str, object] = {}
    exec(code, known)
    now, before = known["labels"], known["before"]
    assert isinstance(now, pl.DataFrame)
    assert isinstance(before, pl.DataFrame)
    assert sorted(now["track_id"]) == ["a", "b", "z"]
    assert sorted(before["track_id"]) == ["a", "b"]
