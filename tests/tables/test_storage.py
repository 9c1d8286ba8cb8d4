"""One way to list, read and write; here on a local disk, in test_s3.py on S3."""

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import EndpointConnectionError

from genre_batch.errors import Forbidden, Missing, StoreUnreachable, TooLarge
from genre_batch.tables import storage


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://music/catalog/", "s3://music/catalog"),
        ("s3://music/a b/ü", "s3://music/a b/ü"),
        ("/data/music/", "/data/music"),
        ("/data/./x/../music", "/data/music"),
        ("file:///data/music", "/data/music"),
    ],
)
def test_normal(url: str, expected: str):
    assert storage.normal(url) == expected


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert storage.normal("tables/") == str(tmp_path / "tables")


def test_join():
    assert storage.join("s3://music/", "labels", "part.parquet") == "s3://music/labels/part.parquet"
    assert storage.join("/data", "x") == "/data/x"


def test_written_bytes_are_read_back(tmp_path: Path):
    uri = str(tmp_path / "new" / "földer one" / "x.bin")
    assert not storage.exists(uri)
    storage.write_bytes(uri, b"first")
    storage.write_bytes(uri, b"second")
    assert storage.exists(uri)
    assert storage.read_bytes(uri) == b"second"
    assert os.listdir(os.path.dirname(uri)) == ["x.bin"]


def test_who_reads_while_it_is_written_anew_sees_the_old_whole(tmp_path: Path):
    uri = str(tmp_path / "x.bin")
    storage.write_bytes(uri, b"old" * 100_000)
    with open(uri, "rb") as reader:
        head = reader.read(3)
        storage.write_bytes(uri, b"new")
        assert head + reader.read() == b"old" * 100_000


def test_only_one_of_many_creates(tmp_path: Path):
    uri = str(tmp_path / "new" / "lock")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: storage.create(uri, f"{i}".encode()), range(16)))
    assert made.count(True) == 1
    assert storage.read_bytes(uri) == f"{made.index(True)}".encode()


def test_what_is_not_there(tmp_path: Path):
    uri = str(tmp_path / "none.wav")
    with pytest.raises(Missing, match=r"none\.wav is not there"):
        storage.read_bytes(uri)
    assert storage.stat(uri) is None
    storage.remove(uri)


def test_a_folder_is_no_object(tmp_path: Path):
    with pytest.raises(Missing, match="is a folder"):
        storage.read_bytes(str(tmp_path))
    assert storage.stat(str(tmp_path)) is None


def test_remove(tmp_path: Path):
    uri = str(tmp_path / "x")
    storage.write_bytes(uri, b"x")
    storage.remove(uri)
    assert not storage.exists(uri)


def test_read_or_asks_for_a_default_only_if_it_must(tmp_path: Path):
    uri = str(tmp_path / "x")
    assert storage.read_or(uri, lambda: b"default") == b"default"
    storage.write_bytes(uri, b"")
    assert storage.read_or(uri, lambda: pytest.fail("not needed")) == b""


def test_stat(tmp_path: Path):
    uri = str(tmp_path / "x")
    storage.write_bytes(uri, b"12345")
    os.utime(uri, (1_700_000_000.25, 1_700_000_000.25))
    assert storage.stat(uri) == storage.StoredObject(uri, 5, datetime.fromtimestamp(1_700_000_000.25, UTC), None)


def test_walk_lists_all_objects_in_order(tmp_path: Path):
    names = ["b/x.wav", "a.wav", "b/ü 音/deep/x.wav", "a b.wav", "empty"]
    for i, name in enumerate(names):
        storage.write_bytes(str(tmp_path / name), b"x" * i)
    (tmp_path / "folder").mkdir()
    found = list(storage.walk(str(tmp_path)))
    assert [each.uri for each in found] == sorted(str(tmp_path / name) for name in names)
    assert {each.uri: each.size for each in found} == {str(tmp_path / name): i for i, name in enumerate(names)}
    assert all(each.modified_at.tzinfo is UTC and each.etag is None for each in found)


def test_nothing_in_a_folder_is_no_error(tmp_path: Path):
    assert list(storage.walk(str(tmp_path))) == []


def test_no_folder_is_one(tmp_path: Path):
    storage.write_bytes(str(tmp_path / "x.wav"), b"x")
    for name in ("none", "x.wav"):
        with pytest.raises(StoreUnreachable, match=f"{name} does not exist"):
            list(storage.walk(str(tmp_path / name)))


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path: Path):
    uri = str(tmp_path / "part.bin")
    # Whoever writes here is told that there is no room.
    os.symlink("/dev/full", f"{uri}.partial-{os.getpid()}")
    with pytest.raises(StoreUnreachable, match=r"part\.bin cannot be written: the disk is full; make room and run again$"):
        storage.write_bytes(uri, b"x" * 100_000)
    assert os.listdir(tmp_path) == []


