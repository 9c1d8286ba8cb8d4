"""All that an audit found, as figures and as a table."""

import csv
import io
import json

from genre_batch.audit import leakage, outcome
from tests.audit import made


def judged(
    rows: list[made.Row], split: dict[str, str] | None = None, source: str = "shards"
) -> tuple[dict, list[dict[str, str]]]:
    given = None if split is None else leakage.Split("split.csv", split)
    figures, table = outcome.judge(made.tracks(rows), source=source, url="/music", version=4, split=given)
    return json.loads(json.dumps(figures)), list(csv.DictReader(io.StringIO(outcome.as_csv(table).decode())))


ONE, LATER = made.print_of(0), made.print_of(0, start=60)
ROWS = [
    made.row("rock/a", ONE, artist="Ada"),
    made.row('pop/b, "live"', ONE, artist="Ada"),
    made.row("rock/c", LATER, artist="Bo"),
    made.row("rock/d", artist="Cy", silent=0.9),
    made.refused("pop/e"),
]


def test_duplicates_have_their_columns_and_names_survive():
    _, rows = judged(ROWS)
    assert list(rows[0]) == ["kind", "track_a", "track_b", "genre_a", "genre_b", "similarity"]
    assert [tuple(row.values()) for row in rows] == [
        ("exact", 'pop/b, "live"', "rock/a", "pop", "rock", "1.0000"),
        ("near", 'pop/b, "live"', "rock/c", "pop", "rock", "1.0000"),
        ("near", "rock/a", "rock/c", "rock", "rock", "1.0000"),
    ]


def test_figures_count_what_was_found():
    figures, _ = judged(ROWS)
    assert figures["findings"] == {
        "duplicates": 3,
        "labels": 2,
        "leakage": 2,
        "unreadable": 1,
        "clipped": None,
        "silent": 1,
        "truncated": 0,
        "short": 0,
        "balance": 0,
    }
    assert (figures["leakage"]["split"], figures["leakage"]["tracks_in_split"]) == (None, None)
    assert (figures["source"], figures["version"], figures["tracks"], figures["seconds"]) == ("shards", 4, 5, 80.0)
    assert (figures["duplicates"]["exact"], figures["duplicates"]["near"]) == (1, 2)
    assert figures["duplicates"]["groups"] == [['pop/b, "live"', "rock/a", "rock/c"]]
    assert [pair["offset_s"] for pair in figures["duplicates"]["pairs"]] == [0, 3, 3]
    assert [row["track_b"] for row in figures["labels"]] == ["rock/a", "rock/c"]
    assert [row["track_b"] for row in figures["leakage"]["pairs"]] == ["rock/c", "rock/c"]
    assert figures["faults"]["silent"] == [{"track": "rock/d", "genre": "rock", "found": "90% of its time"}]


def test_recordings_tell_of_clipping():
    assert judged([made.row("rock/a", clipped=0.5)], source="library")[0]["findings"]["clipped"] == 1


def test_a_split_says_who_stands_where():
    figures, _ = judged(ROWS, {"rock/a": "train", 'pop/b, "live"': "test", "rock/c": "train", "rock/gone": "test"})
    assert (figures["leakage"]["split"], figures["leakage"]["tracks_in_split"]) == ("split.csv", 3)
    assert [row["kind"] for row in figures["leakage"]["pairs"]] == ["exact", "near"]
    assert figures["leakage"]["artists"] == [{"artist": "Ada", "tracks": {"test": 1, "train": 1}}]
    assert figures["findings"]["leakage"] == 3


def test_an_empty_library_is_an_empty_audit():
    figures, rows = judged([])
    assert rows == []
    assert not any(figures["findings"].values())


def test_no_track_without_a_genre_disagrees():
    figures, rows = judged([made.row("rock/a", ONE), made.row("pop/b", ONE, genre=None)])
    assert (figures["findings"]["labels"], rows[0]["genre_a"]) == (0, "")
