"""The made-up catalog is what it says, and both ways to plan find what was put into it."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import plan
from genre_batch.tables import store
from schemas import labels, rejects

OBJECTS = 1990


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("catalog"))
    plan.make(folder, OBJECTS)
    return folder


def test_shares():
    draw = plan.drawn(np.arange(200 * 50))
    shares = [np.isin(draw, some).mean() for some in (plan.NEW, plan.CHANGED, plan.REJECTED, plan.GONE)]
    assert shares == pytest.approx([0.01, 0.01, 0.02, 0.005])


def test_tracks_have_names_like_those_of_a_catalog():
    found = plan.names(np.arange(0, 3_000_000, 1009)).to_pylist()
    assert found == sorted(set(found))
    assert {len(name) for name in found} == {60}
    tags = plan.etags(np.arange(100), 0).to_pylist()
    assert len(set(tags)) == 100
    assert {len(tag) for tag in tags} == {32}
    assert not set(tags) & set(plan.etags(np.arange(100), 1).to_pylist())


def test_a_catalog_has_its_tables(catalog: str):
    listed = set(pq.read_table(f"{catalog}/listing.parquet")["track_id"].to_pylist())
    held = {
        contract: set(store.read(catalog, contract.NAME, contract.ARROW, ["track_id"])["track_id"].to_pylist())
        for contract in (labels, rejects)
    }
    assert len(listed) == OBJECTS
    assert not held[labels] & held[rejects]
    assert len(held[rejects]) == 40
    assert len(listed - held[labels] - held[rejects]) == 20
    assert len((held[labels] | held[rejects]) - listed) == 10


@pytest.mark.parametrize("way", plan.WAYS)
def test_both_ways_find_what_was_put_in(catalog: str, way: str):
    found = plan.measured(way, catalog)
    assert {name: found[name] for name in ("todo", "unchanged", "deleted")} == plan.expected(OBJECTS)
    assert plan.expected(OBJECTS) == {"todo": 40, "unchanged": 1950, "deleted": 10}
    assert 50 < found["peak MB"] < 4000
    assert found["CPU seconds"] > 0


def test_the_table_and_the_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    figures = tmp_path / "figures.json"
    monkeypatch.setattr(sys, "argv", ["plan", "--objects", "400", "--sets-up-to", "0", "--json", str(figures)])
    plan.main()
    rows = json.loads(figures.read_text())["rows"]
    assert [(row["objects"], row["way"], row["todo"]) for row in rows] == [(400, "join", plan.expected(400)["todo"])]
    assert (
        "| objects | way | seconds | CPU seconds | peak MB | todo | unchanged | deleted | table bytes a track |"
        in capsys.readouterr().out
    )
