"""What the browser decodes is what the tables hold."""

import base64
import gzip
import json
from typing import Any

import numpy as np
import pytest

from genre_batch.report import packed, source
from tests.report.nights import HOSTILE, fill


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


def test_timelines_are_of_the_rows_that_have_segments(tables: str):
    rows = rows_of(tables)
    with source.opened(tables) as opened:
        text, n_tracks = packed.timelines(opened, rows, 100)
    data = unpacked(text)
    n = int(np.frombuffer(data, "<u4", 1)[0])
    counts = np.frombuffer(data, "<u4", n, 4)
    starts = np.frombuffer(data, "<u4", counts.sum(), 4 + 4 * n)
    genres, sure = np.frombuffer(data, "u1", 2 * counts.sum(), 4 + 4 * n + 4 * counts.sum()).reshape(2, -1)
    assert (n, n_tracks) == (len(rows), 2)
    assert {rows[i]["track_id"]: int(count) for i, count in enumerate(counts) if count} == {"a": 3, "d": 1}
    assert starts.tolist() == [0, 50, 100, 200]
    assert genres.tolist() == [1, 1, 0, 1]
    assert sure.tolist() == [75, 75, 75, 75]


@pytest.mark.parametrize(("most", "tracks"), [(0, 0), (2, 0), (3, 1), (4, 2)])
def test_timelines_that_do_not_fit_are_left_out_whole(tables: str, most: int, tracks: int):
    with source.opened(tables) as opened:
        assert packed.timelines(opened, packed.listed(opened, 100), most)[1] == tracks


def test_the_same_tables_give_the_same_text(tables: str):
    rows = rows_of(tables)
    assert packed.labels(rows, {}) == packed.labels(rows_of(tables), {})


def test_no_labels_are_no_rows():
    data = json.loads(unpacked(packed.labels([], {})))
    assert (data["track"], data["fresh"], data["base"]) == ([], [0], "")
