"""Work spread over Ray: what a worker raises arrives, what it answers is complete, and a worker that dies costs one track at most."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st

from genre_batch.cluster import work
from genre_batch.cluster.accounts import Stamp, Written, account
from genre_batch.cluster.work import Spread, WorkerFailedError
from genre_batch.errors import StoreUnreachable, job_error_behind
from genre_batch.evaluation.profile import Profile
from genre_batch.tables import storage, store
from genre_batch.tables.plan import Plan
from schemas import inventory, rejects


class Counts:
    def __init__(self, counted: Any) -> None:
        self.counted = counted

    def __call__(self, tracks: list[dict[str, Any]]) -> Written:
        return account([], [track["track_id"] for track in tracks], [], 1.0, Profile())


class Fails(Counts):
    def __call__(self, tracks: list[dict[str, Any]]) -> Written:
        raise StoreUnreachable("s3://gone cannot be reached")


class IsWrong(Counts):
    def __call__(self, tracks: list[dict[str, Any]]) -> Written:
        return account([], [tracks[0]["no such column"]], [], 1.0, Profile())


class Dies(Counts):
    """The process ends while it works on one of these tracks, the first `times` that it does."""

    def __init__(self, folder: str, poison: tuple[str, ...], times: int, counted: Any) -> None:
        super().__init__(counted)
        self.folder, self.poison, self.times = Path(folder), poison, times

    def __call__(self, tracks: list[dict[str, Any]]) -> Written:
        for track in tracks:
            if track["track_id"] in self.poison:
                deaths = len(list(self.folder.glob(f"{track['track_id']}-*")))
                if deaths < self.times:
                    (self.folder / f"{track['track_id']}-{deaths}").touch()
                    os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(tracks)


def plan_of(n: int, folder: Path) -> Plan:
    rows = [
        {"track_id": f"t{i:03}", "uri": f"u{i}", "size": 1, "content_version": "v", "modified_at": datetime.now(UTC)}
        for i in range(n)
    ]
    tracks = pa.Table.from_pylist(rows, inventory.ARROW)
    for column in ("done_before", "refused_before"):
        tracks = tracks.append_column(column, pa.array([False] * n, pa.bool_()))
    pq.write_table(tracks, folder / "plan.parquet")
    return Plan(path=str(folder / "plan.parquet"), todo=n, listed=n, unchanged=0, deleted=0, returned=0, marks=None)


def spread(n: int, folder: Path, run_id: str, make_worker: Any) -> list[tuple[pa.Table, Written]]:
    stamp = Stamp("test", str(folder / "tables"), run_id, "front")
    return list(Spread(stamp, make_worker).over(plan_of(n, folder)))


def ids(answers: list[tuple[pa.Table, Written]]) -> list[str]:
    return sorted(track_id for tracks, _ in answers for track_id in tracks["track_id"].to_pylist())


@pytest.mark.parametrize("n", [0, 1, 17, 100])
def test_every_track_is_done_once(ray_session: None, tmp_path: Path, n: int) -> None:
    answers = spread(n, tmp_path, f"counts-{n}", Counts)
    assert ids(answers) == [f"t{i:03}" for i in range(n)]
    assert all(written.checksum == store.checksum(tracks["track_id"].to_pylist()) for tracks, written in answers)


@given(n=st.integers(0, 5000), most=st.integers(1, 512), slots=st.integers(1, 64))
def test_sizes_of_calls(n: int, most: int, slots: int) -> None:
    sizes = work._sizes(n, most, slots)
    assert sum(sizes) == n
    assert sizes == sorted(sizes, reverse=True)
    assert all(1 <= size <= most for size in sizes)
    assert n < slots or max(sizes) <= -(-n // slots)


def test_long_calls_come_first() -> None:
    assert work._sizes(1000, 128, 2) == [128] * 5 + [120, 80, 54, 36, 24, 16, 16, 14]
    assert work._sizes(3, 128, 2) == [2, 1]


def test_a_plan_larger_than_a_window(ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "LEAST_WINDOW", 7)
    monkeypatch.setattr(work, "WINDOW_PER_CPU", 1)
    assert ids(spread(20, tmp_path, "windows", Counts)) == [f"t{i:03}" for i in range(20)]


class IsLate(Counts):
    """Does one track of each call."""

    def __call__(self, tracks: list[dict[str, Any]]) -> Written:
        ids = [track["track_id"] for track in tracks]
        return account([], ids[:1], [], 1.0, Profile(), ids[1:])


def test_when_time_is_over_no_further_window_is_begun(
    ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "LEAST_WINDOW", 40)
    monkeypatch.setattr(work, "WINDOW_PER_CPU", 1)
    answers = spread(100, tmp_path, "late", IsLate)
    assert ids(answers) == [f"t{i:03}" for i in range(40)]


def test_what_a_worker_raises_is_raised_here(ray_session: None, tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable) as raised:
        spread(3, tmp_path, "fails", Fails)
    assert str(raised.value) == "s3://gone cannot be reached"


class Holds(Counts):
    """The call with t001 waits for a file, but not for ever; that with t000, if it `fails`, does so at once."""

    def __init__(self, folder: str, fails: bool, counted: Any) -> None:
        super().__init__(counted)
        self.go_on, self.fails = Path(folder) / "go on", fails

    def __call__(self, tracks: list[dict[str, Any]]) -> Written:
        (track,) = tracks
        if self.fails and track["track_id"] == "t000":
            raise StoreUnreachable("s3://gone cannot be reached")
        until = time.monotonic() + 60
        while track["track_id"] == "t001" and not self.go_on.exists() and time.monotonic() < until:
            time.sleep(0.05)
        return super().__call__(tracks)


def test_an_answer_does_not_wait_for_the_next(ray_session: None, tmp_path: Path) -> None:
    stamp = Stamp("test", str(tmp_path / "tables"), "holds", "front")
    started = time.monotonic()
    with closing(Spread(stamp, partial(Holds, str(tmp_path), False)).over(plan_of(2, tmp_path))) as answers:
        assert ids([next(answers)]) == ["t000"]
        assert time.monotonic() - started < 45
        (tmp_path / "go on").touch()
        assert ids(list(answers)) == ["t001"]


def test_what_a_worker_raises_does_not_wait_for_the_others(ray_session: None, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(StoreUnreachable):
        spread(2, tmp_path, "holds and fails", partial(Holds, str(tmp_path), True))
    assert time.monotonic() - started < 45
    left = [thread.name for thread in threading.enumerate() if thread.name == "iter_threaded"]
    assert not left, "it would meet a Ray that was shut down, and the process would exit"
    (tmp_path / "go on").touch()


def test_a_defect_of_a_worker_is_no_lost_worker(ray_session: None, tmp_path: Path) -> None:
    with pytest.raises(WorkerFailedError, match="KeyError: 'no such column'"):
        spread(3, tmp_path, "wrong", IsWrong)


def broken() -> Any:
    raise ModuleNotFoundError("No module named 'onnxruntime'")


class CannotBeMade(Counts):
    """On a node that lacks what it needs: there not even the function arrives."""

    def __init__(self) -> None:
        pass

    def __reduce__(self) -> Any:
        return broken, ()


def test_what_keeps_tasks_from_beginning_is_told(ray_session: None, tmp_path: Path) -> None:
    with pytest.raises(WorkerFailedError, match="No module named 'onnxruntime'"):
        spread(3, tmp_path, "cannot be made", CannotBeMade())


def test_a_worker_that_dies_once_costs_nothing(ray_session: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = spread(40, tmp_path, "dies-once", partial(Dies, str(tmp_path), ("t005",), 1))
    assert ids(answers) == [f"t{i:03}" for i in range(40)]
    assert sum(written.done for _, written in answers) == 40
    assert "are done again one by one" in capsys.readouterr().err


def test_a_poisonous_track_is_refused_and_its_neighbours_are_done(ray_session: None, tmp_path: Path) -> None:
    answers = spread(40, tmp_path, "poison", partial(Dies, str(tmp_path), ("t005", "t023"), 99))
    assert ids(answers) == [f"t{i:03}" for i in range(40)]
    assert sum(written.done for _, written in answers) == 38
    ((tracks, written),) = [(tracks, written) for tracks, written in answers if written.rejected]
    assert tracks["track_id"].to_pylist() == ["t005", "t023"]
    assert written.profile == Profile(reasons={"crashed": 2})
    (receipt,) = written.receipts
    part = pq.read_table(pa.BufferReader(storage.read_bytes(storage.join(str(tmp_path / "tables"), "rejects", receipt.path))))
    rejects.validate(part.cast(rejects.ARROW))
    assert part.select(["track_id", "stage", "reason", "detail"]).to_pylist() == [
        {
            "track_id": track_id,
            "stage": "work",
            "reason": "crashed",
            "detail": f"{uri}: the process that worked on it ended 3 times, in a crash or for want of memory",
        }
        for track_id, uri in (("t005", "u5"), ("t023", "u23"))
    ]
    assert len(list(tmp_path.glob("t005-*"))) == work.ATTEMPTS


@pytest.fixture(autouse=True)
def _context_is_left_as_it_was() -> Iterator[None]:
    yield
    assert ray.data.DataContext.get_current().max_errored_blocks == 0


def test_a_job_error_is_found_behind_what_ray_raises(ray_session: None) -> None:
    @ray.remote
    def fail() -> None:
        raise StoreUnreachable("s3://gone cannot be reached")

    with pytest.raises(ray.exceptions.RayTaskError) as raised:
        ray.get(fail.remote())
    found = job_error_behind(raised.value)
    assert isinstance(found, StoreUnreachable)
    assert str(found) == "s3://gone cannot be reached"
