"""What a killed run left half done is put right."""

from pathlib import Path
from types import ModuleType

import pytest

from genre_batch.cluster import halves
from genre_batch.tables import store
from schemas import labels, runs, segments
from tests.rows import Row, label, run, segment, table


def commit(tables: Path, contract: ModuleType, *rows: Row) -> None:
    store.commit(
        str(tables), contract, [store.write_part(str(tables), contract, table(contract, *rows))], replaced=[], run_id="x"
    )


def held(tables: Path, contract: ModuleType, *columns: str) -> list[tuple[object, ...]]:
    found = store.read(str(tables), contract.NAME, contract.ARROW, columns)
    return sorted(zip(*(found[column].to_pylist() for column in columns), strict=True))


def complete(tables: Path) -> None:
    halves.complete(str(tables), store.Writer(str(tables), "run9"))


def test_no_tables_are_no_trouble(tmp_path: Path) -> None:
    complete(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("state", ["running", "failed"])
def test_segments_whose_labels_were_not_committed_go(tmp_path: Path, state: str) -> None:
    # Of run2, `a` was committed whole, `b` and `c` were not; `c` has a label of an earlier run.
    commit(tmp_path, segments, *(segment(track, n, run_id="run2") for track in ("a", "b", "it's") for n in range(2)))
    commit(tmp_path, segments, segment("c", run_id="run2"), segment("d", run_id="run1"))
    commit(tmp_path, labels, label("a", run_id="run2"), label("c", run_id="run1"))
    commit(tmp_path, runs, run("run1"), run("run2", state=state, started_at=run()["started_at"].replace(year=2027)))
    complete(tmp_path)
    assert held(tmp_path, segments, "track_id", "segment") == [("a", 0), ("a", 1), ("c", 0), ("d", 0)]
    assert held(tmp_path, runs, "run_id", "state") == [("run1", "finished"), ("run2", "failed")]


def test_a_run_that_ended_well_is_left_alone(tmp_path: Path) -> None:
    commit(tmp_path, segments, segment("a", run_id="run1"))
    commit(tmp_path, runs, run("run1", state="stopped"))
    complete(tmp_path)
    assert held(tmp_path, segments, "track_id") == [("a",)]
    assert held(tmp_path, runs, "state") == [("stopped",)]
