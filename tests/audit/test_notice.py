"""What is left beside the shards."""

from pathlib import Path
from typing import Any

import pytest

from genre_batch.audit import notice
from genre_batch.audit.checks import Check


def figures(**found: int | None) -> dict[str, Any]:
    return {
        "findings": dict.fromkeys([check.value for check in Check], 0) | found,
        "version": 3,
        "made_at": "2026-03-01T12:00:00",
    }


def test_who_builds_on_shards_hears_what_their_audit_found(tmp_path: Path):
    url = str(tmp_path / "shards")
    notice.leave(url, figures(duplicates=2, labels=1, clipped=None), "/audits/first")
    told = "the audit of version 3 of these shards found 2 pairs of duplicates, 1 of them under two labels: see /audits/first"
    assert notice.findings(url) == notice.findings(url, 3) == told
    changed = notice.findings(url, 5)
    assert changed is not None
    assert "version 3 of these shards (they have changed since: this is version 5) found" in changed


def test_nothing_is_said_where_nothing_was_found_or_nobody_looked(tmp_path: Path):
    assert notice.findings(str(tmp_path)) is None
    notice.leave(str(tmp_path), figures(clipped=None), "/audits/first")
    assert notice.findings(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({}, "nothing"),
        ({"short": 1}, "1 very short track"),
        ({"leakage": 1, "balance": 2}, "1 leak from one side of a split to the other, 2 remarks on balance"),
    ],
)
def test_counts_in_words(found: dict[str, int], told: str):
    assert notice.told(figures(**found)["findings"]) == told


def test_every_check_has_its_words():
    for check in Check:
        assert notice.told({check.value: 7}).startswith("7 ")
