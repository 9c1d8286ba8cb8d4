"""Nights that go wrong, on a real S3 server: nothing is lost, nothing is done twice, and the next run does what is missing."""

import io
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pytest
import soundfile as sf

from genre_batch.embedded.genres import RECIPES
from genre_batch.embedded.instruments import RATE_HZ
from genre_batch.embedded.song import Manner, render
from genre_batch.tables import storage
from genre_batch.tables.query import query
from tests.conftest import ROOT, S3, free_ports, make_bucket, polars_options, seaweed, wait_for
from tests.faulty import Fault, Faulty, Rule
from tests.running import kill

SONG_S = 2.0
SONGS, BAD = 380, 20
"""Five in a hundred are no recordings."""

COMMIT_EVERY = 40

ACCOUNTS = "SELECT listed, done, rejected, unchanged, remaining, state FROM runs ORDER BY started_at"


@dataclass(frozen=True)
class Catalog:
    """Where recordings lie and labels go."""

    library: str
    tables: str

    def ask(self, sql: str) -> list[dict[str, Any]]:
        return query(self.tables, sql).to_pylist()

    def one_row_a_track(self, songs: int, bad: int) -> None:
        """In one of the two tables, as DuckDB sees them through our query, and Polars by itself."""
        counted = "SELECT count(*) AS rows, count(DISTINCT track_id) AS tracks FROM "
        assert self.ask(counted + "labels") == [{"rows": songs, "tracks": songs}]
        assert self.ask(counted + "rejects") == [{"rows": bad, "tracks": bad}]
        assert self.ask("SELECT count(*) AS both FROM labels JOIN rejects USING (track_id)") == [{"both": 0}]
        for run in self.ask(ACCOUNTS):
            assert run["listed"] == run["done"] + run["rejected"] + run["unchanged"] + run["remaining"]
        labels = pl.scan_delta(f"{self.tables}/labels", storage_options=polars_options(self.tables))
        assert labels.select(pl.col("track_id").n_unique(), pl.len()).collect().row(0) == (songs, songs)


@pytest.fixture(scope="module")
def songs() -> list[bytes]:
    """Twenty short recordings."""
    encoded = []
    for n in range(20):
        song = render(
            list(RECIPES)[n % len(RECIPES)], Manner.of(np.random.default_rng(n)), np.random.default_rng((n, 1)), SONG_S
        )
        buffer = io.BytesIO()
        sf.write(buffer, song, RATE_HZ, format="OGG")
        encoded.append(buffer.getvalue())
    return encoded


@pytest.fixture
def catalog(s3: S3, songs: list[bytes], request: pytest.FixtureRequest) -> Catalog:
    """`SONGS` recordings and `BAD` files that are none, spread among them."""
    place = s3.url("nights", request.node.name)
    names = {f"{i % 40:02}/{i:04}.ogg": songs[i % len(songs)] for i in range(SONGS)}
    names |= {f"{i % 40:02}/bad {i:04}.ogg": b"no recording" for i in range(BAD)}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda item: storage.write_bytes(f"{place}/library/{item[0]}", item[1]), names.items()))
    return Catalog(f"{place}/library", f"{place}/tables")


