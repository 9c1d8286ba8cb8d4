"""What is done again: new content, new parameters, and what the caller asks for; nothing else."""

from pathlib import Path

import pyarrow as pa
import pytest

from genre_batch.choices import Redo
from genre_batch.tables import plan, store
from genre_batch.tables.library import Library
from genre_batch.tables.plan import Plan
from schemas import inventory, labels, rejects, shards
from tests.rows import label, listed, reject, shard, table


@pytest.fixture
def tables(tmp_path: Path) -> str:
    """`labelled` has a label, `written` has two segments, `refused` was rejected, all of version v1."""
    url = str(tmp_path)
    for contract, rows in (
        (labels, [label("labelled")]),
        (shards, [shard("written", 0), shard("written", 1)]),
        (rejects, [reject("refused")]),
    ):
        store.commit(url, contract, [store.write_part(url, contract, table(contract, *rows))], replaced=[], run_id="run1")
    return url


def library(**versions: str) -> Library:
    rows = (listed(track, content_version=v, genre="rock", artist="Ada") for track, v in versions.items())
    return Library("/music", table(inventory, *rows), 0)


def todo(found: Plan) -> set[str]:
    assert found.listed == found.todo.num_rows + found.unchanged
    assert found.todo.schema.equals(inventory.ARROW)
    return set(found.todo["track_id"].to_pylist())


def to_label(
    tables: str, songs: Library, *, bundle_id: str = "bundle1", front_end: str = "front1", redo: Redo = Redo.NOTHING
) -> set[str]:
    return todo(plan.for_labels(songs, tables, bundle_id=bundle_id, front_end=front_end, redo=redo))


def to_write(tables: str, songs: Library, *, front_end: str = "front1", redo: Redo = Redo.NOTHING) -> set[str]:
    return todo(plan.for_shards(songs, tables, front_end=front_end, redo=redo))


SONGS = library(labelled="v1", written="v1", refused="v1", new="v1")


def test_without_tables_all_is_to_do(tmp_path: Path):
    assert to_label(str(tmp_path), SONGS) == to_write(str(tmp_path), SONGS) == {"labelled", "written", "refused", "new"}


def test_what_has_a_label_or_a_reject_is_left_out(tables: str):
    found = plan.for_labels(SONGS, tables, bundle_id="bundle1", front_end="front1", redo=Redo.NOTHING)
    assert todo(found) == {"written", "new"}
    assert (found.listed, found.unchanged) == (4, 2)


def test_what_has_segments_or_a_reject_is_left_out(tables: str):
    found = plan.for_shards(SONGS, tables, front_end="front1", redo=Redo.NOTHING)
    assert todo(found) == {"labelled", "new"}
    assert (found.listed, found.unchanged) == (4, 2)


def test_new_content_is_done_again(tables: str):
    assert to_label(tables, library(labelled="v2", refused="v2")) == {"labelled", "refused"}
    assert to_write(tables, library(written="v2", refused="v1")) == {"written"}


def test_another_tracks_version_is_no_reason_to_leave_it_out(tables: str):
    assert to_label(tables, library(other="v1")) == {"other"}


def test_another_bundle_labels_all_again(tables: str):
    assert to_label(tables, SONGS, bundle_id="bundle2") == {"labelled", "written", "refused", "new"}


def test_another_front_end_does_all_again(tables: str):
    assert to_label(tables, SONGS, front_end="front2") == {"labelled", "written", "refused", "new"}
    assert to_write(tables, SONGS, front_end="front2") == {"labelled", "written", "refused", "new"}


@pytest.mark.parametrize(
    ("redo", "again"),
    [
        (Redo.NOTHING, {"new"}),
        (Redo.REJECTED, {"new", "refused"}),
        (Redo.ALL, {"new", "refused", "labelled"}),
    ],
)
def test_redo(tables: str, redo: Redo, again: set[str]):
    assert to_label(tables, library(labelled="v1", refused="v1", new="v1"), redo=redo) == again


def test_redo_of_shards(tables: str):
    songs = library(written="v1", refused="v1")
    assert to_write(tables, songs, redo=Redo.REJECTED) == {"refused"}
    assert to_write(tables, songs, redo=Redo.ALL) == {"written", "refused"}


def test_a_missing_track_is_tried_again_when_it_is_there(tables: str):
    gone = reject("gone", content_version="missing", reason="missing", stage="read")
    store.commit(tables, rejects, [store.write_part(tables, rejects, table(rejects, gone))], replaced=[], run_id="run2")
    assert to_label(tables, library(gone="missing")) == set()
    assert to_label(tables, library(gone="v1")) == {"gone"}


def test_an_empty_library_has_nothing_to_do(tables: str):
    assert to_label(tables, library()) == set()


def test_work_is_spread_in_an_order_that_never_changes(tmp_path: Path):
    songs = library(**{f"{genre}/{i:02}": "v1" for genre in ("blues", "rock") for i in range(20)})
    shuffled = Library("/music", songs.tracks.take(pa.array(range(39, -1, -1))), 0)
    orders = [
        plan.for_labels(each, str(tmp_path), bundle_id="b", front_end="f", redo=Redo.NOTHING).todo["track_id"].to_pylist()
        for each in (songs, shuffled)
    ]
    assert orders[0] == orders[1]
    first = [track for track in orders[0][:20] if track.startswith("blues")]
    assert 5 <= len(first) <= 15


@pytest.mark.parametrize("correction", [{"genre": "blues"}, {"artist": "Bo"}, {"artist": None}])
def test_a_corrected_genre_or_artist_is_a_new_lesson_but_no_new_label(tables: str, correction: dict[str, str | None]):
    rows = [
        listed(track, **({"content_version": "v1", "genre": "rock", "artist": "Ada"} | correction))
        for track in ("written", "labelled")
    ]
    songs = Library("/music", table(inventory, *rows), 0)
    assert "written" in to_write(tables, songs)
    assert "labelled" not in to_label(tables, songs)


def test_a_track_rejected_for_want_of_a_genre_is_tried_when_it_has_one(tables: str):
    refused = [reject("nameless", reason="no_genre", stage="list")]
    store.commit(tables, rejects, [store.write_part(tables, rejects, table(rejects, *refused))], replaced=[], run_id="run2")
    assert to_write(tables, library(nameless="v1")) == {"nameless"}