LIMITED = """
import resource, signal, sys
from genre_batch.errors import StoreUnreachable
from genre_batch.tables import storage
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
open(sys.argv[1] + "/source", "wb").write(bytes(200_000))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
writes = [
    lambda: storage.write_bytes(sys.argv[1] + "/a", bytes(200_000)),
    lambda: storage.create(sys.argv[1] + "/b", bytes(200_000)),
    lambda: storage.put(sys.argv[1] + "/source", sys.argv[1] + "/c"),
]
for write in writes:
    try:
        write()
    except StoreUnreachable as error:
        print(error)
"""


def test_a_write_that_breaks_off_leaves_nothing_behind(tmp_path: Path):
    said = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [
        f"{tmp_path}/{name} cannot be written: the disk is full; make room and run again" for name in "abc"
    ]
    assert os.listdir(tmp_path) == ["source"]


def test_more_bytes_than_asked_for_are_not_read(tmp_path: Path):
    uri = str(tmp_path / "x.bin")
    storage.write_bytes(uri, bytes(1000))
    assert storage.read_bytes(uri, most=1000) == bytes(1000)
    with pytest.raises(TooLarge, match=r"x\.bin has 1,000 bytes, at most 999 are read$"):
        storage.read_bytes(uri, most=999)


def itself(place: Path) -> None:
    place.symlink_to(place.name)


def sockets(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(place.name)


def unreadable_bytes(place: Path) -> None:
    # Nothing lies at the first address of a process.
    place.symlink_to("/proc/self/mem")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (itself, "Too many levels of symbolic links"),
        (sockets, "No such device or address"),
        (unreadable_bytes, "Input/output error"),
    ],
)
def test_one_file_that_cannot_be_read_is_a_reject_and_where_it_is_needed_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], said: str
):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "x.mp3")
    uri = str(tmp_path / "x.mp3")
    with pytest.raises(Forbidden) as refused:
        storage.read_bytes(uri)
    assert str(refused.value) == f"{uri} cannot be read: {said}"
    for read in (storage.read_needed, lambda uri: storage.read_or(uri, lambda: b"default")):
        with pytest.raises(StoreUnreachable) as ended:
            read(uri)
        assert str(ended.value) == str(refused.value)


@pytest.mark.parametrize(
    ("number", "folder", "expected"),
    [
        (errno.EPERM, "", Forbidden),
        # As of a mount that has gone: no file of it can be read.
        (errno.EIO, "gone", StoreUnreachable),
        (errno.EPERM, "gone", StoreUnreachable),
        (errno.ESTALE, "", StoreUnreachable),
    ],
)
def test_one_file_is_told_from_a_whole_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, folder: str, expected: type[Exception]
):
    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("builtins.open", fails)
    with pytest.raises(expected, match=r"x\.mp3"):
        storage.read_bytes(str(tmp_path / folder / "x.mp3"))


ANOTHER_USER = """
import os, sys
from genre_batch.errors import Forbidden, StoreUnreachable
from genre_batch.tables import s3, storage
# Imports what another user may not be able to read.
s3.client_errors()
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setuid(65534)
acts = [lambda: storage.read_bytes("open/x.mp3"), lambda: storage.read_bytes("closed/x.mp3"), lambda: list(storage.walk("closed")),
        lambda: list(storage.walk("listed"))]
for act in acts:
    try:
        act()
    except (Forbidden, StoreUnreachable) as error:
        print(type(error).__name__, error)
"""


def test_what_another_user_may_not_read(tmp_path: Path):
    for name, mode in (("open", 0o755), ("closed", 0o311), ("listed", 0o744)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.mp3").touch(0)
        (tmp_path / name).chmod(mode)
    tmp_path.chmod(0o755)
    said = subprocess.run(
        [sys.executable, "-c", ANOTHER_USER, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout
    (tmp_path / "closed").chmod(0o755)
    assert said.splitlines() == [
        "Forbidden open/x.mp3 cannot be read: Permission denied",
        "StoreUnreachable closed/x.mp3: access refused by the disk; look at owner and mode",
        "StoreUnreachable closed: access refused by the disk; look at owner and mode",
        "StoreUnreachable listed: access refused by the disk; look at owner and mode",
    ]


def fail(error: Exception) -> None:
    with storage.reaching("s3://music/x"):
        raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError("x"), "s3://music/x does not exist"),
        (PermissionError("x"), "s3://music/x: access refused by the store; check the AWS credentials"),
        (TimeoutError("slow"), "s3://music/x cannot be reached: TimeoutError: slow"),
        (EndpointConnectionError(endpoint_url="http://store"), "s3://music/x cannot be reached: EndpointConnectionError"),
    ],
)
def test_what_a_client_raises_becomes_one_sentence(error: Exception, said: str):
    with pytest.raises(StoreUnreachable) as caught:
        fail(error)
    assert str(caught.value).startswith(said)
    assert caught.value.__cause__ is error


