"""Publication: every planned track comes back once, or nothing of the commit is seen. No Ray is needed for this."""

import itertools
import json
import os
import re
import signal
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genre_batch import errors
from genre_batch.choices import Relabel
from genre_batch.cluster import halves
from genre_batch.cluster.accounts import Stamp, Written, account, read_track
from genre_batch.cluster.run import FEW_REJECTS, CommitEvery, Run, Summary, new_run_id
from genre_batch.errors import ContractViolated, Missing, StoreUnreachable, TablesHeld, TooManyRejects, TrackError, UsageError
from genre_batch.evaluation import drift
from genre_batch.evaluation.profile import Profile
from genre_batch.limits import Limits
from genre_batch.tables import plan, storage, store
from genre_batch.tables.library import Listing
from schemas import inventory, labels, rejects, runs, segments
from tests.rows import Row, label, listed, segment, table

NOT_AUDIO = 2
PLANNED = pa.schema([*inventory.ARROW, pa.field("done_before", pa.bool_()), pa.field("refused_before", pa.bool_())])
EACH = CommitEvery(tracks=1)


class Nights:
    """One library, labelled run after run into the same tables."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tables = folder, str(folder / "tables")
        self.count = itertools.count()

    def run(self, run_id: str, relabel: str | None = None, *, fraction: float = 0.1, **versions: str) -> Run:
        """A run over a library of tracks with these versions of content."""
        folder = self.folder / f"run{next(self.count)}"
        folder.mkdir()
        rows = (listed(track, content_version=version) for track, version in versions.items())
        pq.write_table(table(inventory, *rows), folder / "listing.parquet")
        listing = Listing("/music", str(folder / "listing.parquet"), len(versions), NOT_AUDIO, "/music")
        writer = store.Writer(self.tables, run_id)
        todo = plan.for_labels(
            listing, self.tables, bundle_id="bundle1", front_end="front1", relabel=relabel, folder=str(folder)
        )
        stamp = Stamp("label-catalog", self.tables, run_id, "front1", "bundle1")
        return Run(stamp, writer, [labels], listing.url, NOT_AUDIO, todo, fraction)

    def held(self, name: str, *columns: str) -> list[tuple[Any, ...]]:
        contract = {each.NAME: each for each in (labels, rejects, runs, segments)}[name]
        found = store.read(self.tables, name, contract.ARROW, columns)
        return sorted(zip(*(found[column].to_pylist() for column in columns), strict=True))


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


Judge = Callable[[Row], Row | TrackError]


def heard(track: Row) -> Row:
    return label(track["track_id"], content_version=track["content_version"])


def refusing(*track_ids: str, error: TrackError | None = None) -> Judge:
    """Hears everything but these."""
    return lambda track: (error or errors.Silent("silence")) if track["track_id"] in track_ids else heard(track)


def work(run: Run, tracks: Iterable[Row], judge: Judge = heard, left: Iterable[str] = ()) -> Written:
    """What a worker does: parts on storage, and the accounts of them."""
    done, refused, left = [], [], list(left)
    for track in tracks:
        if track["track_id"] in left:
            continue
        found = judge(track)
        if isinstance(found, TrackError):
            refused.append(run.stamp.reject(track, found))
        else:
            done.append(found | {"run_id": run.stamp.run_id})
    parts = [
        store.write_part(run.stamp.url, contract, table(contract, *rows))
        for contract, rows in ((labels, done), (rejects, refused))
        if rows
    ]
    return account(parts, [row["track_id"] for row in done], refused, 10.5 * len(done), Profile.of(done, refused), left)


def todo(run: Run) -> pa.Table:
    return next(run.plan.batches(1000), PLANNED.empty_table()).combine_chunks()


def answers(run: Run, judge: Judge = heard, calls: int = 2, left: Iterable[str] = ()) -> list[tuple[pa.Table, Written]]:
    """The plan in so many calls, done."""
    tracks = todo(run)
    size = max(1, -(-tracks.num_rows // calls))
    parts = [tracks.slice(start, size) for start in range(0, tracks.num_rows, size)]
    return [(part, work(run, part.to_pylist(), judge, set(left) & set(part["track_id"].to_pylist()))) for part in parts]


def publish(run: Run, judge: Judge = heard, calls: int = 2, left: Iterable[str] = ()) -> Summary:
    return run.publish(answers(run, judge, calls, left))


def nothing_published(nights: Nights) -> bool:
    return list(Path(nights.tables).glob("*/_delta_log")) == []


def test_a_normal_run(nights: Nights):
    run = nights.run("run1", a="v1", b="v1", c="v1", d="v1")
    summary = publish(run, refusing("c"))
    counts = {"listed": 4, "done": 3, "rejected": 1, "unchanged": 0, "remaining": 0, "deleted": 0, "returned": 0}
    assert summary == Summary("run1", **counts, not_audio=NOT_AUDIO, audio_s=pytest.approx(31.5))
    assert nights.held("labels", "track_id", "run_id") == [("a", "run1"), ("b", "run1"), ("d", "run1")]
    assert nights.held("rejects", "track_id", "stage", "reason", "detail") == [("c", "segment", "silent", "silence")]
    columns = (
        "run_id",
        "job",
        "state",
        "library",
        "listed",
        "done",
        "rejected",
        "unchanged",
        "not_audio",
        "bundle_id",
        "front_end",
    )
    assert nights.held("runs", *columns) == [
        ("run1", "label-catalog", "finished", "/music", 4, 3, 1, 0, 2, "bundle1", "front1")
    ]
    ((started, finished),) = nights.held("runs", "started_at", "finished_at")
    assert run.started_at == started <= finished


def test_what_is_unchanged_is_not_done_again(nights: Nights):
    publish(nights.run("run1", a="v1", b="v1"), refusing("b"))
    again = nights.run("run2", a="v1", b="v1", c="v1")
    summary = publish(again)
    assert (summary.listed, summary.done, summary.rejected, summary.unchanged) == (3, 1, 0, 2)
    assert nights.held("labels", "track_id", "run_id") == [("a", "run1"), ("c", "run2")]
    assert nights.held("rejects", "track_id", "run_id") == [("b", "run1")]
    assert nights.held("runs", "run_id", "listed", "unchanged") == [("run1", 2, 0), ("run2", 3, 2)]


def test_a_run_with_nothing_to_do_is_a_run(nights: Nights):
    publish(nights.run("run1", a="v1"))
    assert publish(nights.run("run2", a="v1")).unchanged == 1
    assert nights.held("labels", "track_id", "run_id") == [("a", "run1")]
    assert nights.held("runs", "run_id") == [("run1",), ("run2",)]


def test_an_empty_library_is_published_too(nights: Nights):
    assert publish(nights.run("run1")).listed == 0
    assert nights.held("runs", "run_id", "listed") == [("run1", 0)]
    assert nights.held("labels", "track_id") == []


def test_a_changed_track_replaces_its_row(nights: Nights):
    publish(nights.run("run1", a="v1", b="v1"))
    publish(nights.run("run2", a="v2", b="v1"))
    assert nights.held("labels", "track_id", "content_version", "run_id") == [("a", "v2", "run2"), ("b", "v1", "run1")]


def test_a_track_moves_to_the_rejects_and_back(nights: Nights):
    publish(nights.run("run1", a="v1", b="v1"))
    publish(nights.run("run2", a="v2", b="v1"), refusing("a"))
    assert nights.held("labels", "track_id") == [("b",)]
    assert nights.held("rejects", "track_id", "content_version") == [("a", "v2")]
    publish(nights.run("run3", a="v3", b="v1"))
    assert nights.held("labels", "track_id", "content_version") == [("a", "v3"), ("b", "v1")]
    assert nights.held("rejects", "track_id") == []


def test_a_reject_is_replaced_by_a_newer_one(nights: Nights):
    publish(nights.run("run1", a="v1"), refusing("a"))
    publish(nights.run("run2", a="v2"), refusing("a", error=errors.Empty("nothing")))
    assert nights.held("rejects", "track_id", "reason", "run_id") == [("a", "empty", "run2")]


def test_rejects_are_tried_again_when_asked(nights: Nights):
    publish(nights.run("run1", a="v1", b="v1"), refusing("b"))
    summary = publish(nights.run("run2", Relabel.REJECTED, a="v1", b="v1"))
    assert (summary.done, summary.unchanged) == (1, 1)
    assert nights.held("labels", "track_id", "run_id") == [("a", "run1"), ("b", "run2")]
    assert nights.held("rejects", "track_id") == []


def test_all_done_again_stands_once(nights: Nights):
    publish(nights.run("run1", a="v1", b="v1"), refusing("b"))
    publish(nights.run("run2", Relabel.ALL, a="v1", b="v1"), refusing("a"))
    assert nights.held("labels", "track_id", "run_id") == [("b", "run2")]
    assert nights.held("rejects", "track_id", "run_id") == [("a", "run2")]


def test_a_track_that_left_the_library_keeps_its_label_and_is_marked(nights: Nights):
    publish(nights.run("run1", a="v1", b="v1", c="v1"), refusing("c"))
    gone = publish(nights.run("run2", a="v2"))
    assert (gone.deleted, gone.returned) == (2, 0)
    assert nights.held("labels", "track_id", "run_id") == [("a", "run2"), ("b", "run1")]
    marked = {track: deleted_at is not None for track, deleted_at in nights.held("labels", "track_id", "deleted_at")}
    assert marked == {"a": False, "b": True}
    ((track, deleted_at),) = nights.held("rejects", "track_id", "deleted_at")
    assert (track, deleted_at is not None) == ("c", True)
    back = publish(nights.run("run3", a="v2", b="v1", c="v1"))
    assert (back.deleted, back.returned, back.done, back.unchanged) == (0, 2, 0, 3)
    assert nights.held("labels", "track_id", "run_id", "deleted_at") == [("a", "run2", None), ("b", "run1", None)]
    assert nights.held("rejects", "track_id", "deleted_at") == [("c", None)]


BALANCE = "the accounts do not balance, nothing was published"


@pytest.mark.parametrize(
    "answered",
    [
        pytest.param(["a", "b"], id="one is lost"),
        pytest.param([], id="all are lost"),
        pytest.param(["a", "b", "c", "x"], id="a stranger came along"),
        pytest.param(["a", "b", "x"], id="a stranger stands for one"),
        pytest.param(["a", "b", "b"], id="one is done twice and one is lost"),
    ],
)
def test_accounts_that_do_not_balance(nights: Nights, answered: list[str]):
    run = nights.run("run1", a="v1", b="v1", c="v1")
    # Parts with a track twice break their own promise before; here only the accounts say it.
    written = account([], answered, [], 0.0, Profile())
    with pytest.raises(ContractViolated, match=BALANCE) as caught:
        run.publish([(todo(run), written)])
    assert f"3 tracks were to be done, {len(answered)} were done and 0 rejected" in str(caught.value)
    assert nothing_published(nights)


def test_a_run_that_answers_for_less_than_it_planned_has_not_finished(nights: Nights):
    run = nights.run("run1", a="v1", b="v1")
    with pytest.raises(ContractViolated, match="1 tracks of the plan were never answered for"):
        run.publish(answers(run)[:1])
    assert nothing_published(nights)


def test_a_refused_run_leaves_the_tables_as_they_were(nights: Nights):
    publish(nights.run("run1", a="v1", b="v1"), refusing("b"))
    run = nights.run("run2", a="v2", b="v2")
    with pytest.raises(ContractViolated, match=BALANCE):
        run.publish([(todo(run), work(run, todo(run).to_pylist()[:1]))])
    assert nights.held("labels", "track_id", "run_id") == [("a", "run1")]
    assert nights.held("rejects", "track_id", "run_id") == [("b", "run1")]
    assert nights.held("runs", "run_id", "state") == [("run1", "finished")]


def test_a_run_that_breaks_its_own_promise_publishes_nothing(nights: Nights):
    run = nights.run("run1", a="v1", b="v1")
    run.summary = replace(run.summary, listed=9)
    with pytest.raises(ContractViolated, match=r"table runs: listed is not done \+ rejected \+ unchanged"):
        publish(run)
    assert nothing_published(nights)


def test_commits_at_intervals_are_seen_before_the_end(nights: Nights):
    run = nights.run("run1", **of(6))
    run.commit_every = CommitEvery(tracks=2)
    seen = []

    def watched() -> Iterable[tuple[pa.Table, Written]]:
        for answer in answers(run, refusing("t01"), calls=6):
            yield answer
            seen.append((len(nights.held("labels", "track_id")), nights.held("runs", "state", "done", "rejected", "remaining")))

    run.publish(watched())
    assert seen == [
        (0, []),
        (1, [("running", 1, 1, 4)]),
        (1, [("running", 1, 1, 4)]),
        (3, [("running", 3, 1, 2)]),
        (3, [("running", 3, 1, 2)]),
        (5, [("running", 5, 1, 0)]),
    ]
    assert nights.held("runs", "state", "done", "rejected", "remaining") == [("finished", 5, 1, 0)]


def test_a_commit_is_due_after_seconds_or_tracks():
    assert not CommitEvery().is_due(1e9, 10**9)
    assert CommitEvery(seconds=30).is_due(30, 1)
    assert not CommitEvery(seconds=30).is_due(29.9, 10**9)
    assert CommitEvery(tracks=500).is_due(0, 500)
    assert not CommitEvery(tracks=500).is_due(1e9, 499)


@pytest.mark.parametrize(
    ("text", "every"), [("30s", CommitEvery(seconds=30)), ("5m", CommitEvery(seconds=300)), ("500", CommitEvery(tracks=500))]
)
def test_intervals_as_people_write_them(text: str, every: CommitEvery):
    assert CommitEvery.parse(text) == every


@pytest.mark.parametrize("text", ["", "0", "-5", "soon", "3 tracks"])
def test_intervals_that_are_none(text: str):
    with pytest.raises(UsageError, match="--commit-every"):
        CommitEvery.parse(text)


def test_what_was_committed_stays_when_the_store_goes(nights: Nights):
    run = nights.run("run1", **of(4))
    run.commit_every = EACH

    def dying() -> Iterable[tuple[pa.Table, Written]]:
        yield from answers(run, calls=4)[:2]
        raise StoreUnreachable("gone")

    with pytest.raises(StoreUnreachable, match="gone"):
        run.publish(dying())
    assert nights.held("labels", "track_id") == [("t00",), ("t01",)]
    assert nights.held("runs", "state", "done", "remaining") == [("failed", 2, 2)]
    again = nights.run("run2", **of(4))
    assert todo(again)["track_id"].to_pylist() == ["t02", "t03"]
    publish(again)
    assert nights.held("labels", "track_id", "run_id") == [("t00", "run1"), ("t01", "run1"), ("t02", "run2"), ("t03", "run2")]


def test_an_interrupted_run_keeps_what_it_has(nights: Nights):
    run = nights.run("run1", **of(4))

    def interrupted() -> Iterable[tuple[pa.Table, Written]]:
        yield from answers(run, calls=4)[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.publish(interrupted())
    assert len(nights.held("labels", "track_id")) == 3
    assert nights.held("runs", "state", "done", "remaining") == [("stopped", 3, 1)]


class Signalling:
    """The tracks of a call; while they are looked at, somebody presses Ctrl-C."""

    def __init__(self, tracks: pa.Table) -> None:
        self.tracks = tracks

    def __getitem__(self, column: str) -> pa.ChunkedArray:
        return self.tracks[column]

    def filter(self, chosen: pa.ChunkedArray) -> pa.Table:
        os.kill(os.getpid(), signal.SIGINT)
        return self.tracks.filter(chosen)


def test_an_interruption_while_an_answer_is_taken(nights: Nights):
    publish(nights.run("run1", **of(2)))
    run = nights.run("run2", Relabel.ALL, **of(2))
    (tracks, written), other = answers(run)
    with pytest.raises(KeyboardInterrupt):
        run.publish([(Signalling(tracks), written), other])
    assert nights.held("labels", "track_id", "run_id") == [("t00", "run2"), ("t01", "run1")]
    assert nights.held("runs", "run_id", "state", "done", "remaining") == [
        ("run1", "finished", 2, 0),
        ("run2", "stopped", 1, 1),
    ]


@pytest.mark.parametrize("commit", range(9))
@pytest.mark.parametrize("after", [False, True])
def test_an_interruption_in_a_commit(nights: Nights, monkeypatch: pytest.MonkeyPatch, commit: int, after: bool):
    publish(nights.run("run1", **of(4)), refusing("t03"))
    run = nights.run("run2", Relabel.ALL, **of(4))
    run.commit_every = EACH
    run.contracts = [labels, segments]
    real, seen = run.writer.commit, itertools.count()

    def interrupted(*arguments: Any, **named: Any) -> None:
        mine = next(seen) == commit
        if mine and not after:
            os.kill(os.getpid(), signal.SIGTERM)
        real(*arguments, **named)
        if mine and after:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(run.writer, "commit", interrupted)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run.publish(answers(run, refusing("t03"), calls=2))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert next(seen) > commit
    assert nights.held("labels", "track_id") == [("t00",), ("t01",), ("t02",)]
    assert nights.held("rejects", "track_id") == [("t03",)]
    (told,) = (row for row in nights.held("runs", "run_id", "state", "done", "rejected", "remaining") if row[0] == "run2")
    done = 2 if commit < 5 else 4
    assert told[1:] == ("stopped" if done < 4 else "finished", done - done // 4, done // 4, 4 - done)


def test_a_run_killed_in_its_first_commit_leaves_its_name(nights: Nights, monkeypatch: pytest.MonkeyPatch):
    run = nights.run("run1", **of(2))
    run.contracts = [labels, segments]
    real = run.writer.commit

    def killed(contract: ModuleType, *arguments: Any, **named: Any) -> None:
        if contract is labels:
            raise SystemExit
        real(contract, *arguments, **named)

    monkeypatch.setattr(run.writer, "commit", killed)
    monkeypatch.setattr(run, "_tell_failure", lambda: None)
    with pytest.raises(SystemExit):
        run.publish([(tracks, timed(run, tracks, written)) for tracks, written in answers(run)])
    assert nights.held("segments", "track_id", "run_id") == [("t00", "run1"), ("t01", "run1")]
    assert nights.held("runs", "state", "done", "remaining") == [("running", 0, 2)]
    halves.complete(nights.tables, store.Writer(nights.tables, "run2"), str(nights.folder))
    assert nights.held("segments", "track_id") == []
    assert nights.held("runs", "state", "done", "remaining") == [("failed", 0, 2)]


def timed(run: Run, tracks: pa.Table, written: Written) -> Written:
    """With a timeline."""
    rows = [segment(track_id, run_id=run.stamp.run_id) for track_id in tracks["track_id"].to_pylist()]
    return replace(written, receipts=[*written.receipts, store.write_part(run.stamp.url, segments, table(segments, *rows))])


def test_the_timeline_of_a_track_that_is_refused_goes(nights: Nights):
    run = nights.run("run1", a="v1", b="v1")
    run.contracts = [labels, segments]
    run.publish([(tracks, timed(run, tracks, written)) for tracks, written in answers(run)])
    again = nights.run("run2", a="v2", b="v1")
    again.contracts = [labels, segments]
    publish(again, refusing("a"))
    assert nights.held("segments", "track_id") == [("b",)]
    third = nights.run("run3", a="v3", b="v1")
    third.contracts = [labels, segments]
    third.publish([(tracks, timed(third, tracks, written)) for tracks, written in answers(third)])
    assert nights.held("segments", "track_id", "run_id") == [("a", "run3"), ("b", "run1")]


def test_a_night_cut_short_is_judged_by_what_it_tried(nights: Nights):
    run = nights.run("run1", **of(40))
    tried = [f"t{i:02}" for i in range(5)]
    with pytest.raises(TooManyRejects, match="4 of 5 tracks were rejected"):
        publish(run, refusing(*tried[:4]), left=[f"t{i:02}" for i in range(5, 40)])
    assert nothing_published(nights)


def test_tracks_left_for_the_next_run(nights: Nights):
    publish(nights.run("run1", **of(4)), refusing("t01"))
    summary = publish(nights.run("run2", Relabel.ALL, **of(5)), left=["t01", "t02", "t04"])
    assert (summary.done, summary.rejected, summary.remaining) == (2, 0, 3)
    assert nights.held("labels", "track_id", "run_id") == [("t00", "run2"), ("t02", "run1"), ("t03", "run2")]
    assert nights.held("rejects", "track_id", "run_id") == [("t01", "run1")]
    assert nights.held("runs", "run_id", "state") == [("run1", "finished"), ("run2", "stopped")]


def test_a_lost_lock_commits_nothing(nights: Nights):
    run = nights.run("run1", a="v1")

    def lost() -> None:
        raise TablesHeld("another run")

    run.still_mine = lost
    with pytest.raises(TablesHeld):
        publish(run)
    assert nothing_published(nights)


def test_what_a_run_found_is_on_its_row(nights: Nights):
    run = nights.run("run1", **of(3))
    run.parameters = {"segments": False}
    before = Profile.of([label(genre="jazz")] * 60, [])
    run.judge = lambda profile: drift.judge(Profile.of([label(genre="rock")] * 60, []) + profile, previous=before, bundle=None)
    publish(run, refusing("t02"))
    columns = ("genres", "reasons", "parameters", "drift", "drift_level")
    ((genres, reasons, parameters, indices, level),) = nights.held("runs", *columns)
    assert (genres, reasons) == ([(label("x")["genre"], 2)], [("silent", 1)])
    assert json.loads(parameters) == {"segments": False}
    assert run.drift is not None
    assert dict(indices) == dict(run.drift.to_row()["drift"])
    assert (dict(indices)["genres, previous run"] > drift.ALARM_AT, level) == (True, "alarm")


def of(n: int) -> dict[str, str]:
    return {f"t{i:02}": "v1" for i in range(n)}


def first(n: int) -> Judge:
    return refusing(*of(n))


@pytest.mark.parametrize(
    ("n", "rejected", "fraction", "published"),
    [
        (40, 4, 0.1, True),
        (40, 5, 0.1, False),
        (20, FEW_REJECTS, 0.1, True),
        (20, FEW_REJECTS + 1, 0.1, False),
        (3, 3, 0.1, True),
        (20, 20, 1.0, True),
        (20, 1, 0.0, False),
        (20, 0, 0.0, True),
    ],
)
def test_too_many_rejects(nights: Nights, n: int, rejected: int, fraction: float, published: bool):
    run = nights.run("run1", fraction=fraction, **of(n))
    if published:
        assert publish(run, first(rejected)).rejected == rejected
        assert len(nights.held("rejects", "track_id")) == rejected
    else:
        with pytest.raises(
            TooManyRejects, match=rf"{rejected} of {n} tracks were rejected .* {fraction:g} allows; nothing was"
        ):
            publish(run, first(rejected), calls=1)
        assert nothing_published(nights)


def test_the_reasons_are_named_most_frequent_first(nights: Nights):
    def judge(track: Row) -> Row | TrackError:
        return errors.Empty("x") if track["track_id"] == "t03" else errors.Silent("y")

    with pytest.raises(
        TooManyRejects, match=r"6 of 6 tracks were rejected \(5 silent, 1 empty\), more than --max-reject-fraction 0.5"
    ):
        publish(nights.run("run1", fraction=0.5, **of(6)), judge, calls=1)


def test_one_of_too_many_rejects_is_named(nights: Nights):
    with pytest.raises(TooManyRejects, match=r"; nothing was published\. One of them is /music/t00: silence$"):
        publish(nights.run("run1", **of(6)), refusing(*of(6)), calls=1)
    run = nights.run("run2", **of(6))
    gone = answers(run, refusing(*of(6)))
    for file in Path(nights.tables).glob("rejects/part-*"):
        file.unlink()
    with pytest.raises(TooManyRejects, match=r"; nothing was published$"):
        run.publish(gone)


def test_the_share_is_of_what_was_tried(nights: Nights):
    publish(nights.run("run1", **of(40)))
    more = {f"new{i}": "v1" for i in range(5)}
    with pytest.raises(TooManyRejects, match="4 of 5 tracks"):
        publish(nights.run("run2", **of(40), **more), refusing("new0", "new1", "new2", "new3"))


def test_what_was_refused_before_is_no_news(nights: Nights):
    forbidden = refusing(*(f"t{i:02}" for i in range(5)), error=errors.Forbidden("not you"))
    publish(nights.run("run1", **of(60)), forbidden)
    summary = publish(nights.run("run2", **of(60), new="v1"), forbidden)
    assert (summary.done, summary.rejected, summary.unchanged) == (1, 5, 55)
    more = {f"t{i:02}": "v1" for i in range(60, 65)}
    with pytest.raises(TooManyRejects, match="9 of 10 tracks"):
        publish(nights.run("run3", **of(60), new="v1", **more), refusing(*(f"t{i:02}" for i in [*range(5), *range(60, 64)])))


def test_a_run_that_is_sure_to_have_too_many_rejects_stops_at_once(nights: Nights):
    run = nights.run("run1", **of(40))
    run.commit_every = CommitEvery(tracks=10)
    took = []

    def watched() -> Iterable[tuple[pa.Table, Written]]:
        for answer in answers(run, refusing("t03", "t13", "t14", "t15", "t16"), calls=4):
            took.append(answer)
            yield answer

    with pytest.raises(TooManyRejects, match=r"5 of 40 tracks .* what was committed before stays"):
        run.publish(watched())
    assert len(took) == 2
    assert (len(nights.held("labels", "track_id")), nights.held("rejects", "track_id")) == (9, [("t03",)])


def test_accounts_of_a_call():
    refused = [
        {"track_id": "c", "reason": "silent"},
        {"track_id": "d", "reason": "empty"},
        {"track_id": "e", "reason": "silent"},
    ]
    profile = Profile.of([], refused)
    written = account([], ["a", "b"], refused, 21.0, profile, ["f"])
    assert written == Written([], 2, 3, ["f"], 21.0, store.checksum(list("abcde")), profile)


def test_a_reject_keeps_the_promise_of_its_table():
    track = listed("a", content_version="v7", uri="/music/ü.wav")
    for bundle_id in ("bundle1", None):
        stamp = Stamp("build-shards", "/tables", "run1", "front1", bundle_id)
        for kind in TrackError.__subclasses__():
            row = stamp.reject(track, kind("why"))
            rejects.validate(table(rejects, row))
            del row["rejected_at"], row["deleted_at"]
            assert row == {
                "track_id": "a",
                "uri": "/music/ü.wav",
                "stage": kind.stage,
                "reason": kind.reason,
                "detail": "why",
                "content_version": "v7",
                "bundle_id": bundle_id,
                "front_end": "front1",
                "run_id": "run1",
            }


def test_run_ids_sort_by_time_and_are_not_used_twice():
    ids = [new_run_id() for _ in range(100)]
    assert all(re.fullmatch(r"20\d{6}T\d{6}-[0-9a-f]{6}", run_id) for run_id in ids)
    assert [run_id[:15] for run_id in ids] == sorted(run_id[:15] for run_id in ids)
    assert len(set(ids)) == 100


def test_reading_a_track(tmp_path: Path):
    uri = str(tmp_path / "a.wav")
    storage.write_bytes(uri, b"RIFF")
    assert read_track(listed("a", uri=uri), Limits()) == b"RIFF"
    with pytest.raises(Missing, match=r"a\.wav is not there"):
        read_track(listed("a", uri=uri, size=None), Limits())
    storage.remove(uri)
    with pytest.raises(Missing, match=r"a\.wav is not there"):
        read_track(listed("a", uri=uri), Limits())
    with pytest.raises(Missing, match="is a folder"):
        read_track(listed("a", uri=str(tmp_path)), Limits())
