"""A cluster of two nodes started as people start it: token authentication, `ray job submit`, a node that dies in mid-job."""

import os
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from genre_batch.front_end import MEL
from genre_batch.models import export, networks
from genre_batch.models.bundle import Bundle
from genre_batch.models.calibrate import Calibration
from genre_batch.tables.query import query
from genre_batch.taxonomy import Taxonomy
from tests.conftest import GENRES, ROOT, free_ports, wait_for
from tests.running import kill

SCRIPTS = Path(sysconfig.get_path("scripts"))
COPIES = 8
"""Of the small library's thirty songs: long enough for a node to die in the middle."""


@dataclass
class Cluster:
    """A head of one CPU and a second node of one CPU; `environment` lets a client in."""

    environment: dict[str, str]
    dashboard: str
    second: "subprocess.Popen[bytes]"

    def submit(self, *arguments: str) -> "subprocess.Popen[str]":
        """Once more where the head's agent, which starts jobs, is not ready yet."""
        command = [str(SCRIPTS / "ray"), "job", "submit", "--address", self.dashboard, "--working-dir", str(ROOT)]
        until = time.monotonic() + 60
        while True:
            job = subprocess.Popen(
                [*command, "--", "python", "-m", "jobs", *arguments],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            try:
                job.wait(8)
            except subprocess.TimeoutExpired:
                return job
            said = job.stdout.read() if job.stdout else ""
            assert "No available agent" in said and time.monotonic() < until, said  # noqa: PT018


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    token = folder / "token"
    token.write_text("a-token-of-this-test-alone-" + os.urandom(16).hex())
    token.chmod(0o600)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
    }
    # Agents too: they all want the same port, and another Ray may run on this machine.
    port, dashboard, *agents = free_ports(4)
    # Ray's sockets must have short paths.
    short = Path("/tmp") / f"ray-test-{os.getpid()}"
    start = [str(SCRIPTS / "ray"), "start", "--block", "--num-cpus=1", "--object-store-memory=300000000"]
    head = [
        "--head",
        f"--port={port}",
        f"--dashboard-port={dashboard}",
        "--dashboard-host=127.0.0.1",
        "--node-ip-address=127.0.0.1",
        f"--dashboard-agent-listen-port={agents[0]}",
    ]
    processes: list[subprocess.Popen[bytes]] = []
    with (folder / "log").open("wb") as log:
        try:
            processes.append(subprocess.Popen([*start, *head, f"--temp-dir={short}"], env=environment, stdout=log, stderr=log))
            wait_for(f"http://127.0.0.1:{dashboard}", processes[0])
            # A folder of its own, as on a machine of its own: what the nodes share, the dying one takes with it.
            apart = ["--node-ip-address=127.0.0.1", f"--temp-dir={short}-second", f"--dashboard-agent-listen-port={agents[1]}"]
            second = [*start, f"--address=127.0.0.1:{port}", *apart]
            processes.append(subprocess.Popen(second, env=environment, stdout=log, stderr=log))
            wait_for_nodes(2, f"127.0.0.1:{port}", environment)
            yield Cluster(environment, f"http://127.0.0.1:{dashboard}", processes[1])
        finally:
            for process in reversed(processes):
                kill(process.pid)
                process.wait(20)
            shutil.rmtree(short, ignore_errors=True)
            shutil.rmtree(f"{short}-second", ignore_errors=True)


def wait_for_nodes(n: int, address: str, environment: dict[str, str]) -> None:
    """Until all nodes are alive, and the agents that take jobs with them."""
    ask = [str(SCRIPTS / "ray"), "list", "nodes", "--address", address, "--filter", "state=ALIVE", "--format", "json"]
    until = time.monotonic() + 90
    while time.monotonic() < until:
        answer = subprocess.run(ask, env=environment, capture_output=True, text=True)
        if answer.returncode == 0 and answer.stdout.count('"node_id"') == n:
            return
        time.sleep(1)
    raise TimeoutError(answer.stdout + answer.stderr)


@pytest.fixture
def large_library(small_library: Path, tmp_path: Path) -> Path:
    """The small library many times over: the same content under other names is another track."""
    for n in range(COPIES):
        for genre in GENRES:
            (tmp_path / "library" / str(n)).mkdir(parents=True, exist_ok=True)
            shutil.copytree(small_library / genre, tmp_path / "library" / str(n) / genre)
    return tmp_path / "library"


@pytest.fixture
def untrained_bundle(tmp_path: Path) -> str:
    """What it says does not matter here."""
    network = networks.build("compact", MEL.spectrogram_shape, len(GENRES))
    row = {"track_id": "x", "genre": GENRES[0], "artist": None, "part": "train"}
    figures = dict.fromkeys(("track_accuracy", "segment_accuracy", "macro_f1", "ece", "coverage", "selective_accuracy"), 0.0)
    import pyarrow as pa

    bundle = Bundle.assemble(
        name="compact",
        members=[export.member(network, "compact", MEL.spectrogram_shape)],
        front_end=MEL,
        taxonomy=Taxonomy(GENRES),
        calibration=Calibration(1.0, 0.0),
        split=pa.Table.from_pylist([row]),
        provenance={"options": {"split": "artist"}, "split_digest": "none", "seed": 0, "shards_version": 0},
        metrics={part: figures | {"n_tracks": 0} for part in ("valid", "test")},
    )
    bundle.write(str(tmp_path / "bundle"))
    return str(tmp_path / "bundle")


def test_a_job_survives_the_death_of_a_node(
    cluster: Cluster, large_library: Path, untrained_bundle: str, tmp_path: Path
) -> None:
    tables = tmp_path / "tables"
    places = ("--library", str(large_library), "--bundle", untrained_bundle, "--tables", str(tables))
    job = cluster.submit("label-catalog", *places)
    until = time.monotonic() + 240
    while len(list(tables.glob("labels/part-*.parquet"))) < 3:
        assert time.monotonic() < until, "no worker wrote anything"
        assert job.poll() is None, job.stdout and job.stdout.read()
        time.sleep(0.05)
    assert workers_below(cluster.second.pid), "the second node has no part in the job"
    kill(cluster.second.pid)
    said, _ = job.communicate(timeout=240)
    assert job.returncode == 0, said
    songs = COPIES * 30
    assert f"{songs} listed = {songs} labelled + 0 rejected + 0 unchanged" in said
    counted = query(str(tables), "SELECT count(*) AS n, count(DISTINCT track_id) AS tracks FROM labels").to_pylist()
    assert counted == [{"n": songs, "tracks": songs}]

    stranger = cluster.environment | {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "other")}
    (tmp_path / "other").write_text("a-token-that-somebody-made-up")
    (tmp_path / "other").chmod(0o600)
    refused = subprocess.run(
        [str(SCRIPTS / "ray"), "job", "list", "--address", cluster.dashboard], env=stranger, capture_output=True, text=True
    )
    assert refused.returncode != 0


def workers_below(pid: int) -> list[psutil.Process]:
    """The processes of a node that run tasks."""
    return [child for child in psutil.Process(pid).children(recursive=True) if child.name().startswith("ray::")]
