"""The only module that knows a file system: a local path or an `s3://` URL, one way to list, read and write.

Credentials and the endpoint come from the standard AWS variables (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
`AWS_SESSION_TOKEN`, `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, `AWS_REGION`, or a profile or role that botocore finds). File
systems are made where they are used, in each worker, so that no secret is ever pickled.

Trouble of an S3 store that passes is waited for (tables.retries says how long), and a read is whole or fails.
"""

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import fsspec
import pyarrow.fs as pafs

from genre_batch.errors import Forbidden, Missing, StoreUnreachable, TooLarge
from genre_batch.tables import retries, s3

REFUSALS = ("AccessDenied", "403 Forbidden", *s3.BAD_CREDENTIALS)
DELTA_RETRIES = 1000
"""The time ends them, not the number."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
OF_ONE_FILE = (errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO, errno.EIO)
"""What a local file alone may be at fault for: no right to read it, a link to itself, a socket, a bad place of the disk."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object as its store lists it; `etag` is None on a local disk."""

    uri: str
    size: int
    modified_at: datetime
    etag: str | None


def is_s3(url: str) -> bool:
    return url.startswith("s3://")


def normal(url: str) -> str:
    """The URL without a slash at its end; a local path made absolute, so that workers elsewhere see the same one."""
    return url.rstrip("/") if is_s3(url) else os.path.abspath(url.removeprefix("file://"))


def join(url: str, *parts: str) -> str:
    return "/".join([url.rstrip("/"), *parts])


def told(url: str) -> str:
    """A URL as it may be told to anybody: of a local path the last part alone."""
    return url if is_s3(url) else PurePosixPath(url).name


def filesystem(url: str) -> Any:
    """The fsspec file system of a URL, for those who open files themselves."""
    return s3.filesystem() if is_s3(url) else _local()


@cache
def _local() -> Any:
    return fsspec.filesystem("file", auto_mkdir=True)


def arrow_filesystem(url: str) -> tuple[pafs.FileSystem, str]:
    """The same for pyarrow and Ray, and the path within it."""
    return pafs.PyFileSystem(pafs.FSSpecHandler(filesystem(url))), url.removeprefix("s3://")


def delta_options() -> dict[str, str]:
    """What deltalake does not read from the environment by itself, and patience like ours: its own is over after some seconds."""
    patience = {
        "max_retries": str(DELTA_RETRIES),
        "retry_timeout": f"{retries.TROUBLE_S:g}s",
        "backoff_config.max_backoff": f"{retries.LONGEST_WAIT_S:g}s",
    }
    if not (endpoint := s3.endpoint_url()):
        return patience
    return patience | {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower()}


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn what a store's client raises when it cannot be reached or refuses into StoreUnreachable, in one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise StoreUnreachable(f"{url} does not exist") from error
    except s3.client_errors() as error:
        # Never the whole answer of a store: deltalake quotes it, and it may name keys.
        said, status = str(error), s3.answer(error)[0]
        tried = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        if isinstance(error, OSError) and error.errno in FULL:
            raise StoreUnreachable(f"{url} cannot be written: the disk is full; make room and run again") from error
        if isinstance(error, PermissionError) or status in (401, 403) or any(code in said for code in REFUSALS):
            asked = (
                "by the store; check the AWS credentials in the environment"
                if is_s3(url)
                else "by the disk; look at owner and mode"
            )
            raise StoreUnreachable(f"{url}: access refused {asked}{tried}") from error
        if status == 404:
            raise StoreUnreachable(f"{url} does not exist") from error
        first = said.splitlines()[0] if said else ""
        raise StoreUnreachable(f"{url} cannot be reached: {type(error).__name__}: {first}{tried}") from error


def walk(url: str) -> Iterator[StoredObject]:
    """Every object under a folder, one after the other: of a local disk in the order of their paths, of S3 as the store lists them.

    What cannot be listed is an error, never a gap: who finds nothing there takes it for deleted. Raises StoreUnreachable.
    """
    with reaching(url):
        yield from _walk_s3(url) if is_s3(url) else _walk_disk(url)


def _walk_s3(url: str) -> Iterator[StoredObject]:
    """Page by page, a thousand objects each, so that a bucket of any size needs no memory."""
    bucket, _, folder = url.removeprefix("s3://").partition("/")
    asked = {"Bucket": bucket, "Prefix": f"{folder}/" if folder else ""}
    nothing = bool(folder)
    while True:
        page = s3.asked(lambda client: client.list_objects_v2(**asked))
        for each in page.get("Contents", []):
            nothing = False
            # Consoles make such an object to show an empty folder.
            if not each["Key"].endswith("/"):
                etag = each["ETag"].strip('"')
                yield StoredObject(f"s3://{bucket}/{each['Key']}", each["Size"], each["LastModified"].astimezone(UTC), etag)
        if not page.get("IsTruncated"):
            break
        asked["ContinuationToken"] = page["NextContinuationToken"]
    if nothing:
        raise FileNotFoundError(url)


