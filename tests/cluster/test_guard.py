"""An end to the time and to the memory of one track, in this process, in one that may die, and in those of Ray."""

import itertools
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import ray
import ray.data

from genre_batch.cluster import guard
from genre_batch.errors import Crashed, TooSlow


def busy(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def asleep(seconds: float) -> None:
    time.sleep(seconds)


def waiting(seconds: float) -> None:
    threading.Event().wait(seconds)


def in_c(seconds: float) -> None:
    for _ in range(round(seconds * 100)):
        np.random.default_rng(0).standard_normal(300_000)


@pytest.mark.parametrize("work", [busy, asleep, waiting, in_c])
def test_work_that_takes_too_long_is_ended(work):
    start = time.monotonic()
    with pytest.raises(TooSlow, match=r"^not done after 0\.1 s$"), guard.at_most(0.1):
        work(30)
    assert 0.1 <= time.monotonic() - start < 3


def test_work_that_is_done_in_time_is_left_alone_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch):
    rang: list[int] = []
    theirs = signal.signal(signal.SIGALRM, lambda number, _: rang.append(number))
    left_s, interval_s = signal.setitimer(signal.ITIMER_REAL, 0.4)
    try:
        with guard.at_most(5):
            time.sleep(0.1)
        assert signal.getitimer(signal.ITIMER_REAL)[0] < 0.31
        time.sleep(0.5)
        assert rang == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, left_s, interval_s)
        signal.signal(signal.SIGALRM, theirs)


def test_the_next_track_has_its_own_time():
    for _ in range(3):
        with pytest.raises(TooSlow), guard.at_most(0.05):
            busy(10)
        with guard.at_most(0.3):
            busy(0.1)


def test_who_swallows_it_hears_it_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guard, "AGAIN_S", 0.05)
    swallowed = 0

    def callback() -> None:
        nonlocal swallowed
        try:
            time.sleep(10)
        except TooSlow:
            swallowed += 1
            if swallowed == 3:
                raise

    with pytest.raises(TooSlow), guard.at_most(0.05):
        callback(), callback(), callback()
    assert swallowed == 3


def test_within_itself_the_outermost_counts():
    with pytest.raises(TooSlow, match=r"after 0\.2 s"), guard.at_most(0.2), guard.at_most(0.05):
        busy(10)
    with guard.at_most(5), guard.at_most(0.05):
        busy(0.1)


def test_another_thread_hears_nothing():
    said = []

    def work() -> None:
        with guard.at_most(0.05):
            busy(0.2)
        said.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert said == ["done"]


def test_what_the_work_raises_passes():
    with pytest.raises(KeyError), guard.at_most(5):
        raise KeyError("x")
    assert guard._at_work.acquire(blocking=False)
    guard._at_work.release()


def test_want_of_memory_is_the_tracks_fault():
    with pytest.raises(Crashed, match="it needs more memory than a worker may take"), guard.at_most(5):
        np.ones(2**62, np.uint8)


HANGS = """
import itertools, threading
from genre_batch.cluster import guard
guard.GRACE_S = 0.2
def work():
    with guard.at_most(0.2):
        # In C, with the lock that all of Python needs.
        sum(itertools.repeat(0))
"""


@pytest.mark.parametrize("call", ["work()", "thread = threading.Thread(target=work); thread.start(); thread.join()"])
def test_work_that_never_comes_back_ends_with_its_process(call: str):
    start = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", HANGS + call], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert time.monotonic() - start < 30
    assert "Timeout" in ended.stderr
    assert "in work" in ended.stderr
    assert len(ended.stderr) < 5000


LIMITED = """
import io
import numpy as np, soundfile as sf
from genre_batch.cluster import guard
from genre_batch.errors import Crashed, TrackError
from genre_batch.front_end import MEL
from genre_batch.signal.extract import extract
buffer = io.BytesIO()
sf.write(buffer, 0.1 * np.random.default_rng(0).standard_normal(12 * 22050), 22050, format="FLAC")
guard.limit_memory(400_000_000)
held = [np.ones(100_000_000, np.uint8) for _ in range(3)]
try:
    with guard.at_most(60):
        np.ones(300_000_000, np.uint8)
except Crashed as error:
    print(error)
guard.limit_memory(400_000_000)
try:
    np.ones(300_000_000, np.uint8)
except MemoryError:
    print("from where it began")
del held
print(len(extract(buffer.getvalue(), MEL).positions))
np.ones(300_000_000, np.uint8)
print("enough")
"""


@pytest.mark.skipif(guard._held_bytes() is None, reason="this system does not tell what a process holds")
def test_memory_is_limited_from_where_it_began():
    ended = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=120)
    assert ended.stdout.splitlines() == ["it needs more memory than a worker may take", "from where it began", "2", "enough"], (
        ended.stderr
    )


STARVED = """
import numpy as np
from genre_batch.cluster import guard
from genre_batch.errors import Crashed
from genre_batch.models import bundle, scorer
served = bundle.load("gtzan").served
score, pictures = scorer.of_served(served), np.zeros((8, *served.front_end.spectrogram_shape), np.uint8)
try:
    with guard.at_most(60):
        guard.limit_memory(500_000)
        score(pictures, None)
    print("limited by nothing")
except Crashed as error:
    print(error)
guard.limit_memory(500_000_000)
print(score(pictures, None).shape)
"""


@pytest.mark.skipif(guard._held_bytes() is None, reason="this system does not tell what a process holds")
def test_memory_that_the_network_lacks_is_told_like_any_other():
    ended = subprocess.run([sys.executable, "-c", STARVED], capture_output=True, text=True, timeout=120)
    assert ended.stdout.splitlines() == ["it needs more memory than a worker may take", "(8, 10)"], ended.stderr


def limited_call(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    said = []
    for work in batch["work"].tolist():
        try:
            with guard.at_most(0.2):
                {"busy": busy, "asleep": asleep, "done": lambda _: None}[work](30)
            said.append("done")
        except TooSlow as error:
            said.append(str(error))
    return {"work": batch["work"], "said": np.array(said)}


def test_tasks_of_ray_data_hear_it(ray_session: None) -> None:
    works = ["busy", "done", "asleep"]
    rows = ray.data.from_items([{"work": work} for work in works]).map_batches(limited_call, batch_size=None).take_all()
    late = "not done after 0.2 s"
    assert {row["work"]: row["said"] for row in rows} == {"busy": late, "asleep": late, "done": "done"}


def test_a_worker_that_hangs_is_lost_and_its_neighbours_are_not(ray_session: None) -> None:
    @ray.remote(max_retries=0)
    def hang() -> None:
        guard.GRACE_S = 0.2
        with guard.at_most(0.2):
            sum(itertools.repeat(0))

    @ray.remote
    def neighbour() -> str:
        with guard.at_most(30):
            return "done"

    hanging = hang.remote()
    assert ray.get([neighbour.remote() for _ in range(3)]) == ["done"] * 3
    with pytest.raises(ray.exceptions.WorkerCrashedError):
        ray.get(hanging, timeout=60)
