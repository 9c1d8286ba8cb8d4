"""The only module that knows a file system: a local path or an `s3://` URL, one way to list, read and write.

Credentials and the endpoint come from the standard AWS variables (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
`AWS_SESSION_TOKEN`, `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, `AWS_REGION`, or a profile or role that botocore finds). File
systems are made where they are used, in each worker, so that no secret is ever pickled.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import fsspec
import pyarrow.fs as pafs

from genre_batch.errors import Missing, StoreUnreachable

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
ATTEMPTS = 6
REFUSALS = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "403 Forbidden")


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


def endpoint_url() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def filesystem(url: str) -> Any:
    """The fsspec file system of a URL. botocore retries throttling, 5xx and lost connections with exponential jitter."""
    return _filesystem(is_s3(url), endpoint_url())


@cache
def _filesystem(s3: bool, endpoint: str | None) -> Any:
    if not s3:
        return fsspec.filesystem("file", auto_mkdir=True)
    import s3fs  # 0.4 s that local runs need not pay

    timeouts = {"connect_timeout": CONNECT_TIMEOUT_S, "read_timeout": READ_TIMEOUT_S}
    retries = {"max_attempts": ATTEMPTS, "mode": "standard"}
    return s3fs.S3FileSystem(endpoint_url=endpoint, use_listings_cache=False, config_kwargs={**timeouts, "retries": retries})


def arrow_filesystem(url: str) -> tuple[pafs.FileSystem, str]:
    """The same for pyarrow and Ray, and the path within it."""
    return pafs.PyFileSystem(pafs.FSSpecHandler(filesystem(url))), url.removeprefix("s3://")


def delta_options() -> dict[str, str]:
    """What deltalake does not read from the environment by itself."""
    endpoint = endpoint_url()
    return {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower()} if endpoint else {}


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn what a store's client raises when it cannot be reached or refuses into StoreUnreachable, in one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise StoreUnreachable(f"{url} does not exist") from error
    except _client_errors() as error:
        # Never the whole answer of a store: deltalake quotes it, and it may name keys.
        said = str(error)
        if isinstance(error, PermissionError) or any(code in said for code in REFUSALS):
            refused = "access refused by the store; check the AWS credentials in the environment"
            raise StoreUnreachable(f"{url}: {refused}") from error
        first = said.splitlines()[0] if said else ""
        raise StoreUnreachable(f"{url} cannot be reached: {type(error).__name__}: {first}") from error


@cache
def _client_errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return OSError, BotoCoreError, ClientError


def walk(url: str) -> Iterator[StoredObject]:
    """Every object under a folder, in the order of their URIs. Raises StoreUnreachable."""
    store, found = filesystem(url), {}
    with reaching(url):
        if not is_s3(url) and not os.path.isdir(url):
            raise FileNotFoundError(url)
        found = store.find(url, detail=True)
        if not found and is_s3(url) and not store.exists(url):
            raise FileNotFoundError(url)
    for path in sorted(found):
        yield _stored(url, path, found[path])


def stat(uri: str) -> StoredObject | None:
    """One object, None if it is not there or a folder. Raises StoreUnreachable."""
    with reaching(uri):
        try:
            found = filesystem(uri).info(uri)
        except FileNotFoundError:
            return None
    return None if found["type"] == "directory" else _stored(uri, uri, found)


def _stored(url: str, path: str, info: dict[str, Any]) -> StoredObject:
    if is_s3(url):
        uri = path if is_s3(path) else f"s3://{path}"
        return StoredObject(uri, info["size"], info["LastModified"].astimezone(UTC), info["ETag"].strip('"'))
    return StoredObject(path, info["size"], datetime.fromtimestamp(info["mtime"], UTC), None)


def read_bytes(uri: str) -> bytes:
    """The whole object. Raises Missing if it is not there, StoreUnreachable if the store does not answer."""
    with reaching(uri):
        try:
            return bytes(filesystem(uri).cat_file(uri))
        except FileNotFoundError as error:
            raise Missing(f"{uri} is not there") from error
        except IsADirectoryError as error:
            raise Missing(f"{uri} is a folder") from error


def exists(url: str) -> bool:
    with reaching(url):
        return bool(filesystem(url).exists(url))


def write_bytes(uri: str, data: bytes) -> None:
    """A local file appears whole or not at all, as an object in a store does."""
    with reaching(uri):
        if is_s3(uri):
            filesystem(uri).pipe_file(uri, data)
            return
        os.makedirs(PurePosixPath(uri).parent, exist_ok=True)
        partial = f"{uri}.partial-{os.getpid()}"
        with open(partial, "wb") as file:
            file.write(data)
        os.replace(partial, uri)


def create(uri: str, data: bytes) -> bool:
    """Write an object only if there is none of that name yet; True if this call made it."""
    with reaching(uri):
        try:
            if is_s3(uri):
                filesystem(uri).pipe_file(uri, data, mode="create")
            else:
                os.makedirs(PurePosixPath(uri).parent, exist_ok=True)
                with open(uri, "xb") as file:
                    file.write(data)
        except FileExistsError:
            return False
        except OSError as error:
            # What s3fs makes of an answer 412 to its conditional write.
            answer = getattr(error.__cause__, "response", {})
            if answer.get("Error", {}).get("Code") != "PreconditionFailed":
                raise
            return False
    return True


def remove(uri: str) -> None:
    """Raises StoreUnreachable; an object that is not there is no error."""
    with reaching(uri):
        try:
            filesystem(uri).rm_file(uri)
        except FileNotFoundError:
            return


def read_or(uri: str, default: Callable[[], bytes]) -> bytes:
    """The object, or what `default` gives if it is not there."""
    try:
        return read_bytes(uri)
    except Missing:
        return default()


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
        return filesystem(uri).open(uri, "rb")

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