def _walk_disk(url: str) -> Iterator[StoredObject]:
    yield from _in_folder(url) if os.path.isdir(url) else ()
    # Asked at the end, for a disk may be taken away meanwhile.
    if not os.path.isdir(url):
        raise FileNotFoundError(url)


def _in_folder(folder: str) -> Iterator[StoredObject]:
    """A link to a folder is told as a file is, and not followed, or a loop would never end."""
    try:
        # A folder's slash counts, or `a b` would come between `a` and what lies in it.
        entries = {
            f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name: entry for entry in os.scandir(folder)
        }
    except FileNotFoundError:
        # Somebody removed it meanwhile.
        return
    for name in sorted(entries):
        path = entries[name].path
        if name.endswith("/"):
            yield from _in_folder(path)
            continue
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            continue
        if os.path.exists(path):
            found = os.stat(path)
        yield StoredObject(path, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC), None)


def stat(uri: str) -> StoredObject | None:
    """One object, None if it is not there or a folder. Raises StoreUnreachable.

    Also None where a store that can be read otherwise refuses to say: so AWS does with one that is not there, if the right to list is
    missing.
    """
    with reaching(uri):
        try:
            if not is_s3(uri):
                found = filesystem(uri).info(uri)
                return None if found["type"] == "directory" else _stored(uri, uri, found)
            return _stored(uri, uri, s3.asked(lambda client: s3.head(client, uri))) if s3.place(uri)["Key"] else None
        except FileNotFoundError:
            return None
        except s3.client_errors() as error:
            if s3.is_missing(error) or (s3.is_refused(error) and _is_readable_otherwise(uri)):
                return None
            raise


def _stored(url: str, path: str, info: dict[str, Any]) -> StoredObject:
    if is_s3(url):
        uri = path if is_s3(path) else f"s3://{path}"
        return StoredObject(uri, info["size"], info["LastModified"].astimezone(UTC), info["ETag"].strip('"'))
    return StoredObject(path, info["size"], datetime.fromtimestamp(info["mtime"], UTC), None)


def read_bytes(uri: str, *, most: int | None = None) -> bytes:
    """The whole object.

    Raises Missing if it is not there, TooLarge, before anything is fetched, if it has more than `most` bytes, Forbidden if it alone is
    refused or cannot be read, StoreUnreachable if the store does not answer or refuses everything.
    """
    with reaching(uri):
        try:
            return _read_s3(uri, most) if is_s3(uri) else _read_local(uri, most)
        except FileNotFoundError as error:
            raise Missing(f"{uri} is not there") from error
        except IsADirectoryError as error:
            raise Missing(f"{uri} is a folder") from error