def test_a_defect_is_no_unreachable_store():
    with pytest.raises(KeyError):
        fail(KeyError("x"))


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({}, {}),
        ({"AWS_ENDPOINT_URL": "http://here:1"}, {"AWS_ENDPOINT_URL": "http://here:1", "AWS_ALLOW_HTTP": "true"}),
        ({"AWS_ENDPOINT_URL": "https://here"}, {"AWS_ENDPOINT_URL": "https://here", "AWS_ALLOW_HTTP": "false"}),
        (
            {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_S3": "https://s3"},
            {"AWS_ENDPOINT_URL": "https://s3", "AWS_ALLOW_HTTP": "false"},
        ),
    ],
)
def test_delta_is_told_the_endpoint(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], options: dict[str, str]):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    patience = {"max_retries": "1000", "retry_timeout": "60s", "backoff_config.max_backoff": "8s"}
    assert storage.delta_options() == patience | options


def test_arrow_reads_through_the_same_file_system(tmp_path: Path):
    table = pa.table({"x": [1, 2, 3]})
    pq.write_table(table, tmp_path / "ä b.parquet")
    filesystem, path = storage.arrow_filesystem(str(tmp_path / "ä b.parquet"))
    assert pq.read_table(path, filesystem=filesystem).equals(table)


def test_local_work_does_not_pay_for_s3():
    code = "import sys; from genre_batch.tables import storage; storage.exists('/'); print('s3fs' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.fixture
def shelf(tmp_path: Path) -> storage.Shelf:
    storage.write_bytes(str(tmp_path / "it's [1]*.bin"), b"0123456789")
    return storage.Shelf({"shelf://labels/x": str(tmp_path / "it's [1]*.bin")})


def test_a_shelf_reads_its_files(shelf: storage.Shelf):
    for name in ("shelf://labels/x", "labels/x"):
        with closing(shelf.open(name, "rb")) as file:
            file.seek(7)
            assert file.read() == b"789"
        assert shelf.info(name)["size"] == 10
    assert shelf.exists("shelf://labels/x")
    assert shelf.glob("shelf://labels/x") == ["shelf://labels/x"]
    written = os.path.getmtime(shelf.files["shelf://labels/x"])
    assert shelf.modified("shelf://labels/x").timestamp() == pytest.approx(written, abs=1e-3)


@pytest.mark.parametrize("mode", ["wb", "w", "ab", "r+b", "xb"])
def test_nothing_on_a_shelf_can_be_written(shelf: storage.Shelf, mode: str):
    with pytest.raises(PermissionError, match="a query reads only"):
        shelf.open("shelf://labels/x", mode)
    assert storage.read_bytes(shelf.files["shelf://labels/x"]) == b"0123456789"


def test_nothing_on_a_shelf_can_be_removed(shelf: storage.Shelf):
    for act in (shelf.rm, shelf.rm_file, lambda path: shelf.mv(path, "shelf://labels/y")):
        with pytest.raises((NotImplementedError, PermissionError)):
            act("shelf://labels/x")
    assert storage.read_bytes(shelf.files["shelf://labels/x"]) == b"0123456789"


def test_what_is_not_on_a_shelf_is_not_there(shelf: storage.Shelf):
    for name in ("shelf:///etc/passwd", "/etc/passwd", "shelf://labels/y", shelf.files["shelf://labels/x"]):
        with pytest.raises(FileNotFoundError):
            shelf.open(name, "rb")
        assert not shelf.exists(name)
        assert shelf.glob(name) == []


def test_threads_read_a_file_of_the_shelf_each_from_its_own_place(tmp_path: Path):
    (tmp_path / "a").write_bytes(bytes(range(200)))
    shared = storage.Shelf({"shelf://a": str(tmp_path / "a")}).open("shelf://a")
    there, found = threading.Barrier(2), {}

    def read(place: int) -> None:
        shared.seek(place)
        there.wait(10)
        found[place] = [shared.read(5), shared.read(5), shared.tell()]

    threads = [threading.Thread(target=read, args=(place,)) for place in (10, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {
        place: [bytes(range(place, place + 5)), bytes(range(place + 5, place + 10)), place + 10] for place in (10, 100)
    }
    assert shared.tell() == 0
    shared.seek(198)
    assert shared.read() == bytes([198, 199])
    shared.close()
