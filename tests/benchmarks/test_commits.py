"""Commits are made, and told after as many as asked."""

from pathlib import Path

import pytest

from benchmarks import commits
from genre_batch.tables import delta
from schemas import labels


def test_as_many_as_asked(tmp_path: Path):
    rows = commits.measured(str(tmp_path), [2, 5], 3)
    assert [(row["commits"], row["files"]) for row in rows] == [(2, 6), (5, 15)]
    assert all(row["seconds a commit"] > 0 and row["seconds to open"] > 0 for row in rows)
    assert rows[0]["MB of log"] < rows[1]["MB of log"]
    table = delta.open_table(str(tmp_path), labels.NAME)
    assert table is not None
    files = table.get_add_actions()
    assert len(files["path"]) == 15
    assert sum(files["num_records"].to_pylist()) == pytest.approx(15 * commits.TRACKS)