def _read_local(uri: str, most: int | None) -> bytes:
    try:
        with open(uri, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if most is not None and size > most:
                raise TooLarge(f"{uri} has {size:,} bytes, at most {most:,} are read")
            return file.read()
    except OSError as error:
        if error.errno in OF_ONE_FILE and _is_listed(PurePosixPath(uri).parent):
            raise Forbidden(f"{uri} cannot be read: {error.strerror}") from error
        raise


def _is_listed(folder: PurePosixPath) -> bool:
    """Whether the disk that a file lies on can be read otherwise."""
    try:
        with os.scandir(folder) as entries:
            next(entries, None)
    except OSError:
        return False
    return True


_read_before: dict[str, str] = {}
"""Of each bucket an object that this process could read: what can be asked for again to tell one refused object from a store that refuses
all, where there is no right to list."""


def _read_s3(uri: str, most: int | None) -> bytes:
    where = s3.place(uri)
    if not where["Key"]:
        raise IsADirectoryError(uri)
    try:
        data = s3.asked(lambda client: s3.get(client, uri, most))
    except s3.client_errors() as error:
        if s3.is_missing(error):
            raise FileNotFoundError(uri) from error
        if s3.answer(error)[1] == s3.ARCHIVED:
            raise Forbidden(f"{uri} is archived; restore it first") from error
        if s3.is_refused(error) and _is_readable_otherwise(uri):
            raise Forbidden(f"{uri} is refused by the store, which other objects are not; grant s3:GetObject on it") from error
        raise
    _read_before[where["Bucket"]] = uri
    return data


def _is_readable_otherwise(uri: str) -> bool:
    """Whether the store still lists the folder of an object, or still has one that was read before."""
    with suppress(*s3.client_errors()):
        s3.asked(lambda client: s3.list_folder(client, uri), refusals_pass=False)
        return True
    known = _read_before.get(s3.place(uri)["Bucket"])
    if known is None or known == uri:
        return False
    with suppress(*s3.client_errors()):
        s3.asked(lambda client: s3.head(client, known), refusals_pass=False)
        return True
    return False


def exists(url: str) -> bool:
    with reaching(url):
        return s3.asked(lambda client: s3.exists(client, url)) if is_s3(url) else os.path.exists(url)


def write_bytes(uri: str, data: bytes) -> None:
    """A local file appears whole or not at all, as an object in a store does. Raises StoreUnreachable, on a full disk too."""
    with reaching(uri):
        if is_s3(uri):
            s3.write(uri, data)
            return
        with _or_nothing(uri) as partial, open(partial, "wb") as file:
            file.write(data)


def put(path: str, uri: str) -> None:
    """Store a local file of any size, whole or not at all. Raises StoreUnreachable."""
    with reaching(uri):
        if is_s3(uri):
            s3.upload(path, uri)
            return
        with _or_nothing(uri) as partial:
            shutil.copyfile(path, partial)


@contextmanager
def _or_nothing(path: str) -> Iterator[str]:
    """Where to write a local file that appears when it is whole; what is left of one that fails, on a full disk for example, is removed."""
    os.makedirs(PurePosixPath(path).parent, exist_ok=True)
    partial = f"{path}.partial-{os.getpid()}"
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.remove(partial)
        raise


def create(uri: str, data: bytes) -> bool:
    """Write an object only if there is none of that name yet; True if this call made it."""
    with reaching(uri):
        if is_s3(uri):
            return s3.asked(s3.Creation(uri, data))
        os.makedirs(PurePosixPath(uri).parent, exist_ok=True)
        try:
            made = os.open(uri, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return False
        try:
            with open(made, "wb") as file:
                file.write(data)
        except BaseException:
            os.remove(uri)
            raise
    return True


def remove(uri: str) -> None:
    """Raises StoreUnreachable; an object that is not there is no error."""
    with reaching(uri), suppress(FileNotFoundError):
        if is_s3(uri):
            s3.asked(lambda client: s3.remove(client, uri))
        else:
            os.remove(uri)


def read_needed(uri: str) -> bytes:
    """The whole of an object that is no track, so that there is no going on without it.

    Raises Missing if it is not there, StoreUnreachable, also if it alone is refused.
    """
    try:
        return read_bytes(uri)
    except Forbidden as error:
        raise StoreUnreachable(str(error)) from error


def read_or(uri: str, default: Callable[[], bytes]) -> bytes:
    """The same, or what `default` gives if it is not there. Raises StoreUnreachable."""
    try:
        return read_needed(uri)
    except Missing:
        return default()


class _Shared:
    """A file that several threads read at once, each from a place of its own.

    DuckDB goes to a place and reads there in two steps, with one file in all of its threads, and takes what comes for what it asked
    for.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._places: dict[int, int] = {}

    def seek(self, place: int) -> int:
        self._places[threading.get_ident()] = place
        return place

    def tell(self) -> int:
        return self._places.get(threading.get_ident(), 0)

    def read(self, size: int = -1) -> bytes:
        with self._lock:
            self._file.seek(self.tell())
            found: bytes = self._file.read(size)
        self.seek(self.tell() + len(found))
        return found

    def close(self) -> None:
        self._file.close()


class Shelf(fsspec.AbstractFileSystem):
    """Some files under names `shelf://…` of their own, to read and no more: for a database that could write what it may read."""

    protocol = "shelf"
    cachable = False
    REFUSAL = "a query reads only"

    def __init__(self, files: dict[str, str]) -> None:
        """files: the URI of each name."""
        super().__init__()
        self.files = files

    def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode != "rb":
            raise PermissionError(f"{path}: {self.REFUSAL}")
        uri = self._uri(path)
        return _Shared(filesystem(uri).open(uri, "rb"))

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        uri = self._uri(path)
        return {**filesystem(uri).info(uri), "name": path}

    def modified(self, path: str) -> datetime:
        uri = self._uri(path)
        found: datetime = filesystem(uri).modified(uri)
        return found

    def glob(self, path: str, **_: Any) -> list[str]:
        return [path] if path in self.files else []

    def rm(self, path: str, *_: Any, **__: Any) -> None:
        raise PermissionError(f"{path}: {self.REFUSAL}")

    def _uri(self, path: str) -> str:
        name = f"{self.protocol}://{self._strip_protocol(path)}"
        if name not in self.files:
            raise FileNotFoundError(path)
        return self.files[name]
