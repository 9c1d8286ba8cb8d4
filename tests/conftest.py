"""What tests share: a real S3 server, one Ray on this machine, a small rendered library."""

import os
import secrets
import subprocess
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest

from genre_batch.embedded import library

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"

GENRES = ("classical", "disco", "metal")
SONG_S = 10.5


@dataclass(frozen=True)
class S3:
    """A running SeaweedFS; its credentials are in this process's environment."""

    endpoint: str
    bucket: str

    def url(self, *parts: str) -> str:
        return "/".join([f"s3://{self.bucket}", *parts])


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """An S3 server of this test run's own, with credentials of its own."""
    folder = tmp_path_factory.mktemp("seaweed")
    key, secret = f"key-{secrets.token_hex(8)}", secrets.token_hex(24)
    ports = free_ports(5)
    endpoint = f"http://127.0.0.1:{ports[0]}"
    server = seaweed(folder, ports, {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret})
    patched = pytest.MonkeyPatch()
    patched.setenv("AWS_ACCESS_KEY_ID", key)
    patched.setenv("AWS_SECRET_ACCESS_KEY", secret)
    patched.setenv("AWS_ENDPOINT_URL", endpoint)
    patched.setenv("AWS_REGION", "us-east-1")
    patched.setenv("AWS_EC2_METADATA_DISABLED", "true")
    try:
        wait_for(endpoint, server)
        make_bucket("music", endpoint, key, secret)
        yield S3(endpoint, "music")
    finally:
        patched.undo()
        # It would wait for its clients before it ends by itself.
        server.kill()
        server.wait(20)


def seaweed(folder: Path, ports: list[int], credentials: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Start an S3 server over what the folder holds, at the first of five ports."""
    arguments = ["-s3.port", "-master.port", "-volume.port", "-filer.port", "-admin.port"]
    command = [weed(), "-logtostderr=true", "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += [f"{name}={port}" for name, port in zip(arguments, ports, strict=True)]
    environment = os.environ | credentials | {"GOMEMLIMIT": "300MiB"}
    with (folder / "log").open("a") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def make_bucket(bucket: str, endpoint: str, key: str, secret: str) -> None:
    """As soon as the server can; a taken port moves it silently to the next, so that it is made sure that it is ours."""
    import s3fs

    store = s3fs.S3FileSystem(endpoint_url=endpoint, key=key, secret=secret, skip_instance_cache=True)
    for _ in range(60):
        try:
            store.mkdir(bucket)
            store.pipe_file(f"{bucket}/mine", key.encode())
            break
        except OSError:
            time.sleep(0.5)
    assert store.cat_file(f"{bucket}/mine") == key.encode()
    store.rm_file(f"{bucket}/mine")


@pytest.fixture(scope="session")
def ray_session(s3: S3) -> Iterator[None]:
    """One Ray for all tests of this process; its workers have the credentials of the S3 server."""
    from genre_batch.cluster.session import session

    with session():
        yield


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """As a Ray task with one CPU works; for small tables, more threads only wait for each other."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty songs of three genres, the bad files, and manifest.csv, in one folder."""
    folder = tmp_path_factory.mktemp("library")
    library.write(folder, genres=GENRES, song_s=SONG_S)
    return folder


@pytest.fixture(scope="session")
def small_library_shards(ray_session: None, small_library: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The thirty songs as `mel` shards; tests read them, and write elsewhere."""
    from genre_batch.choices import Redo
    from genre_batch.cluster.shards import build_shards
    from genre_batch.front_end import MEL

    url = str(tmp_path_factory.mktemp("shards") / "shards")
    manifest = str(small_library / "manifest.csv")
    build_shards(library_url=manifest, shards_url=url, front_end=MEL, artists=None, redo=Redo.NOTHING, max_reject_fraction=0)
    return url


def polars_options(url: str) -> dict[str, str] | None:
    """As the README tells people."""
    return {"AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"], "AWS_ALLOW_HTTP": "true"} if url.startswith("s3://") else None


def weed() -> str:
    return str(Path(sysconfig.get_path("scripts")) / "weed")


def free_ports(n: int) -> list[int]:
    import socket

    taken = [socket.socket() for _ in range(n)]
    for each in taken:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


def wait_for(endpoint: str, server: "subprocess.Popen[bytes]", seconds: float = 60) -> None:
    """Until an HTTP server answers anything at all."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert server.poll() is None, f"the server of {endpoint} ended with {server.returncode}"
        try:
            urllib.request.urlopen(endpoint, timeout=2)
            return
        except HTTPError:
            return
        except (URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(endpoint)
