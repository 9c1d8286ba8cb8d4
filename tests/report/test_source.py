"""The newest run, and the labels as it found them."""

import os
from pathlib import Path

import pytest
from deltalake import DeltaTable

from genre_batch.errors import UsageError
from genre_batch.report import source
from genre_batch.tables.maintain import maintain
from schemas import labels, runs
from tests.report.nights import NEXT, commit, fill
from tests.rows import label, run


def view(opened: source.Source, name: str) -> dict[str, str]:
    return {row["track_id"]: row["genre"] for row in opened.rows(f"SELECT track_id, genre FROM {name}")}


def test_before_is_before_the_first_commit_of_the_run(tmp_path: Path):
    with source.opened(fill(str(tmp_path))) as opened:
        assert (opened.run_id, opened.compared) == ("two", True)
        now, before = view(opened, "labels"), view(opened, "labels_before")
        assert (before["a"], before["b"], before["c"]) == ("rock", "jazz", "unknown")
        assert (now["a"], now["b"], now["c"]) == ("jazz", "unknown", "unknown")
        assert now.keys() - before.keys() == {"g"}
        # What both versions have in common is in neither of these.
        assert view(opened, "labels_new").items() >= {"a": "jazz", "b": "unknown", "c": "unknown", "g": "rock"}.items()
        assert view(opened, "labels_old").items() >= {"a": "rock", "b": "jazz", "c": "unknown"}.items()


def test_of_large_tables_only_the_files_that_differ_are_compared(tmp_path: Path):
    url = str(tmp_path)
    for n in range(3):
        commit(url, "one", labels, label(f"old{n}"))
    commit(url, "two", labels, label("new"))
    commit(url, "two", runs, run("two"))
    with source.opened(url) as opened:
        assert view(opened, "labels_new") == {"new": "rock"}
        assert view(opened, "labels_old") == {}


def test_a_first_run_has_nothing_before_it(tmp_path: Path):
    url = str(tmp_path)
    commit(url, "one", labels, label())
    commit(url, "one", runs, run("one"))
    with source.opened(url) as opened:
        assert not opened.compared
        assert opened.rows("FROM labels_before UNION ALL FROM labels_old UNION ALL FROM labels_new") == []


def test_a_run_that_labelled_nothing_changed_nothing(tmp_path: Path):
    url = str(tmp_path)
    commit(url, "one", labels, label())
    commit(url, "one", runs, run("one"))
    commit(url, "two", runs, run("two", started_at=NEXT))
    with source.opened(url) as opened:
        assert (opened.run_id, opened.compared) == ("two", True)
        assert view(opened, "labels_before") == {"a": "rock"}
        assert view(opened, "labels_new") == {}


def test_tables_that_were_maintained_after_the_run_are_compared_all_the_same(tmp_path: Path):
    url = fill(str(tmp_path))
    list(maintain(url, keep_s=3600, target_bytes=2**20))
    with source.opened(url) as opened:
        assert opened.compared
        assert view(opened, "labels_before")["a"] == "rock"


def test_a_version_whose_files_are_gone_is_not_compared(tmp_path: Path):
    url = fill(str(tmp_path))
    list(maintain(url, keep_s=0, target_bytes=2**20, any_keep=True))
    with source.opened(url) as opened:
        assert (opened.run_id, opened.compared) == ("two", False)
        assert view(opened, "labels")["a"] == "jazz"


def test_one_file_that_is_gone_is_enough(tmp_path: Path):
    url = fill(str(tmp_path))
    now, before = (DeltaTable(f"{url}/labels", version=version).file_uris() for version in (None, 1))
    os.remove(min(set(before) - set(now)))
    with source.opened(url) as opened:
        assert not opened.compared


@pytest.mark.parametrize("job", [None, "build-shards"])
def test_without_a_run_there_is_nothing_to_report(tmp_path: Path, job: str | None):
    if job:
        commit(str(tmp_path), "one", runs, run("one", job=job))
    with (
        pytest.raises(UsageError, match=r"holds no run of label-catalog: there is nothing to report yet"),
        source.opened(str(tmp_path)),
    ):
        pass
