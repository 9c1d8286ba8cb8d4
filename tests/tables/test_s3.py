"""Reading and writing on a real S3 server, through a proxy that does what networks and stores do to people."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from genre_batch.errors import Forbidden, Missing, StoreUnreachable, TooLarge
from genre_batch.models import bundle
from genre_batch.tables import lock, manifest, retries, s3_inventory, storage
from genre_batch.tables import s3 as requests
from genre_batch.tables.store import Writer, write_part
from schemas import labels
from tests.conftest import S3
from tests.faulty import Fault, Faulty, Rule
from tests.rows import label, table

DATA = bytes(range(256)) * 2000
PASSING = [Fault.SERVER_ERROR, Fault.SLOW_DOWN, Fault.DENIED, Fault.RESET, Fault.LOST, Fault.STALL]
CAUSES = {
    Fault.SERVER_ERROR: "server",
    Fault.SLOW_DOWN: "throttled",
    Fault.DENIED: "refused",
    Fault.RESET: "connection",
    Fault.LOST: "connection",
    Fault.STALL: "timeout",
    Fault.CUT: "cut",
}


@pytest.fixture(scope="module")
def proxy(s3: S3) -> Iterator[Faulty]:
    """Its clients notice a stall within a second."""
    patched = pytest.MonkeyPatch()
    patched.setattr(requests, "READ_TIMEOUT_S", 0.4)
    with Faulty(s3.endpoint) as running:
        patched.setenv("AWS_ENDPOINT_URL", running.url)
        yield running
    patched.undo()


@pytest.fixture
def faulty(proxy: Faulty, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    """No rules yet, and short waits."""
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(retries, "TROUBLE_S", 0.5)
    monkeypatch.setattr(retries, "REFUSED_S", 0.3)
    proxy.rules = []
    proxy.seen.clear()
    yield proxy
    proxy.rules = []


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    causes: list[str] = []
    monkeypatch.setattr(retries, "on_retry", causes.append)
    return causes


@pytest.fixture
def uri(s3: S3, faulty: Faulty, request: pytest.FixtureRequest) -> str:
    """An object of this test's own that is there."""
    place = s3.url("storage", f"{abs(hash(request.node.name)):x}", "a ü+%20 b.bin")
    storage.write_bytes(place, DATA)
    faulty.seen.clear()
    return place


def test_what_is_written_is_read_back_through_a_proxy_that_does_nothing(faulty: Faulty, uri: str, told: list[str]):
    found = storage.stat(uri)
    assert found is not None
    assert (found.uri, found.size) == (uri, len(DATA))
    assert abs(found.modified_at.timestamp() - time.time()) < 60
    assert storage.read_bytes(uri) == DATA
    assert storage.exists(uri)
    assert storage.exists(uri.rpartition("/")[0])
    storage.write_bytes(uri, b"")
    assert storage.read_bytes(uri) == b""
    storage.remove(uri)
    assert not storage.exists(uri)
    assert not storage.exists(uri.rpartition("/")[0])
    assert storage.stat(uri) is None
    with pytest.raises(Missing, match="is not there"):
        storage.read_bytes(uri)
    storage.remove(uri)
    assert told == []


def test_a_read_is_one_request(faulty: Faulty, uri: str):
    storage.read_bytes(uri)
    assert [each.method for each in faulty.seen] == ["GET"]


def test_a_folder_or_a_bucket_is_no_object(s3: S3, uri: str):
    for url in (uri.rpartition("/")[0], s3.url()):
        with pytest.raises(Missing):
            storage.read_bytes(url)
        assert storage.stat(url) is None
        assert storage.exists(url)
    assert not storage.exists("s3://no-such-bucket/x")
    assert not storage.exists("s3://no-such-bucket")


def assert_told(told: list[str], fault: Fault) -> None:
    """aiohttp itself asks once more, and tells nobody, where a connection that it had kept is broken."""
    hidden = fault in (Fault.RESET, Fault.LOST)
    assert told == [CAUSES[fault]] * (1 if hidden else 2)


@pytest.mark.parametrize("fault", [*PASSING, Fault.CUT], ids=lambda fault: fault.name)
def test_reading_waits_for_trouble_to_pass(faulty: Faulty, uri: str, told: list[str], fault: Fault):
    faulty.rules = [Rule(fault, "GET", times=2, seconds=3)]
    assert storage.read_bytes(uri) == DATA
    assert_told(told, fault)
    assert faulty.injected(fault) == 2


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: fault.name)
def test_writing_waits_for_trouble_to_pass(faulty: Faulty, uri: str, told: list[str], fault: Fault):
    faulty.rules = [Rule(fault, "PUT", times=2, seconds=3)]
    storage.write_bytes(uri, b"new")
    assert storage.read_bytes(uri) == b"new"
    assert_told(told, fault)
    assert faulty.injected(fault) == 2


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: fault.name)
def test_looking_and_removing_wait_for_trouble_to_pass(faulty: Faulty, uri: str, fault: Fault):
    faulty.rules = [Rule(fault, "HEAD", times=1, seconds=3), Rule(fault, "DELETE", times=1, seconds=3)]
    found = storage.stat(uri)
    assert found is not None
    assert found.size == len(DATA)
    storage.remove(uri)
    assert storage.stat(uri) is None
    assert faulty.injected(fault) == 2


