"""What the browser decodes is what the tables hold."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from genre_batch.report import packed, source
from schemas import labels, runs, segments
from tests.report.nights import HOSTILE, commit, fill
from tests.rows import label, run, segment


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    return fill(str(tmp_path_factory.mktemp("tables")))


def rows_of(tables: str, most: int = 1000) -> list[dict[str, Any]]:
    with source.opened(tables) as opened:
        return packed.listed(opened, most)


def unpacked(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text))


def test_rows_are_all_labels_by_name(tables: str):
    rows = rows_of(tables)
    assert [row["track_id"] for row in rows] == sorted(["a", "b", "c", "d", "e", "f", "g", *HOSTILE.values()])
    found = {row["track_id"]: row for row in rows}
    assert (found["a"]["was"], found["b"]["was"], found["c"]["was"], found["g"]["was"]) == ("rock", "jazz", None, None)
    assert [name for name in found if found[name]["fresh"]] == ["a", "b", "c", "g"]
    assert [name for name in found if found[name]["gone"]] == ["f"]
    assert (found["a"]["next"], found["d"]["next"]) == (0.25, 0.0)


def test_of_too_many_the_changed_come_first_then_the_new_then_the_least_sure(tables: str):
    assert [row["track_id"] for row in rows_of(tables, 2)] == ["a", "b"]
    assert [row["track_id"] for row in rows_of(tables, 4)] == ["a", "b", "c", "g"]
    assert [row["track_id"] for row in rows_of(tables, 5)] == ["a", "b", "c", "e", "g"]


def test_columns(tables: str):
    rows = rows_of(tables)
    data = json.loads(unpacked(packed.labels(rows, {3: "data:image/png;base64,AA"})))
    n, names = len(rows), [row["track_id"] for row in rows]
    assert data["genres"] == ["jazz", "rock", "unknown"]
    for column in ("track", "genre", "best", "second", "sure", "next", "seconds"):
        assert len(data[column]) == n
    a, d = names.index("a"), names.index("d")
    assert [data[column][a] for column in ("genre", "best", "second", "sure", "next", "seconds")] == [0, 0, 0, 800, 250, 10]
    assert (data["second"][d], data["next"][d]) == (-1, 0)
    assert data["was"] == {str(a): 1, str(names.index("b")): 0}
    assert data["gone"] == [names.index("f")]
    fresh = np.repeat(np.arange(len(data["fresh"])) % 2, data["fresh"])
    assert [names[i] for i in np.flatnonzero(fresh)] == ["a", "b", "c", "g"]
    assert fresh.size == n
    assert data["pictures"] == {"3": "data:image/png;base64,AA"}


def test_addresses_follow_from_names_but_for_the_odd_ones(tables: str):
    rows = rows_of(tables)
    data = json.loads(unpacked(packed.labels(rows, {})))
    names = [row["track_id"] for row in rows]
    assert data["base"] == "/music/"
    odd = {names[int(i)]: found for i, found in data["uris"].items()}
    assert odd == {
        "e": ["s3://bucket/e", None],
        HOSTILE["turned"]: ["/music/song⟨U+202E⟩3pm.exe", "file:///music/song%E2%80%AE3pm.exe"],
        HOSTILE["lines"]: ["/music/two⟨U+000A⟩lines⟨U+0009⟩tab.mp3", "file:///music/two%0Alines%09tab.mp3"],
    }


class Lines(NamedTuple):
    """What the browser reads. segments: how many, of tracks that have any; left_out: tracks whose timeline is not there."""

    segments: dict[str, int]
    starts: list[int]
    genres: list[int]
    sure: list[int]
    left_out: list[str]


def lines_of(tables: str, most: int) -> Lines:
    with source.opened(tables) as opened:
        rows = packed.listed(opened, 100)
        told = packed.timelines(opened, rows, most)
    names = [row["track_id"] for row in rows]
    data = unpacked(told.text)
    n = int(np.frombuffer(data, "<u4", 1)[0])
    counts = np.frombuffer(data, "<u4", n, 4)
    m = int(counts.sum())
    starts = np.frombuffer(data, "<u4", m, 4 + 4 * n)
    genres, sure = np.frombuffer(data, "u1", 2 * m, 4 + 4 * n + 4 * m).reshape(2, -1)
    left_out = np.frombuffer(data, "u1", -1, 4 + 4 * n + 6 * m)
    segments = {names[i]: int(count) for i, count in enumerate(counts) if count}
    assert (n, left_out.size) == (len(names), len(names))
    assert (told.tracks, told.left_out) == (len(segments), left_out.sum())
    return Lines(segments, starts.tolist(), genres.tolist(), sure.tolist(), [names[i] for i in np.flatnonzero(left_out)])


def test_timelines_are_of_the_rows_that_have_segments_of_the_run_that_gave_the_label(tables: str):
    with source.opened(tables) as opened:
        assert opened.rows("SELECT count(*) AS n, min(run_id) AS run FROM segments WHERE track_id = 'b'") == [
            {"n": 2, "run": "one"}
        ]
    found = lines_of(tables, 100)
    assert found.segments == {"a": 3, "d": 1, "f": 1, "g": 2}, "b was labelled again without segments"
    assert found.starts == [0, 50, 100, 200, 0, 0, 50]
    assert found.genres == [1, 1, 0, 1, 1, 1, 1]
    assert found.sure == [75] * 7
    assert found.left_out == []


def test_segments_of_two_runs_of_one_track_are_not_mixed(tmp_path: Path):
    """As where a run ended between the commit of segments and that of labels."""
    url = str(tmp_path)
    commit(url, "one", labels, label("a", run_id="one"))
    commit(url, "one", segments, segment("a", 0, run_id="one"), *(segment("a", n, run_id="two") for n in range(1, 4)))
    commit(url, "one", runs, run("one"))
    assert lines_of(url, 100).segments == {"a": 1}
    assert lines_of(url, 1).segments == {"a": 1}, "nor counted"


@pytest.mark.parametrize(
    ("most", "there", "left_out"),
    [
        (0, "", "adfg"),
        (2, "", "adfg"),
        (3, "a", "dfg"),
        (4, "a", "dfg"),
        (5, "ag", "df"),
        (6, "adg", "f"),
        (7, "adfg", ""),
    ],
)
def test_timelines_that_do_not_fit_are_left_out_whole_and_those_that_matter_least_first(
    tables: str, most: int, there: str, left_out: str
):
    """The run changed a and gave g; f is gone."""
    found = lines_of(tables, most)
    assert ("".join(found.segments), "".join(found.left_out)) == (there, left_out)


def test_the_same_tables_give_the_same_text(tables: str):
    rows = rows_of(tables)
    assert packed.labels(rows, {}) == packed.labels(rows_of(tables), {})


def test_no_labels_are_no_rows():
    data = json.loads(unpacked(packed.labels([], {})))
    assert (data["track"], data["fresh"], data["base"]) == ([], [0], "")
