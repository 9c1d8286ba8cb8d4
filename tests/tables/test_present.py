"""One answer in four forms: nothing is lost in those for machines, and people get a table."""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch.tables import present

WHEN = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)

ANSWER = pa.table(
    {
        "track_id": ['a, "b"\nc\'s', "ü 音"],
        "confidence": [0.1 + 0.2, None],
        "n": pa.array([3, None], pa.int64()),
        "seconds": [1_234_567.25, 1e-7],
        "probabilities": pa.array([[("rock", 0.75), ("jazz", 0.25)], None], pa.map_(pa.string(), pa.float64())),
        "labelled_at": pa.array([WHEN, None], pa.timestamp("us", tz="UTC")),
        "sum": pa.array([Decimal(12), None], pa.decimal128(38, 0)),
        "rounded": pa.array([Decimal("1.26"), None], pa.decimal128(4, 2)),
        "day": pa.array([date(2026, 3, 1), None]),
        "known": [True, None],
        "spectrogram": pa.array([b"\x00\xff", None]),
        "genres": [["rock", "jazz"], []],
    }
)


def test_json_is_one_object_a_line_with_exact_values():
    lines = present.as_json(ANSWER).splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "track_id": 'a, "b"\nc\'s',
            "confidence": 0.1 + 0.2,
            "n": 3,
            "seconds": 1_234_567.25,
            "probabilities": {"rock": 0.75, "jazz": 0.25},
            "labelled_at": "2026-03-01T12:30:15.250000+00:00",
            "sum": 12,
            "rounded": 1.26,
            "day": "2026-03-01",
            "known": True,
            "spectrogram": "00ff",
            "genres": ["rock", "jazz"],
        },
        dict.fromkeys(ANSWER.column_names) | {"track_id": "ü 音", "seconds": 1e-7, "genres": []},
    ]
    assert "ü 音" in lines[1]


def test_csv_is_a_header_and_one_line_a_row_with_exact_values():
    header, first, second = csv.reader(io.StringIO(present.as_csv(ANSWER)))
    assert header == ANSWER.column_names
    assert dict(zip(header, first, strict=True)) == {
        "track_id": 'a, "b"\nc\'s',
        "confidence": "0.30000000000000004",
        "n": "3",
        "seconds": "1234567.25",
        "probabilities": '{"rock": 0.75, "jazz": 0.25}',
        "labelled_at": "2026-03-01T12:30:15.250000+00:00",
        "sum": "12",
        "rounded": "1.26",
        "day": "2026-03-01",
        "known": "True",
        "spectrogram": "00ff",
        "genres": '["rock", "jazz"]',
    }
    assert [second[i] for i in (0, 1, 3, 4, 11)] == ["ü 音", "", "1e-07", "", "[]"]


def test_csv_in_full():
    answer = pa.table({"genre": ["rock", "jazz"], "n": [2, 1]})
    assert present.as_csv(answer) == "genre,n\nrock,2\njazz,1\n"
    assert present.as_csv(answer.slice(0, 0)) == "genre,n\n"


def test_no_rows_are_no_lines_of_json():
    assert present.as_json(ANSWER.slice(0, 0)) == ""


def test_parquet_is_the_answer():
    found = pq.read_table(pa.BufferReader(present.as_parquet(ANSWER)))
    assert found.schema.types == ANSWER.schema.types
    assert found.equals(ANSWER)


def test_times_inside_lists_and_maps_are_iso_8601():
    answer = pa.table({"times": [[WHEN]], "by": pa.array([[("a", date(2026, 3, 1))]], pa.map_(pa.string(), pa.date32()))})
    assert json.loads(present.as_json(answer)) == {"times": ["2026-03-01T12:30:15.250000+00:00"], "by": {"a": "2026-03-01"}}
    assert present.as_csv(answer).splitlines()[1] == '"[""2026-03-01T12:30:15.250000+00:00""]","{""a"": ""2026-03-01""}"'


def test_a_time_of_another_zone_is_the_same_moment():
    # Not made from a Python time in Tokyo: pyarrow takes its wall clock for UTC once pandera.pyarrow has been imported.
    answer = pa.table({"t": pa.array([WHEN], pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us", tz="Asia/Tokyo"))})
    assert datetime.fromisoformat(json.loads(present.as_json(answer))["t"]) == WHEN


def test_a_time_without_zone_has_none():
    assert present.as_csv(pa.table({"t": [datetime(2026, 3, 1, 12)]})) == "t\n2026-03-01T12:00:00\n"


def test_columns_of_several_chunks():
    answer = pa.concat_tables([ANSWER, ANSWER.slice(1)])
    assert len(present.as_json(answer).splitlines()) == 3
    assert json.loads(present.as_json(answer).splitlines()[2])["track_id"] == "ü 音"


# Before Python 3.13, csv does not quote a lone carriage return.
names = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(names, st.floats(allow_nan=False), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=10))
def test_csv_and_json_give_back_what_they_were_given(rows: list[tuple[str, float, int]]):
    columns = map(list, zip(*rows, strict=True))
    answer = pa.table(dict(zip(("text", "share", "n"), columns, strict=True)))
    parsed = list(csv.reader(io.StringIO(present.as_csv(answer), newline="")))[1:]
    assert [(text, float(share), int(n)) for text, share, n in parsed] == rows
    assert [tuple(json.loads(line).values()) for line in present.as_json(answer).split("\n")[:-1]] == rows


def shown(answer: pa.Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "200")
    present.print_table(answer)
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def test_people_get_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    answer = pa.table({"genre": ["rock", None], "n": [12, 7], "share": [2 / 3, None]})
    lines = [line.rstrip() for line in shown(answer, capsys, monkeypatch).splitlines() if line.strip(" ─")]
    assert lines == ["  genre    n      share", "  rock    12   0.666667", "           7"]


def test_a_table_shows_maps_and_times(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    out = shown(ANSWER.select(["probabilities", "labelled_at", "rounded"]), capsys, monkeypatch)
    assert '{"rock": 0.75, "jazz": 0.25}' in out
    assert "2026-03-01T12:30:15.250000+00:00" in out
    assert "1.26" in out


def test_square_brackets_are_no_markup(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    out = shown(pa.table({"[red]name": ["[bold]x[/bold] [/]", "a [live] take"]}), capsys, monkeypatch)
    for text in ("[red]name", "[bold]x[/bold] [/]", "a [live] take"):
        assert text in out


def test_an_empty_answer_shows_its_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    assert "track_id" in shown(ANSWER.slice(0, 0), capsys, monkeypatch)