def started(catalog: Catalog, *options: str, **environment: str) -> "subprocess.Popen[str]":
    """The job as a scheduler starts it, in a process group of its own."""
    command = [
        sys.executable,
        "-m",
        "jobs",
        "label-catalog",
        "--library",
        catalog.library,
        "--tables",
        catalog.tables,
        *options,
    ]
    known = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=known | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ended(job: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = job.communicate(timeout=300)
    return job.returncode, said


def wait_until(true: Callable[[], bool], job: "subprocess.Popen[str]", seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert job.poll() is None, job.stdout and job.stdout.read()
        assert time.monotonic() < until
        # To ask the tables takes as much as to label several songs.
        time.sleep(0.5)


def committed(catalog: Catalog) -> int:
    if not storage.exists(f"{catalog.tables}/runs/_delta_log"):
        return 0
    return int(catalog.ask("SELECT coalesce(max(done + rejected), 0) AS n FROM runs WHERE state = 'running'")[0]["n"])


def workers_of(job: "subprocess.Popen[str]") -> list[psutil.Process]:
    return [each for each in psutil.Process(job.pid).children(recursive=True) if each.name().startswith("ray::MapBatches")]


def test_a_faulty_store_a_dead_worker_a_dead_driver_and_the_run_after(catalog: Catalog, s3: S3) -> None:
    rules = [
        Rule(Fault.SLOW_DOWN, share=0.02),
        Rule(Fault.SERVER_ERROR, share=0.02),
        Rule(Fault.RESET, method="GET", share=0.02),
        Rule(Fault.CUT, method="GET", path=r"\.ogg$", share=0.02),
        Rule(Fault.DENIED, method="GET", path=r"\.ogg$", share=0.004),
        Rule(Fault.SLOW, share=0.05),
    ]
    with Faulty(s3.endpoint, rules) as proxy:
        options = ("--commit-every", str(COMMIT_EVERY), "--segments")
        first = started(catalog, *options, AWS_ENDPOINT_URL=proxy.url)
        wait_until(lambda: committed(catalog) >= COMMIT_EVERY, first)
        at_work = workers_of(first)
        assert at_work
        for worker in at_work:
            worker.kill()
        before = committed(catalog)
        wait_until(lambda: committed(catalog) >= before + COMMIT_EVERY, first)
        kill(first.pid)
        first.communicate(timeout=30)
        assert proxy.injected() > 20
        done = committed(catalog)
        assert 2 * COMMIT_EVERY <= done < SONGS + BAD
        # A run of this machine that is dead is known to be: its lock is taken over at once.
        second = started(catalog, *options, AWS_ENDPOINT_URL=proxy.url)
        code, said = ended(second)
    assert code == 0, said
    catalog.one_row_a_track(SONGS, BAD)
    killed, finished = catalog.ask(ACCOUNTS)
    assert killed["state"] == "failed"
    assert finished["state"] == "finished"
    # The rerun's work is what was missing. What the first had committed when it was killed may be more than its own row said then.
    assert finished["unchanged"] == killed["done"] + killed["rejected"] >= done
    assert finished["done"] + finished["rejected"] == SONGS + BAD - finished["unchanged"]
    timeline = (
        "SELECT count(*) AS rows, count(DISTINCT track_id) AS tracks, count(DISTINCT (track_id, segment)) AS keys FROM segments"
    )
    assert catalog.ask(timeline) == [{"rows": SONGS, "tracks": SONGS, "keys": SONGS}]


@dataclass
class MortalStore:
    """An S3 server that can be killed, and started again over what it had stored."""

    folder: Path
    ports: list[int]
    credentials: dict[str, str]
    server: "subprocess.Popen[bytes]"

    @property
    def environment(self) -> dict[str, str]:
        return self.credentials | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.ports[0]}"}

    def kill(self) -> None:
        self.server.kill()
        self.server.wait(20)

    def start(self) -> None:
        self.server = seaweed(self.folder, self.ports, self.credentials)
        wait_for(self.environment["AWS_ENDPOINT_URL"], self.server)


@pytest.fixture
def mortal(tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[MortalStore]:
    """s3: for its other settings in the environment."""
    credentials = {"AWS_ACCESS_KEY_ID": "mortal", "AWS_SECRET_ACCESS_KEY": secrets.token_hex(24)}
    ports = free_ports(5)
    (tmp_path / "seaweed").mkdir()
    store = MortalStore(tmp_path / "seaweed", ports, credentials, seaweed(tmp_path / "seaweed", ports, credentials))
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    try:
        wait_for(store.environment["AWS_ENDPOINT_URL"], store.server)
        make_bucket("mortal", store.environment["AWS_ENDPOINT_URL"], *credentials.values())
        yield store
    finally:
        store.server.kill()
        store.server.wait(20)


def test_a_store_that_dies_in_mid_run_and_comes_back(mortal: MortalStore, songs: list[bytes]) -> None:
    catalog = Catalog("s3://mortal/library", "s3://mortal/tables")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: storage.write_bytes(f"{catalog.library}/{i:04}.ogg", songs[i % 20]), range(SONGS)))
    first = started(catalog, "--commit-every", str(COMMIT_EVERY))
    wait_until(lambda: committed(catalog) >= COMMIT_EVERY, first)
    mortal.kill()
    code, said = ended(first)
    assert (code, "cannot be reached" in said.splitlines()[-1]) == (3, True), said
    mortal.start()
    ((done,),) = (row.values() for row in catalog.ask("SELECT count(*) AS n FROM labels"))
    assert COMMIT_EVERY <= done < SONGS
    code, said = ended(started(catalog))
    assert code == 0, said
    catalog.one_row_a_track(SONGS, 0)
    dead, finished = catalog.ask(ACCOUNTS)
    assert finished["unchanged"] == dead["done"] == done


def test_two_runs_started_together(catalog_of_few: Catalog) -> None:
    runs = [started(catalog_of_few) for _ in range(2)]
    (code, said), (other_code, other_said) = sorted((ended(run) for run in runs), key=lambda run: run[0])
    assert (code, other_code) == (0, 6), said + other_said
    assert "is held by run" in other_said
    catalog_of_few.one_row_a_track(40, 0)
    assert len(catalog_of_few.ask(ACCOUNTS)) == 1


@pytest.fixture
def catalog_of_few(s3: S3, songs: list[bytes], request: pytest.FixtureRequest) -> Catalog:
    place = s3.url("nights", request.node.name)
    for i in range(40):
        storage.write_bytes(f"{place}/library/{i:04}.ogg", songs[i % 20])
    return Catalog(f"{place}/library", f"{place}/tables")
