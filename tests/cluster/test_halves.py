"""What a killed run left half done is put right."""

import tempfile
from pathlib import Path
from types import ModuleType

import pytest

from genre_batch.cluster import halves
from genre_batch.evaluation.profile import COLUMNS
from genre_batch.tables import store
from schemas import labels, rejects, runs, segments
from tests.rows import Row, label, reject, run, segment, table


def commit(tables: Path, contract: ModuleType, *rows: Row) -> None:
    store.commit(
        str(tables), contract, [store.write_part(str(tables), contract, table(contract, *rows))], replaced=[], run_id="x"
    )


def held(tables: Path, contract: ModuleType, *columns: str) -> list[tuple[object, ...]]:
    found = store.read(str(tables), contract.NAME, contract.ARROW, columns)
    return sorted(zip(*(found[column].to_pylist() for column in columns), strict=True))


def complete(tables: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        halves.complete(str(tables), store.Writer(str(tables), "run9"), folder)


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


@pytest.mark.parametrize("state", ["running", "failed"])
def test_what_was_committed_after_the_runs_own_row_is_counted(tmp_path: Path, state: str) -> None:
    later = run()["started_at"].replace(year=2027)
    commit(
        tmp_path, labels, label("a", run_id="run2"), label("b", run_id="run2", genre="jazz", confidence=0.95, loudness_db=None)
    )
    commit(tmp_path, labels, label("old"))
    commit(tmp_path, rejects, reject("c", run_id="run2"), reject("older"))
    begun = run("run2", state=state, started_at=later, listed=9, done=1, rejected=0, unchanged=2, remaining=6, audio_s=10.5)
    commit(tmp_path, runs, run("run1"), begun)
    complete(tmp_path)
    accounts = ("run_id", "state", "listed", "done", "rejected", "unchanged", "remaining", "audio_s")
    assert held(tmp_path, runs, *accounts) == [
        ("run1", "finished", 6, 3, 2, 1, 0, 31.5),
        ("run2", "failed", 9, 2, 1, 2, 4, 21.0),
    ]
    (found,) = (row for row in store.read(str(tmp_path), "runs", runs.ARROW, ["run_id", *COLUMNS]).to_pylist() if row["genres"])
    assert found == {
        "run_id": "run2",
        "genres": [("jazz", 1), ("rock", 1)],
        "reasons": [("undecodable", 1)],
        "confidence": [0, 0, 0, 0, 0, 0, 0, 1, 0, 1],
        "duration": [2, *[0] * 10],
        "loudness": [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
    }


def test_labels_that_somebody_took_away_since_do_not_change_what_a_run_did(tmp_path: Path) -> None:
    commit(tmp_path, labels, label("a"))
    commit(tmp_path, runs, run("run1", state="failed"))
    complete(tmp_path)
    assert held(tmp_path, runs, "done", "rejected") == [(3, 2)]