@pytest.mark.parametrize("fault", [*PASSING, Fault.CUT], ids=lambda fault: fault.name)
def test_listing_waits_for_trouble_to_pass(faulty: Faulty, uri: str, fault: Fault):
    faulty.rules = [Rule(fault, "GET", "list-type=2", times=1, seconds=3)]
    assert [found.uri for found in storage.walk(uri.rpartition("/")[0])] == [uri]
    assert faulty.injected(fault) == 1


def test_creating_after_a_lost_answer_knows_its_own(faulty: Faulty, uri: str):
    faulty.rules = [Rule(Fault.LOST, "PUT", times=1)]
    assert storage.create(f"{uri}.lock", b"mine")
    assert [each.method for each in faulty.seen] == ["PUT", "PUT", "HEAD"]
    assert not storage.create(f"{uri}.lock", b"mine")
    faulty.rules = [Rule(Fault.RESET, "PUT", times=1)]
    assert not storage.create(f"{uri}.lock", b"of another")
    assert storage.read_bytes(f"{uri}.lock") == b"mine"


def test_only_one_of_many_creates_though_answers_are_lost(faulty: Faulty, uri: str):
    faulty.rules = [Rule(Fault.LOST, "PUT", share=0.3), Rule(Fault.RESET, "PUT", share=0.2)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: storage.create(f"{uri}.lock", f"{i}".encode()), range(16)))
    assert made.count(True) == 1
    assert storage.read_bytes(f"{uri}.lock") == f"{made.index(True)}".encode()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.SERVER_ERROR, "InternalError"),
        (Fault.SLOW_DOWN, "SlowDown"),
        (Fault.RESET, "cannot be reached: "),
        (Fault.STALL, "ReadTimeoutError"),
        (Fault.CUT, "cannot be reached: "),
        (Fault.DENIED, "access refused by the store; check the AWS credentials in the environment"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_trouble_that_lasts_is_one_sentence_after_the_budget(faulty: Faulty, uri: str, fault: Fault, said: str):
    faulty.rules = [Rule(fault, seconds=3)]
    start = time.monotonic()
    with pytest.raises(StoreUnreachable) as raised:
        storage.read_bytes(uri)
    assert time.monotonic() - start < 5
    assert str(raised.value).startswith(uri)
    assert said in str(raised.value)
    assert " attempts in " in str(raised.value)
    assert "\n" not in str(raised.value)


def test_every_operation_says_so(faulty: Faulty, uri: str):
    faulty.rules = [Rule(Fault.SLOW_DOWN)]
    acts = (storage.stat, storage.remove, storage.exists, lambda uri: list(storage.walk(uri)))
    for act in (*acts, lambda uri: storage.create(uri, b"x"), lambda uri: storage.write_bytes(uri, b"x")):
        with pytest.raises(StoreUnreachable, match=r"cannot be reached: ClientError: .*(SlowDown|503).* \(\d+ attempts in "):
            act(uri)


def test_nobody_there_is_unreachable(monkeypatch: pytest.MonkeyPatch, faulty: Faulty):
    with Faulty("http://127.0.0.1:1") as other:
        dead = other.url
    monkeypatch.setenv("AWS_ENDPOINT_URL", dead)
    with pytest.raises(StoreUnreachable, match="s3://music/x cannot be reached: EndpointConnectionError"):
        storage.read_bytes("s3://music/x")


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_SECRET_ACCESS_KEY", "not-the-secret"), ("AWS_ACCESS_KEY_ID", "nobody")], ids=["secret", "key"]
)
def test_wrong_credentials_are_told_at_once(
    faulty: Faulty, uri: str, told: list[str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv(name, value)
    requests.connected.cache_clear()
    acts = (storage.read_bytes, storage.stat, storage.remove, storage.exists, lambda uri: list(storage.walk(uri)))
    for act in (*acts, lambda uri: storage.write_bytes(uri, b"x"), lambda uri: storage.create(uri, b"x")):
        with pytest.raises(StoreUnreachable, match="check the AWS credentials") as raised:
            act(uri)
        assert os.environ["AWS_SECRET_ACCESS_KEY"] not in str(raised.value)
    requests.connected.cache_clear()
    assert told == []


def test_one_object_that_is_refused_is_a_reject(faulty: Faulty, uri: str):
    faulty.rules = [Rule(Fault.DENIED, path=r"b\.bin$")]
    with pytest.raises(Forbidden, match="is refused by the store, which other objects are not"):
        storage.read_bytes(uri)
    # It is listed: the worker that reads it will tell.
    found = storage.stat(uri)
    assert found is not None
    assert found.size == len(DATA)


def test_without_the_right_to_list_another_object_shows_that_the_store_can_be_read(faulty: Faulty, uri: str, s3: S3):
    known = s3.url("storage", "known")
    storage.write_bytes(known, b"x")
    storage.read_bytes(known)
    no_list = Rule(Fault.DENIED, "GET", "list-type=2")
    faulty.rules = [no_list, Rule(Fault.DENIED, path=r"b\.bin$")]
    with pytest.raises(Forbidden):
        storage.read_bytes(uri)
    assert storage.stat(uri) is None
    faulty.rules = [no_list, Rule(Fault.DENIED)]
    with pytest.raises(StoreUnreachable, match="access refused"):
        storage.read_bytes(uri)
    with pytest.raises(StoreUnreachable, match="access refused"):
        storage.stat(uri)


def two_commits(folder: str) -> None:
    """The later one finds the version of the earlier in its way, and asks whose it is."""
    for writer in [Writer(folder, run_id, [labels]) for run_id in ("run1", "run2")]:
        writer.commit(labels, [write_part(folder, labels, table(labels, label("a")))])


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("BUNDLE_ID", bundle.load),
        ("bundle.json", bundle.load),
        ("tracks.csv", lambda folder: manifest.read_table(f"{folder}/tracks.csv")),
        ("manifest.json", lambda folder: s3_inventory.read(f"{folder}/manifest.json")),
        ("manifest.checksum", lambda folder: s3_inventory.read(f"{folder}/manifest.json")),
        (lock.NAME, lambda folder: lock.Lock(folder, "run1").still_mine()),
        ("labels/_delta_log/00000000000000000001.json", two_commits),
    ],
)
def test_what_is_no_track_and_is_refused_ends_the_run(faulty: Faulty, s3: S3, name: str, read: Callable[[str], object]):
    folder = s3.url("storage", "needed", name.split("/")[0])
    inventory = {"fileFormat": "CSV", "sourceBucket": "a", "destinationBucket": "a", "fileSchema": "Key", "files": []}
    for other, data in (("BUNDLE_ID", b"x"), ("manifest.json", json.dumps(inventory).encode()), ("other", b"x")):
        storage.write_bytes(f"{folder}/{other}", data)
    faulty.rules = [Rule(Fault.DENIED, "GET", name.replace(".", r"\.") + "$")]
    with pytest.raises(
        StoreUnreachable, match=f"{name} is refused by the store, which other objects are not; grant s3:GetObject"
    ):
        read(folder)
    assert faulty.injected() > 0


