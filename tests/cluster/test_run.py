"""Publication: every planned track comes back once, or nothing of the run is seen. No Ray is needed for this."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genre_batch import errors
from genre_batch.choices import Redo
from genre_batch.cluster.run import FEW_REJECTS, Run, Stamp, Summary, Written, account, new_run_id, read_track
from genre_batch.errors import ContractViolated, Missing, TooManyRejects, TrackError
from genre_batch.tables import plan, storage, store
from genre_batch.tables.library import Library
from schemas import inventory, labels, rejects, runs
from tests.rows import Row, label, listed, table

NOT_AUDIO = 2


class Nights:
    """One library, labelled run after run into the same tables."""

    def __init__(self, tables: str) -> None:
        self.tables = tables

    def run(self, run_id: str, redo: Redo = Redo.NOTHING, **versions: str) -> Run:
        """A run over a library of tracks with these versions of content."""
        tracks = table(inventory, *(listed(track, content_version=version) for track, version in versions.items()))
        library = Library("/music", tracks, NOT_AUDIO)
        todo = plan.for_labels(library, self.tables, bundle_id="bundle1", front_end="front1", redo=redo)
        return Run(Stamp("label-catalog", self.tables, run_id, "front1", "bundle1"), labels, library, todo)

    def held(self, name: str, *columns: str) -> list[tuple[Any, ...]]:
        contract = {"labels": labels, "rejects": rejects, "runs": runs}[name]
        found = store.read(self.tables, name, contract.ARROW, columns)
        return sorted(zip(*(found[column].to_pylist() for column in columns), strict=True))


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(str(tmp_path / "tables"))


Judge = Callable[[Row], Row | TrackError]


def heard(track: Row) -> Row:
    return label(track["track_id"], content_version=track["content_version"])


def refusing(*track_ids: str, error: TrackError | None = None) -> Judge:
    """Hears everything but these."""
    return lambda track: (error or errors.Silent("silence")) if track["track_id"] in track_ids else heard(track)


def work(run: Run, tracks: list[Row], judge: Judge = heard) -> Written:
    """What a worker does: parts on storage, and the accounts of them."""
    done, refused = [], []
    for track in tracks:
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
    return account(parts, [row["track_id"] for row in done], refused, 10.5 * len(done))


def publish(run: Run, judge: Judge = heard, max_reject_fraction: float = 0.1, calls: int = 2) -> Summary:
    todo = run.plan.todo.to_pylist()
    return run.publish([work(run, part, judge) for i in range(calls) if (part := todo[i::calls])], max_reject_fraction)


def nothing_published(nights: Nights) -> bool:
    return list(Path(nights.tables).glob("*/_delta_log")) == []


def test_a_normal_run(nights: Nights):
    run = nights.run("run1", a="v1", b="v1", c="v1", d="v1")
    summary = publish(run, refusing("c"))
    assert summary == Summary(
        "run1", listed=4, done=3, rejected=1, unchanged=0, not_audio=NOT_AUDIO, audio_s=pytest.approx(31.5)
    )
    assert nights.held("labels", "track_id", "run_id") == [("a", "run1"), ("b", "run1"), ("d", "run1")]
    assert nights.held("rejects", "track_id", "stage", "reason", "detail") == [("c", "segment", "silent", "silence")]
    columns = ("run_id", "job", "library", "listed", "done", "rejected", "unchanged", "not_audio", "bundle_id", "front_end")
    assert nights.held("runs", *columns) == [("run1", "label-catalog", "/music", 4, 3, 1, 0, 2, "bundle1", "front1")]
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
    summary = publish(nights.run("run2", Redo.REJECTED, a="v1", b="v1"))
    assert (summary.done, summary.unchanged) == (1, 1)
    assert nights.held("labels", "track_id", "run_id") == [("a", "run1"), ("b", "run2")]
    assert nights.held("rejects", "track_id") == []


def test_all_done_again_stands_once(nights: Nights):
    publish(nights.run("run1", a="v1", b="v1"), refusing("b"))
    publish(nights.run("run2", Redo.ALL, a="v1", b="v1"), refusing("a"))
    assert nights.held("labels", "track_id", "run_id") == [("b", "run2")]
    assert nights.held("rejects", "track_id", "run_id") == [("a", "run2")]


def test_a_track_that_left_the_library_keeps_its_label(nights: Nights):
    publish(nights.run("run1", a="v1", b="v1"))
    publish(nights.run("run2", a="v2"))
    assert nights.held("labels", "track_id", "run_id") == [("a", "run2"), ("b", "run1")]


def tracks(run: Run) -> list[Row]:
    return sorted(run.plan.todo.to_pylist(), key=lambda track: str(track["track_id"]))


BALANCE = "the accounts do not balance, nothing was published"


@pytest.mark.parametrize(
    "shares",
    [
        pytest.param([["a", "b"]], id="one is lost"),
        pytest.param([], id="all are lost"),
        pytest.param([["a", "b", "c"], ["c"]], id="one is done twice"),
        pytest.param([["a", "b"], ["b"]], id="one is done twice and one is lost"),
        pytest.param([["a", "b", "x"]], id="one is a stranger"),
        pytest.param([["a", "b", "c", "x"]], id="a stranger came along"),
    ],
)
def test_accounts_that_do_not_balance(nights: Nights, shares: list[list[str]]):
    run = nights.run("run1", a="v1", b="v1", c="v1")
    known = {track["track_id"]: track for track in tracks(run)} | {"x": listed("x")}
    written = [work(run, [known[track] for track in share]) for share in shares]
    with pytest.raises(ContractViolated, match=BALANCE) as caught:
        run.publish(written, 0.1)
    assert f"3 tracks were to be done, {sum(map(len, shares))} were done and 0 rejected" in str(caught.value)
    assert nothing_published(nights)


def test_a_track_both_labelled_and_rejected_does_not_balance(nights: Nights):
    run = nights.run("run1", a="v1", b="v1")
    a = tracks(run)[0]
    with pytest.raises(ContractViolated, match="2 tracks were to be done, 1 were done and 1 rejected, or one of them twice"):
        run.publish([work(run, [a]), work(run, [a], refusing("a"))], 1.0)
    assert nothing_published(nights)


def test_a_refused_run_leaves_the_tables_as_they_were(nights: Nights):
    publish(nights.run("run1", a="v1", b="v1"), refusing("b"))
    run = nights.run("run2", a="v2", b="v2")
    with pytest.raises(ContractViolated, match=BALANCE):
        run.publish([work(run, tracks(run)[:1])], 0.1)
    assert nights.held("labels", "track_id", "run_id") == [("a", "run1")]
    assert nights.held("rejects", "track_id", "run_id") == [("b", "run1")]
    assert nights.held("runs", "run_id") == [("run1",)]


def test_a_run_that_breaks_its_own_promise_publishes_nothing(nights: Nights):
    run = nights.run("run1", a="v1", b="v1")
    with pytest.raises(ContractViolated, match=r"table runs: listed is not done \+ rejected \+ unchanged"):
        publish(replace(run, plan=replace(run.plan, listed=9)))
    assert nothing_published(nights)


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
    run = nights.run("run1", **of(n))
    if published:
        assert publish(run, first(rejected), fraction).rejected == rejected
        assert len(nights.held("rejects", "track_id")) == rejected
    else:
        with pytest.raises(
            TooManyRejects, match=rf"{rejected} of {n} tracks were rejected .* {fraction:g} allows; nothing was"
        ):
            publish(run, first(rejected), fraction)
        assert nothing_published(nights)


def test_the_reasons_are_named_most_frequent_first(nights: Nights):
    def judge(track: Row) -> Row | TrackError:
        return errors.Empty("x") if track["track_id"] == "t03" else errors.Silent("y")

    with pytest.raises(
        TooManyRejects, match=r"6 of 6 tracks were rejected \(5 silent, 1 empty\), more than --max-reject-fraction 0.5"
    ):
        publish(nights.run("run1", **of(6)), judge, 0.5, calls=3)


def test_the_share_is_of_what_was_tried(nights: Nights):
    publish(nights.run("run1", **of(40)))
    more = {f"new{i}": "v1" for i in range(5)}
    with pytest.raises(TooManyRejects, match="4 of 5 tracks"):
        publish(nights.run("run2", **of(40), **more), refusing("new0", "new1", "new2", "new3"))


def test_accounts_of_a_call():
    refused = [
        {"track_id": "c", "reason": "silent"},
        {"track_id": "d", "reason": "empty"},
        {"track_id": "e", "reason": "silent"},
    ]
    written = account([], ["a", "b"], refused, 21.0)
    assert written == Written([], 2, 3, 21.0, store.checksum(list("abcde")), {"silent": 2, "empty": 1})


def test_a_reject_keeps_the_promise_of_its_table():
    track = listed("a", content_version="v7", uri="/music/ü.wav")
    for bundle_id in ("bundle1", None):
        stamp = Stamp("build-shards", "/tables", "run1", "front1", bundle_id)
        for kind in TrackError.__subclasses__():
            row = stamp.reject(track, kind("why"))
            rejects.validate(table(rejects, row))
            del row["rejected_at"]
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
    assert read_track(listed("a", uri=uri)) == b"RIFF"
    with pytest.raises(Missing, match=r"a\.wav is not there"):
        read_track(listed("a", uri=uri, size=None))
    storage.remove(uri)
    with pytest.raises(Missing, match=r"a\.wav is not there"):
        read_track(listed("a", uri=uri))
    with pytest.raises(Missing, match="is a folder"):
        read_track(listed("a", uri=str(tmp_path)))


def test_publishing_twice_is_one_row_a_track(nights: Nights):
    run = nights.run("run1", a="v1", b="v1")
    publish(run)
    publish(replace(run, stamp=replace(run.stamp, run_id="run2")))
    assert nights.held("labels", "track_id", "run_id") == [("a", "run2"), ("b", "run2")]
