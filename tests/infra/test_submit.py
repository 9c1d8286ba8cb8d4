"""infra/submit.py on a real cluster with a token: it ends as the job ends, and never starts a second job of a name."""

import os
import shutil
import signal
import subprocess
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT, free_ports, wait_for
from tests.running import kill

SCRIPTS = Path(sysconfig.get_path("scripts"))


@dataclass(frozen=True)
class Cluster:
    environment: dict[str, str]
    agent: str

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        command = [str(SCRIPTS / "python"), str(ROOT / "infra" / "submit.py"), *arguments]
        environment = self.environment | variables
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def submit(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=90)
        return process.returncode, out, err


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    token = folder / "token"
    token.write_text("a-token-of-this-test-alone-" + os.urandom(16).hex())
    token.chmod(0o600)
    port, dashboard, agent = free_ports(3)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_JOB_STOP_WAIT_TIME_S": "30",
        "RAY_ADDRESS": f"http://127.0.0.1:{dashboard}",
        "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
    }
    # Ray's sockets must have short paths.
    short = Path("/tmp") / f"ray-submit-{os.getpid()}"
    command = [str(SCRIPTS / "ray"), "start", "--head", "--block", "--num-cpus=1", "--object-store-memory=100000000"]
    command += [f"--port={port}", f"--dashboard-port={dashboard}", "--dashboard-host=127.0.0.1", "--node-ip-address=127.0.0.1"]
    command += [f"--dashboard-agent-listen-port={agent}", f"--temp-dir={short}"]
    starting = {key: value for key, value in environment.items() if key != "RAY_ADDRESS"}
    with (folder / "log").open("wb") as log:
        head = subprocess.Popen(command, env=starting, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{dashboard}", head)
            wait_for(f"http://127.0.0.1:{agent}", head)
            yield Cluster(environment, f"http://127.0.0.1:{agent}")
        finally:
            kill(head.pid)
            head.wait(20)
            shutil.rmtree(short, ignore_errors=True)


def test_the_path_that_kubernetes_asks_for_health_needs_no_token(cluster: Cluster):
    until = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"{cluster.agent}/api/healthz", timeout=5) as answer:
                assert answer.read() == b"raylet: success\ngcs: success"
                return
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.5)


def test_it_ends_as_the_job_ends(cluster: Cluster):
    code, out, err = cluster.submit("--done", "75", "--", "python", "-c", "import sys; print('a word of the job'); sys.exit(6)")
    assert code == 6
    assert "a word of the job" in out
    assert err == ""


def test_another_start_of_a_name_goes_on_where_it_is(cluster: Cluster, tmp_path: Path):
    """The first fails and is tried again; what works is followed, what has succeeded is not done again."""
    traces = tmp_path / "traces"
    job = ("--name", "night", "--", "sh", "-c", f"echo x >> {traces}; [ $(wc -l < {traces}) -ge 2 ] && sleep 4")
    assert cluster.submit(*job)[0] == 1
    one, another = cluster.start(*job), None
    try:
        until = time.monotonic() + 60
        while traces.read_text() != "x\nx\n":
            assert time.monotonic() < until
            time.sleep(0.1)
        another = cluster.start(*job)
        assert (one.wait(60), another.wait(60)) == (0, 0)
    finally:
        for process in filter(None, (one, another)):
            process.kill()
            process.communicate()
    assert cluster.submit(*job)[0] == 0
    assert traces.read_text() == "x\nx\n"


def test_sigterm_stops_the_job_and_waits_for_it(cluster: Cluster, tmp_path: Path):
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    script = f"""
import signal, sys, time
def stop(*_):
    time.sleep(1)
    open({str(ended)!r}, "w").close()
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
open({str(begun)!r}, "w").close()
time.sleep(60)
"""
    process = cluster.start("--done", "75", "--", "python", "-c", script)
    until = time.monotonic() + 60
    while not begun.exists():
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    # 75, which counts as done here.
    assert process.wait(60) == 0
    process.communicate()
    assert ended.exists()


def test_a_cluster_that_refuses_or_is_not_there(cluster: Cluster, tmp_path: Path):
    other = tmp_path / "other"
    other.write_text("a-token-that-somebody-made-up")
    other.chmod(0o600)
    (port,) = free_ports(1)
    for variables in ({"RAY_AUTH_TOKEN_PATH": str(other)}, {"RAY_ADDRESS": f"http://127.0.0.1:{port}"}):
        code, out, err = cluster.submit("--", "true", **variables)
        assert (code, out) == (3, "")
        assert err.startswith("error: the Ray cluster at http://127.0.0.1:")
        assert len(err.splitlines()) == 1


def test_where_the_cluster_is_must_be_said(cluster: Cluster):
    code, _, err = cluster.submit("--", "true", RAY_ADDRESS="")
    assert code == 2
    assert "RAY_ADDRESS" in err
