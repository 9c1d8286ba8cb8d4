"""What the page tells is what the tables hold."""

from pathlib import Path

import pytest

from genre_batch.evaluation import drift
from genre_batch.report import facts, source
from genre_batch.report.facts import Facts
from schemas import labels, runs
from tests.report.nights import HOSTILE, commit, fill
from tests.rows import label, run


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    url = fill(str(tmp_path_factory.mktemp("tables")))
    with source.opened(url) as opened:
        return facts.gather(opened, url)


def test_the_newest_run_and_those_before_it(found: Facts):
    assert (found.run["run_id"], found.run["started"], found.run["took_s"]) == ("two", "2026-03-02 12:30", 7200)
    assert [row["run_id"] for row in found.runs] == ["two", "one"]


def test_genres_now_and_before_without_what_has_gone(found: Facts):
    n = len(HOSTILE)
    assert found.genres == {"rock": n + 3, "unknown": 2, "jazz": 1}
    assert found.genres_before == {"rock": n + 4, "unknown": 1, "jazz": 1}
    assert (found.tracks, found.unknown) == (n + 6, 2)


def test_confidence_in_twentieths_and_what_is_withheld(found: Facts):
    n = len(HOSTILE)
    # e and g at .75, a at .8, the hostile at .9, and 1.0 belongs to the last bin.
    assert {i: count for i, count in enumerate(found.given) if count} == {15: 2, 16: 1, 18: n, 19: 1}
    assert {i: count for i, count in enumerate(found.withheld) if count} == {5: 1, 8: 1}


def test_by_best_guess(found: Facts):
    rock, jazz = found.by_genre
    assert (rock["genre"], rock["tracks"], rock["unknown"]) == ("rock", len(HOSTILE) + 4, 1)
    assert rock["confidence"] == pytest.approx((0.9 * len(HOSTILE) + 1 + 0.75 + 0.75 + 0.25) / (len(HOSTILE) + 4))
    assert jazz == {"genre": "jazz", "tracks": 2, "confidence": pytest.approx(0.6), "unknown": 1}


def test_drift_is_told_with_what_chance_makes(found: Facts):
    by_hand = drift.shift([30, 10], [10, 30])
    genres, confidence = found.shifts
    assert genres == {
        "quantity": "genres",
        "psi": 1.0,
        "by_chance": by_hand.by_chance,
        "level": by_hand.level.value,
        "bundle": 0.5,
    }
    assert (genres["level"], confidence["level"], confidence["bundle"]) == ("alarm", "stable", None)


def test_rejects_by_reason_with_examples(found: Facts):
    silent, undecodable = found.reasons
    assert (silent["reason"], silent["tracks"], silent["new"]) == ("silent", 2, 0)
    assert [each["uri"] for each in silent["examples"]] == ["/music/x", "s3://bucket/y"]
    assert (undecodable["reason"], undecodable["tracks"], undecodable["new"]) == ("undecodable", 1, 1)
    assert found.rejected == 3


def test_changes(found: Facts):
    assert (found.relabelled, found.n_changed) == (3, 2)
    assert found.flows == [{"was": "jazz", "now": "unknown", "tracks": 1}, {"was": "rock", "now": "jazz", "tracks": 1}]
    assert [(row["track_id"], row["was"], row["now"]) for row in found.changed] == [
        ("a", "rock", "jazz"),
        ("b", "jazz", "unknown"),
    ]


def test_examples_are_few_and_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    url = fill(str(tmp_path))
    monkeypatch.setattr(facts, "EXAMPLES", 1)
    with source.opened(url) as opened:
        assert [len(each["examples"]) for each in facts.gather(opened, url).reasons] == [1, 1]


def test_a_first_run_with_nothing_else(tmp_path: Path):
    url = str(tmp_path)
    commit(url, "one", labels, label())
    commit(url, "one", runs, run("one"))
    with source.opened(url) as opened:
        found = facts.gather(opened, url)
    assert (found.genres_before, found.relabelled, found.flows, found.changed) == (None, None, [], [])
    assert (found.shifts, found.reasons) == ([], [])
