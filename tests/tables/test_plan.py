"""What is done again: new content, new parameters, and what the caller asks for; nothing else. And what is gone, and what is back."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genre_batch.choices import Layout, Redo
from genre_batch.errors import StoreUnreachable, UsageError
from genre_batch.tables import plan, storage, store
from genre_batch.tables.library import Library, Listing, write
from genre_batch.tables.plan import Plan
from schemas import inventory, labels, rejects, runs, shards
from tests.rows import WHEN, Row, label, listed, reject, run, shard, table

ROOT = "/music"


def fill(url: str, contract: ModuleType, *rows: Row) -> None:
    store.commit(url, contract, [store.write_part(url, contract, table(contract, *rows))], replaced=[], run_id="run1")


@pytest.fixture
def tables(tmp_path: Path) -> str:
    """`labelled` has a label, `written` has two segments, `refused` was rejected, all of version v1."""
    url = str(tmp_path / "tables")
    fill(url, labels, label("labelled"))
    fill(url, shards, shard("written", 0), shard("written", 1))
    fill(url, rejects, reject("refused"))
    return url


def library(**versions: str) -> Library:
    rows = (listed(track, content_version=v, genre="rock", artist="Ada") for track, v in versions.items())
    return Library("/music", table(inventory, *rows), 0)


def listing(tmp_path: Path, songs: Library, root: str | None = ROOT) -> Listing:
    path = str(tmp_path / "it's the [listing]?.parquet")
    pq.write_table(songs.tracks, path)
    return Listing(songs.url, path, songs.tracks.num_rows, 0, root)


def tracks(found: Plan) -> list[Row]:
    rows = [row for batch in found.batches(2) for row in batch.to_pylist()]
    assert all(batch.schema.equals(plan.ARROW) for batch in found.batches(2))
    assert found.todo == len(rows)
    assert found.listed == found.todo + found.unchanged
    return rows


def todo(found: Plan) -> set[str]:
    return {row["track_id"] for row in tracks(found)}


def marks(found: Plan) -> set[tuple[str, str, str]]:
    """Table, track, and whether it is gone or back."""
    if found.marks is None:
        return set()
    rows = pq.read_table(found.marks)
    assert rows.schema.field("deleted_at").type == pa.timestamp("us", tz="UTC")
    now = datetime.now(UTC)
    assert all(
        row["deleted_at"] is None or timedelta() <= now - row["deleted_at"] < timedelta(minutes=1) for row in rows.to_pylist()
    )
    return {(row["table"], row["track_id"], "gone" if row["deleted_at"] else "back") for row in rows.to_pylist()}


@pytest.fixture
def for_labels(tmp_path: Path) -> Callable[..., Plan]:
    def make(
        tables: str,
        songs: Library,
        *,
        bundle_id: str = "bundle1",
        front_end: str = "front1",
        relabel: str | None = None,
        root: str | None = ROOT,
    ) -> Plan:
        return plan.for_labels(
            listing(tmp_path, songs, root),
            tables,
            bundle_id=bundle_id,
            front_end=front_end,
            relabel=relabel,
            folder=str(tmp_path),
        )

    return make


@pytest.fixture
def to_label(for_labels: Callable[..., Plan]) -> Callable[..., set[str]]:
    return lambda *arguments, **options: todo(for_labels(*arguments, **options))


@pytest.fixture
def to_write(tmp_path: Path) -> Callable[..., set[str]]:
    def make(tables: str, songs: Library, *, front_end: str = "front1", redo: Redo = Redo.NOTHING) -> set[str]:
        return todo(plan.for_shards(songs, tables, front_end=front_end, redo=redo, folder=str(tmp_path)))

    return make


SONGS = library(labelled="v1", written="v1", refused="v1", new="v1")


def test_without_tables_all_is_to_do(tmp_path: Path, for_labels, to_write):
    found = for_labels(str(tmp_path / "none"), SONGS)
    assert todo(found) == to_write(str(tmp_path / "none"), SONGS) == {"labelled", "written", "refused", "new"}
    assert (found.deleted, found.returned, found.marks) == (0, 0, None)


def test_what_has_a_label_or_a_reject_is_left_out(tables: str, for_labels):
    found = for_labels(tables, SONGS)
    assert todo(found) == {"written", "new"}
    assert (found.listed, found.unchanged) == (4, 2)
    assert (found.deleted, found.returned, found.marks) == (0, 0, None)


def test_what_has_segments_or_a_reject_is_left_out(tables: str, tmp_path: Path):
    found = plan.for_shards(SONGS, tables, front_end="front1", redo=Redo.NOTHING, folder=str(tmp_path))
    assert todo(found) == {"labelled", "new"}
    assert (found.listed, found.unchanged) == (4, 2)


def test_new_content_is_done_again(tables: str, to_label, to_write):
    assert to_label(tables, library(labelled="v2", refused="v2")) == {"labelled", "refused"}
    assert to_write(tables, library(written="v2", refused="v1")) == {"written"}


def test_a_plan_knows_what_the_tables_hold(tables: str, for_labels, tmp_path: Path):
    fill(tables, labels, label("both"))
    fill(tables, rejects, reject("both", content_version="v0"))
    changed = library(labelled="v2", refused="v2", both="v2", new="v1")
    known = {row["track_id"]: (row["done_before"], row["refused_before"]) for row in tracks(for_labels(tables, changed))}
    assert known == {"labelled": (True, False), "refused": (False, True), "both": (True, True), "new": (False, False)}
    written = plan.for_shards(
        library(written="v2", new="v1"), tables, front_end="front1", redo=Redo.NOTHING, folder=str(tmp_path)
    )
    assert {row["track_id"]: row["done_before"] for row in tracks(written)} == {"written": True, "new": False}


def test_a_plan_carries_the_listing(tables: str, for_labels):
    row = listed(
        "new", genre="jazz", artist="Bo", size=None, modified_at=None, etag="e", uri="s3://b/ü", content_version="missing"
    )
    found = for_labels(tables, Library("/music", table(inventory, row), 0))
    assert tracks(found) == [row | {"done_before": False, "refused_before": False}]


def test_another_tracks_version_is_no_reason_to_leave_it_out(tables: str, to_label):
    assert to_label(tables, library(other="v1")) == {"other"}


def test_another_bundle_labels_again_what_has_a_label(tables: str, to_label):
    assert to_label(tables, SONGS, bundle_id="bundle2") == {"labelled", "written", "new"}


def test_another_front_end_labels_again_what_has_a_label(tables: str, to_label):
    assert to_label(tables, SONGS, front_end="front2") == {"labelled", "written", "new"}


def test_another_front_end_writes_all_again(tables: str, to_write):
    assert to_write(tables, SONGS, front_end="front2") == {"labelled", "written", "refused", "new"}


@pytest.mark.parametrize(
    ("relabel", "again"),
    [
        (None, {"new"}),
        ("older-bundle", {"new", "refused_older", "refused_other_front"}),
        ("rejected", {"new", "refused", "refused_older", "refused_other_front"}),
        ("all", {"new", "refused", "refused_older", "refused_other_front", "labelled", "unsure"}),
        ("confidence < 0.5", {"new", "unsure"}),
        ("genre = 'rock' -- all of them", {"new", "labelled", "unsure"}),
        ("labelled_at > '2027-01-01'", {"new"}),
        ("probabilities['jazz'] > 0.5", {"new", "unsure"}),
        ("track_id IN (SELECT track_id FROM labels ORDER BY confidence LIMIT 1)", {"new", "unsure"}),
        ("loudness_db IS NULL", {"new", "unsure"}),
    ],
)
def test_relabel(tables: str, relabel: str | None, again: set[str], to_label):
    unsure = label("unsure", confidence=0.4, probabilities=[("jazz", 0.6), ("rock", 0.4)], loudness_db=None)
    fill(tables, labels, unsure)
    fill(tables, rejects, reject("refused_older", bundle_id="bundle0"), reject("refused_other_front", front_end="front0"))
    songs = library(labelled="v1", unsure="v1", refused="v1", refused_older="v1", refused_other_front="v1", new="v1")
    assert to_label(tables, songs, relabel=relabel) == again


@pytest.mark.parametrize(
    ("relabel", "said"),
    [
        ("confidnce < 0.5", 'Referenced column "confidnce" not found'),
        ("confidence <", "syntax error"),
        ("", "without selection list"),
        ("older", 'Referenced column "older" not found'),
        ("true) UNION ALL (SELECT 'x'", "syntax error"),
        ("true; DROP VIEW labels", "Parser Error"),
        ("true, false", "single expression"),
        ("genre", "Could not convert string 'rock' to BOOL"),
        ("track_id IN (SELECT track_id FROM rejects)", "rejects does not exist"),
        ("track_id IN (SELECT track_id FROM listing)", "listing does not exist"),
        ("track_id IN (SELECT content FROM read_text('/etc/passwd'))", "file system operations are disabled"),
        ("track_id IN (SELECT track_id FROM '{tables}/rejects/*.parquet')", "file system operations are disabled"),
        ("count(*) > 1", "cannot contain aggregates"),
    ],
)
def test_a_predicate_that_cannot_be_used(tables: str, relabel: str, said: str, for_labels):
    with pytest.raises(UsageError) as caught:
        for_labels(tables, SONGS, relabel=relabel.format(tables=tables))
    assert str(caught.value).startswith("--relabel takes all, older-bundle, rejected or an SQL predicate over labels, not ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_predicate_is_checked_though_there_is_no_table(tmp_path: Path, for_labels):
    assert len(tracks(for_labels(str(tmp_path / "none"), SONGS, relabel="confidence < 0.5"))) == 4
    with pytest.raises(UsageError, match="confidnce"):
        for_labels(str(tmp_path / "none"), SONGS, relabel="confidnce < 0.5")


@pytest.mark.parametrize(
    ("redo", "again"),
    [(Redo.NOTHING, set()), (Redo.REJECTED, {"refused"}), (Redo.ALL, {"written", "refused"})],
)
def test_redo_of_shards(tables: str, redo: Redo, again: set[str], to_write):
    assert to_write(tables, library(written="v1", refused="v1"), redo=redo) == again


def test_a_missing_track_is_tried_again_when_it_is_there(tables: str, to_label, to_write):
    gone = reject("gone", content_version="missing", reason="missing", stage="read")
    # Listed, and gone when it was read: moved away and back, or its disk was taken away meanwhile.
    fill(tables, rejects, gone, reject("back", reason="missing", stage="read"))
    for to_do in (to_label, to_write):
        assert to_do(tables, library(gone="missing", other="missing")) == {"other"}
        assert to_do(tables, library(gone="v1", back="v1", refused="v1")) == {"gone", "back"}


def test_what_could_not_be_read_is_tried_each_night(tables: str, for_labels, to_write):
    """Rights that are granted change no content."""
    fill(tables, rejects, reject("locked", reason="forbidden", stage="read"))
    songs = library(locked="v1", refused="v1")
    assert [(row["track_id"], row["refused_before"]) for row in tracks(for_labels(tables, songs))] == [("locked", True)]
    assert to_write(tables, songs) == {"locked"}


def asked(run_id: str, day: int, relabel: str | None, **changes: object) -> Row:
    """A run that began on this day."""
    parameters = json.dumps({"bundle": "gtzan", "relabel": relabel, "max_minutes": 300.0})
    return run(run_id, started_at=WHEN + timedelta(days=day), **({"parameters": parameters} | changes))


@pytest.fixture
def half(tmp_path: Path) -> str:
    """Two labels and two rejects; one of each is of run2, which labels them again."""
    url = str(tmp_path / "half")
    fill(url, labels, label("old"), label("again", run_id="run2"))
    fill(url, rejects, reject("old_reject"), reject("reject_again", run_id="run2"))
    return url


HALF = library(old="v1", again="v1", old_reject="v1", reject_again="v1", new="v1")
SURE = "confidence < 0.9 AND genre <> 'it''s ü'"


@pytest.mark.parametrize("state", ["stopped", "failed", "running"])
@pytest.mark.parametrize(
    ("relabel", "left"),
    [
        ("all", {"old", "old_reject", "new"}),
        ("rejected", {"old_reject", "new"}),
        (SURE, {"old", "new"}),
        ("older-bundle", {"new"}),
        (None, {"new"}),
    ],
)
def test_the_same_command_goes_on(half: str, relabel: str | None, state: str, left: set[str], for_labels):
    fill(half, runs, asked("run1", 1, relabel), asked("run2", 2, relabel, state=state), asked("run3", 3, "confidence > 2"))
    found = for_labels(half, HALF, relabel=relabel)
    assert todo(found) == left
    assert (found.listed, found.unchanged) == (5, 5 - len(left))


@pytest.mark.parametrize(
    ("relabel", "left"), [("all", set(HALF.tracks["track_id"].to_pylist())), (SURE, {"old", "again", "new"})]
)
def test_after_a_run_that_finished_the_same_command_begins_anew(half: str, relabel: str, left: set[str], to_label):
    fill(half, runs, asked("run1", 1, relabel), asked("run2", 2, relabel, state="stopped"), asked("run3", 3, relabel))
    assert to_label(half, HALF, relabel=relabel) == left
    # And the next one goes on with what was begun since.
    fill(half, labels, label("new", run_id="run4"))
    fill(half, runs, asked("run4", 4, relabel, state="stopped"))
    assert to_label(half, HALF, relabel=relabel) == left - {"new"}


def test_several_nights_of_the_same_command_go_on(half: str, to_label):
    fill(half, labels, label("new", run_id="run3"))
    fill(half, runs, asked("run2", 2, "all", state="failed"), asked("run3", 3, "all", state="stopped"))
    assert to_label(half, HALF, relabel="all") == {"old", "old_reject"}


@pytest.mark.parametrize(
    "other",
    [
        {"job": "build-shards"},
        {"bundle_id": "bundle0"},
        {"bundle_id": None},
        {"front_end": "front0"},
        {"parameters": json.dumps({"relabel": "rejected"})},
        {"parameters": json.dumps({"relabel": None})},
        {"parameters": None},
    ],
)
def test_another_command_does_not_go_on(half: str, other: Row, to_label):
    stopped = asked("run2", 2, "all", state="stopped")
    fill(half, runs, stopped | other)
    assert to_label(half, HALF, relabel="all") == {"old", "again", "old_reject", "reject_again", "new"}
    # Nor does it end what another one began.
    store.commit(half, runs, [store.write_part(half, runs, table(runs, stopped))], replaced=["run2"], run_id="run2")
    fill(half, runs, asked("run3", 3, "all") | other)
    assert to_label(half, HALF, relabel="all") == {"old", "old_reject", "new"}


def test_what_changed_since_a_command_began_is_done_again(half: str, to_label):
    fill(half, rejects, *(reject(reason, reason=reason, stage="read", run_id="run2") for reason in ("missing", "forbidden")))
    fill(half, runs, asked("run2", 2, "all", state="stopped"))
    songs = library(again="v2", reject_again="v2", missing="v1", forbidden="v1")
    assert to_label(half, songs, relabel="all") == {"again", "reject_again", "missing", "forbidden"}


def test_an_empty_library_has_nothing_to_do(tables: str, to_label, to_write):
    assert to_label(tables, library()) == to_write(tables, library()) == set()


def test_work_on_shards_is_spread_in_an_order_that_never_changes(tmp_path: Path):
    songs = library(**{f"{genre}/{i:02}": "v1" for genre in ("blues", "rock") for i in range(20)})
    shuffled = Library("/music", songs.tracks.take(pa.array(range(39, -1, -1))), 0)
    orders = []
    for each in (songs, shuffled):
        found = plan.for_shards(each, str(tmp_path / "none"), front_end="f", redo=Redo.NOTHING, folder=str(tmp_path))
        orders.append([row["track_id"] for row in tracks(found)])
    assert orders[0] == orders[1]
    first = [track for track in orders[0][:20] if track.startswith("blues")]
    assert 5 <= len(first) <= 15


def test_labels_are_made_in_the_order_of_track_ids(tmp_path: Path, for_labels):
    names = [f"{i * 7919 % 1000:03}" for i in range(1000)] + ["ü", "Z", "z", "a b", "a/b"]
    found = for_labels(str(tmp_path / "none"), library(**dict.fromkeys(names, "v1")))
    assert [row["track_id"] for row in tracks(found)] == sorted(names)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 100])
def test_batches_hold_as_many_as_asked(tmp_path: Path, rows: int, for_labels):
    names = [f"{i:02}" for i in range(10)]
    found = for_labels(str(tmp_path / "none"), library(**dict.fromkeys(names, "v1")))
    # As DuckDB writes a long plan: in several row groups.
    pq.write_table(pq.read_table(found.path), found.path, row_group_size=4)
    sizes = [batch.num_rows for batch in found.batches(rows)]
    assert sizes == [rows] * (10 // rows) + [10 % rows] * bool(10 % rows)
    assert [track for batch in found.batches(rows) for track in batch["track_id"].to_pylist()] == names


@pytest.mark.parametrize("correction", [{"genre": "blues"}, {"artist": "Bo"}, {"artist": None}])
def test_a_corrected_genre_or_artist_is_a_new_lesson_but_no_new_label(
    tables: str, correction: dict[str, str | None], to_label, to_write
):
    rows = [
        listed(track, **({"content_version": "v1", "genre": "rock", "artist": "Ada"} | correction))
        for track in ("written", "labelled")
    ]
    rows.append(listed("another", genre="rock", artist="Cid"))
    songs = Library("/music", table(inventory, *rows), 0)
    assert "written" in to_write(tables, songs)
    assert "labelled" not in to_label(tables, songs)


def test_artists_are_not_forgotten_for_want_of_their_list(tables: str, to_write):
    fill(tables, shards, shard("other", artist="Cid"), shard("nameless", artist=None))
    without = [listed(track, content_version="v1", genre="rock") for track in ("other", "written", "nameless", "new")]
    songs = Library("/music", table(inventory, *without), 0)
    for redo in Redo:
        with pytest.raises(
            UsageError, match="know the artists of 2 of these tracks, such as other, and would forget them: say"
        ):
            to_write(tables, songs, redo=redo)
    strangers = Library("/music", table(inventory, *without[2:]), 0)
    assert to_write(tables, strangers) == {"new"}


def test_an_artist_nobody_knows_is_no_correction(tables: str, to_write):
    fill(tables, shards, shard("nameless", artist=None))
    nameless = table(inventory, listed("nameless", content_version="v1", genre="rock", artist=None))
    assert to_write(tables, Library("/music", nameless, 0)) == set()


def test_a_track_rejected_for_want_of_a_genre_is_tried_when_it_has_one(tables: str, to_write):
    fill(tables, rejects, reject("nameless", reason="no_genre", stage="list"))
    assert to_write(tables, library(nameless="v1")) == {"nameless"}


def test_what_is_gone_from_the_library_is_marked_once(tables: str, for_labels):
    fill(tables, labels, label("long_gone", deleted_at=WHEN))
    found = for_labels(tables, library(new="v1"))
    assert todo(found) == {"new"}
    assert (found.deleted, found.returned) == (2, 0)
    assert marks(found) == {("labels", "labelled", "gone"), ("rejects", "refused", "gone")}


def test_only_what_lies_under_the_root_can_be_gone(tables: str, for_labels):
    fill(
        tables,
        labels,
        label("inside", uri="s3://b/music/x"),
        label("beside", uri="s3://b/music2/x"),
        label("it", uri="s3://b/music"),
    )
    found = for_labels(tables, library(), root="s3://b/music")
    assert marks(found) == {("labels", "inside", "gone")}
    assert found.deleted == 1


def test_a_library_that_is_the_whole_disk(tables: str, for_labels):
    assert for_labels(tables, library(), root="/").deleted == 2


def test_a_manifest_of_some_tracks_marks_nothing(tables: str, for_labels):
    found = for_labels(tables, library(new="v1"), root=None)
    assert (found.deleted, found.marks) == (0, None)


def test_what_is_back_as_it_was_only_loses_its_mark(tables: str, for_labels):
    fill(
        tables,
        labels,
        label("back", deleted_at=WHEN),
        label("other", deleted_at=WHEN),
        label("old", deleted_at=WHEN, bundle_id="b0"),
    )
    fill(tables, rejects, reject("bad", deleted_at=WHEN, bundle_id="bundle0"))
    songs = library(labelled="v1", refused="v1", back="v1", other="v2", old="v1", bad="v1")
    found = for_labels(tables, songs)
    assert todo(found) == {"other", "old"}
    assert (found.deleted, found.returned) == (0, 2)
    assert marks(found) == {("labels", "back", "back"), ("rejects", "bad", "back")}


def test_a_track_with_rows_in_both_tables_is_one_track(tables: str, for_labels):
    fill(tables, labels, label("both", deleted_at=WHEN, content_version="v0"))
    fill(tables, rejects, reject("both", deleted_at=WHEN), reject("labelled"))
    back = for_labels(tables, library(both="v1", labelled="v1", refused="v1"))
    assert (todo(back), back.returned) == (set(), 1)
    assert marks(back) == {("labels", "both", "back"), ("rejects", "both", "back")}
    gone = for_labels(tables, library(refused="v1"))
    assert gone.deleted == 1
    assert marks(gone) == {("labels", "labelled", "gone"), ("rejects", "labelled", "gone")}


def test_a_manifest_brings_back_too(tables: str, for_labels):
    fill(tables, labels, label("back", deleted_at=WHEN))
    assert marks(for_labels(tables, library(back="v1"), root=None)) == {("labels", "back", "back")}


@pytest.mark.parametrize("lacks", [["deleted_at"], ["deleted_at", "loudness_db"]])
def test_tables_of_an_older_version(tmp_path: Path, lacks: list[str], for_labels):
    url = str(tmp_path / "tables")
    for contract, row in ((labels, label("labelled")), (rejects, reject("refused"))):
        kept = [field for field in contract.ARROW if field.name not in lacks]
        rows = table(contract, row).select([field.name for field in kept])
        DeltaTable.create(f"{url}/{contract.NAME}", schema=pa.schema(kept))
        write_deltalake(f"{url}/{contract.NAME}", rows, mode="append")
    found = for_labels(url, library(labelled="v1", new="v1"), relabel="loudness_db < -1000 OR deleted_at IS NOT NULL")
    assert todo(found) == {"new"}
    assert marks(found) == {("rejects", "refused", "gone")}


def test_a_part_of_a_table_that_is_lost(tables: str, for_labels):
    for part in Path(tables, "labels").glob("*.parquet"):
        part.unlink()
    for relabel in (None, "confidence < 0.5"):
        with pytest.raises(StoreUnreachable, match="the tables cannot be read: FileNotFoundError"):
            for_labels(tables, SONGS, relabel=relabel)


def test_library_and_tables_on_s3(s3, tmp_path: Path):
    url, music = s3.url("planned", "tables"), s3.url("planned", "music")
    storage.write_bytes(f"{music}/a b/ü.mp3", b"x")
    storage.write_bytes(f"{music}/new.mp3", b"x")
    version = hashlib.md5(b"x").hexdigest()
    rows = [label(t, uri=f"{music}/{t}", content_version=version) for t in ("a b/ü.mp3", "gone.mp3")]
    fill(url, labels, *rows)
    found = plan.for_labels(
        write(music, Layout.TREE, str(tmp_path / "listing.parquet")),
        url,
        bundle_id="bundle1",
        front_end="front1",
        relabel="confidence > 2",
        folder=str(tmp_path),
    )
    assert todo(found) == {"new.mp3"}
    assert marks(found) == {("labels", "gone.mp3", "gone")}


def test_what_a_plan_worked_with_is_removed(tables: str, tmp_path: Path, for_labels):
    before = set(tmp_path.iterdir())
    found = for_labels(tables, library(new="v1"), relabel="confidence < 0.5")
    left = {str(path) for path in set(tmp_path.iterdir()) - before}
    assert {found.path, found.marks} <= left
    assert not [path for path in left if "duckdb" in path or "spilled" in path]


VERSIONS = st.sampled_from(["v1", "v2", "missing"])
IDS = st.sampled_from("abcdef")
ROW = st.tuples(VERSIONS, st.sampled_from(["b1", "b2"]), st.booleans(), st.booleans(), st.sampled_from(["run1", "run2"]))
HELD = st.dictionaries(IDS, ROW, max_size=6)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    now=st.dictionaries(IDS, VERSIONS),
    done=HELD,
    refused=HELD,
    reason=st.sampled_from(["undecodable", "missing", "forbidden"]),
    relabel=st.sampled_from([None, "all", "rejected", "older-bundle"]),
)
def test_the_plan_is_what_sets_of_python_say(
    tmp_path_factory: pytest.TempPathFactory, now: dict[str, str], done: dict, refused: dict, reason: str, relabel: str | None
):
    folder = tmp_path_factory.mktemp("plan")
    url = str(folder / "tables")
    fill(url, runs, asked("run1", 1, relabel, bundle_id="b1"), asked("run2", 2, relabel, bundle_id="b1", state="stopped"))
    for contract, row, held in ((labels, label, done), (rejects, reject, refused)):
        rows = [
            row(
                t,
                content_version=v,
                bundle_id=b,
                deleted_at=WHEN if gone else None,
                uri=f"{ROOT if inside else '/x'}/{t}",
                run_id=by,
            )
            | ({"reason": reason} if contract is rejects else {})
            for t, (v, b, gone, inside, by) in held.items()
        ]
        if rows:
            fill(url, contract, *rows)
    found = plan.for_labels(
        listing(folder, library(**now)), url, bundle_id="b1", front_end="front1", relabel=relabel, folder=str(folder)
    )
    good = {(t, v) for t, (v, b, _, _, by) in done.items() if (b == "b1" and relabel != "all") or by == "run2"}
    heard = {
        (t, v)
        for t, (v, b, _, _, by) in refused.items()
        if ({"all": False, "rejected": False, "older-bundle": b == "b1"}.get(str(relabel), True) or by == "run2")
        and (reason == "undecodable" or (reason == "missing" and v == "missing"))
    }
    expected = {t for t, v in now.items() if (t, v) not in good | heard}
    assert [row["track_id"] for row in tracks(found)] == sorted(expected)
    assert {row["track_id"]: (row["done_before"], row["refused_before"]) for row in tracks(found)} == {
        t: (t in done, t in refused) for t in expected
    }
    held = [("labels", *each) for each in done.items()] + [("rejects", *each) for each in refused.items()]
    assert marks(found) == {
        *((name, t, "gone") for name, t, (_, _, gone, inside, _) in held if t not in now and inside and not gone),
        *((name, t, "back") for name, t, (_, _, gone, *_) in held if t in now and t not in expected and gone),
    }
    assert found.deleted == len({t for _, t, way in marks(found) if way == "gone"})
    assert found.returned == len({t for _, t, way in marks(found) if way == "back"})