def test_an_object_that_is_too_large_is_not_fetched(faulty: Faulty, uri: str):
    assert storage.read_bytes(uri, most=len(DATA)) == DATA
    with pytest.raises(TooLarge, match=r"b\.bin has 512,000 bytes, at most 511,999 are read$"):
        storage.read_bytes(uri, most=len(DATA) - 1)
    assert [each.method for each in faulty.seen] == ["GET", "GET"]
    assert storage.read_bytes(uri) == DATA


def test_a_large_object_is_written_in_parts_through_trouble(faulty: Faulty, uri: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(requests, "PART", 5 * 2**20)
    data = os.urandom(2 * requests.PART + 1)
    faulty.rules = [Rule(Fault.SLOW_DOWN, "PUT", "partNumber=2", times=2), Rule(Fault.SERVER_ERROR, "POST", times=1)]
    storage.write_bytes(uri, data)
    assert faulty.injected() == 3
    faulty.rules = []
    assert storage.read_bytes(uri) == data


def test_many_at_once_through_every_fault(faulty: Faulty, s3: S3, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retries, "TROUBLE_S", 30.0)
    monkeypatch.setattr(retries, "REFUSED_S", 30.0)
    faulty.rules = [Rule(fault, share=0.03, seconds=1) for fault in Fault]
    places = [s3.url("storage", "many", f"{i}") for i in range(64)]

    def there_and_back(place: str) -> bytes:
        storage.write_bytes(place, place.encode() * 500)
        return storage.read_bytes(place)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(there_and_back, places)) == [place.encode() * 500 for place in places]
    assert sorted(found.uri for found in storage.walk(s3.url("storage", "many"))) == sorted(places)
    assert all(rule.hits for rule in faulty.rules)


def test_opened_files_and_delta_tables_get_through_as_well(faulty: Faulty, s3: S3):
    # A commit whose connection breaks is not tried again by deltalake: nobody knows whether it arrived.
    faulty.rules = [Rule(Fault.SLOW_DOWN, share=0.1), Rule(Fault.RESET, "GET", share=0.1), Rule(Fault.SERVER_ERROR, share=0.1)]
    table, place = pa.table({"x": list(range(1000))}), s3.url("storage", "delta")
    for _ in range(3):
        write_deltalake(place, table, mode="append", storage_options=storage.delta_options())
    found = DeltaTable(place, storage_options=storage.delta_options())
    assert found.version() == 2
    filesystem, path = storage.arrow_filesystem(found.file_uris()[0])
    assert pq.read_table(path, filesystem=filesystem).equals(table)
    assert faulty.injected() > 0
