"""Work spread over Ray: what a worker raises arrives, what it answers is complete."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import ray

from genre_batch.cluster.run import Run, Stamp, Written, account
from genre_batch.cluster.work import spread
from genre_batch.errors import StoreUnreachable, job_error_behind
from genre_batch.tables import store
from genre_batch.tables.library import Library
from genre_batch.tables.plan import Plan
from schemas import inventory, labels


class Counts:
    def __init__(self, counted: Any) -> None:
        self.counted = counted

    def __call__(self, tracks: list[dict[str, Any]]) -> Written:
        return account([], [track["track_id"] for track in tracks], [], 1.0)


class Fails:
    def __init__(self, url: str, counted: Any) -> None:
        self.url = url

    def __call__(self, tracks: list[dict[str, Any]]) -> Written:
        raise StoreUnreachable(f"{self.url} cannot be reached")


def run_over(n: int, folder: Path, run_id: str) -> Run:
    rows = [
        {"track_id": f"t{i}", "uri": f"u{i}", "size": 1, "content_version": "v", "modified_at": datetime.now(UTC)}
        for i in range(n)
    ]
    tracks = pa.Table.from_pylist(rows, inventory.ARROW)
    return Run(Stamp("test", str(folder), run_id, "front"), labels, Library(str(folder), tracks, 0), Plan(tracks, n, 0))


@pytest.mark.parametrize("n", [0, 1, 17, 100])
def test_every_track_is_done_once(ray_session: None, tmp_path: Path, n: int) -> None:
    run = run_over(n, tmp_path, f"counts-{n}")
    written = spread(run, Counts)
    assert sum(w.done for w in written) == n
    assert sum(w.checksum for w in written) % 2**64 == store.checksum([f"t{i}" for i in range(n)])


def test_what_a_worker_raises_is_raised_here(ray_session: None, tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable) as raised:
        spread(run_over(3, tmp_path, "fails"), partial(Fails, "s3://gone"))
    assert str(raised.value) == "s3://gone cannot be reached"


def test_a_job_error_is_found_behind_what_ray_raises(ray_session: None) -> None:
    @ray.remote
    def fail() -> None:
        raise StoreUnreachable("s3://gone cannot be reached")

    with pytest.raises(ray.exceptions.RayTaskError) as raised:
        ray.get(fail.remote())
    found = job_error_behind(raised.value)
    assert isinstance(found, StoreUnreachable)
    assert str(found) == "s3://gone cannot be reached"
