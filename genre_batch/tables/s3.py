"""Asking an S3 store: each request is one attempt, and whole operations are tried again, so that retries do not multiply.

On the client that s3fs holds, beneath s3fs: that would ask for the size before each read and try five times what botocore had tried
before, and neither notices trouble in the middle of a body. Files that others open (Arrow, DuckDB) come from `filesystem`, which
has the retries of both.
"""

import asyncio
import io
import os
import secrets
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

from genre_batch.errors import TooLarge
from genre_batch.tables.retries import Trouble, retried

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20
"""Without one byte."""
CONNECTIONS = 32
ATTEMPTS = 4
"""Of botocore and again of s3fs, for opened files only."""
PIECE = 2**20
PART = 50 * 2**20
"""An object of two or more is written in parts, each with its own attempts."""
MARK = "genre-batch-creation"
"""Of an object's metadata."""

BAD_CREDENTIALS = (
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidSecurity",
    "NotSignedUp", "AccountProblem", "RequestTimeTooSkewed",
)  # fmt: skip
ARCHIVED = "InvalidObjectState"
THROTTLED = ("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "ServiceUnavailable")
PASSING = {
    "RequestTimeout": Trouble.TIMEOUT,
    "IncompleteBody": Trouble.CUT,
    "BadDigest": Trouble.CUT,
    "XAmzContentSHA256Mismatch": Trouble.CUT,
    "ConditionalRequestConflict": Trouble.SERVER,
    "OperationAborted": Trouble.SERVER,
}

Result = TypeVar("Result")
Client = Any


class CutShort(OSError):
    """Fewer bytes came than the store announced."""


def endpoint_url() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def filesystem() -> Any:
    """The fsspec file system, for those who open files themselves."""
    return connected(endpoint_url(), ATTEMPTS)


@cache
def connected(endpoint: str | None, attempts: int) -> Any:
    """attempts: of botocore for a request, and again of s3fs; one is for `asked`."""
    import s3fs  # 0.4 s that local runs need not pay

    config = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "max_pool_connections": CONNECTIONS,
        "retries": {"total_max_attempts": attempts, "mode": "standard"},
    }
    system = s3fs.S3FileSystem(endpoint_url=endpoint, use_listings_cache=False, skip_instance_cache=True, config_kwargs=config)
    system.retries = attempts
    return system


def asked(act: Callable[[Client], Awaitable[Result]], *, refusals_pass: bool = True) -> Result:
    """What the store answers, tried again while the trouble is of those that pass. Raises what botocore and aiohttp raise.

    act: one attempt, given the client of aiobotocore. It runs on the loop of fsspec, in a thread of its own.
    """

    def passing(error: BaseException) -> Trouble | None:
        found = trouble(error)
        return None if found is Trouble.REFUSED and not refusals_pass else found

    return retried(lambda: _attempt(act), passing)


def _attempt(act: Callable[[Client], Awaitable[Result]]) -> Result:
    system = connected(endpoint_url(), 1)

    async def attempt() -> Result:
        return await act(await system.set_session())

    future = asyncio.run_coroutine_threadsafe(attempt(), system.loop)
    try:
        return future.result()
    except BaseException:
        # An alarm of the waiting thread ends what it waits for.
        future.cancel()
        raise


@cache
def client_errors() -> tuple[type[Exception], ...]:
    from aiohttp import ClientError as BrokenBody
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return OSError, BotoCoreError, ClientError, ResponseParserError, BrokenBody


@cache
def _passing_errors() -> tuple[tuple[type[BaseException], Trouble], ...]:
    from aiohttp import ClientError as BrokenBody
    from botocore import exceptions, parsers

    return (
        (CutShort, Trouble.CUT),
        (exceptions.IncompleteReadError, Trouble.CUT),
        (exceptions.ResponseStreamingError, Trouble.CUT),
        (exceptions.ChecksumError, Trouble.CUT),
        (exceptions.ReadTimeoutError, Trouble.TIMEOUT),
        (exceptions.ConnectTimeoutError, Trouble.TIMEOUT),
        (TimeoutError, Trouble.TIMEOUT),
        (exceptions.HTTPClientError, Trouble.CONNECTION),
        (exceptions.ConnectionError, Trouble.CONNECTION),
        (exceptions.CredentialRetrievalError, Trouble.CONNECTION),
        (ConnectionError, Trouble.CONNECTION),
        (BrokenBody, Trouble.CUT),
        (parsers.ResponseParserError, Trouble.CUT),
    )


def answer(error: BaseException | None) -> tuple[int, str]:
    """Status and code of the answer that an error stands for, also behind what s3fs makes of it; (0, "") if there was none."""
    while error is not None:
        if response := getattr(error, "response", None):
            return response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0), response.get("Error", {}).get("Code", "")
        error = error.__cause__
    return 0, ""


def trouble(error: BaseException) -> Trouble | None:
    """What kind of trouble that passes it is; None for what will not."""
    status, code = answer(error)
    if not status:
        return next((found for kind, found in _passing_errors() if isinstance(error, kind)), None)
    if code in PASSING:
        return PASSING[code]
    if status in (429, 503) or code in THROTTLED:
        return Trouble.THROTTLED
    if status >= 500 and status != 501:
        return Trouble.SERVER
    return Trouble.REFUSED if status == 403 and code not in (*BAD_CREDENTIALS, ARCHIVED) else None


def is_missing(error: BaseException) -> bool:
    return answer(error)[0] == 404


def is_refused(error: BaseException) -> bool:
    """Denied to who is known; not what wrong credentials get."""
    return trouble(error) is Trouble.REFUSED


def place(uri: str) -> dict[str, str]:
    """Bucket and key, as botocore's arguments."""
    bucket, key, _ = connected(endpoint_url(), 1).split_path(uri)
    return {"Bucket": bucket, "Key": key}


async def get(client: Client, uri: str, most: int | None = None) -> bytes:
    """The whole object. Raises TooLarge, before its body is fetched, for more than `most` bytes, CutShort."""
    found = await client.get_object(**place(uri))
    size: int = found["ContentLength"]
    async with found["Body"] as body:
        if most is not None and size > most:
            raise TooLarge(f"{uri} has {size:,} bytes, at most {most:,} are read")
        # Pieces joined at the end would be there twice.
        whole = io.BytesIO()
        async for piece in body.iter_chunks(PIECE):
            whole.write(piece)
    if whole.tell() != size:
        raise CutShort(f"{whole.tell():,} of {size:,} bytes came")
    return whole.getvalue()


async def head(client: Client, uri: str) -> dict[str, Any]:
    """Size, ETag and LastModified of one object, as the list of its folder has them."""
    from botocore.exceptions import ClientError

    try:
        found = await client.head_object(**place(uri))
    except ClientError as error:
        if answer(error)[0] != 403:
            raise
        # An answer to HEAD has no body that says why. A list has, or it says what is there.
        return await _listed(client, uri)
    return {"size": found["ContentLength"], "ETag": found["ETag"], "LastModified": found["LastModified"]}


async def _listed(client: Client, uri: str) -> dict[str, Any]:
    where = place(uri)
    found = await client.list_objects_v2(Bucket=where["Bucket"], Prefix=where["Key"], MaxKeys=1)
    for each in found.get("Contents", []):
        if each["Key"] == where["Key"]:
            return {"size": each["Size"], "ETag": each["ETag"], "LastModified": each["LastModified"]}
    raise FileNotFoundError(uri)


async def list_folder(client: Client, uri: str) -> None:
    """Only to see whether the folder of an object may be listed."""
    where = place(uri)
    folder = where["Key"].rpartition("/")[0]
    await client.list_objects_v2(Bucket=where["Bucket"], Prefix=f"{folder}/" if folder else "", MaxKeys=1)


async def put(client: Client, uri: str, data: bytes, **more: Any) -> None:
    await client.put_object(**place(uri), Body=data, **more)


def write(uri: str, data: bytes) -> None:
    if len(data) < 2 * PART:
        asked(lambda client: put(client, uri, data))
    else:
        retried(lambda: filesystem().pipe_file(uri, data, chunksize=PART), trouble)


def upload(path: str, uri: str) -> None:
    """A local file of any size."""
    retried(lambda: filesystem().put_file(path, uri, chunksize=PART), trouble)


async def remove(client: Client, uri: str) -> None:
    await client.delete_object(**place(uri))


async def exists(client: Client, url: str) -> bool:
    """Whether there is such an object, or any below it as a folder."""
    where = place(url)
    folder = f"{where['Key'].rstrip('/')}/" if where["Key"] else ""
    try:
        if where["Key"]:
            await head(client, url)
            return True
    except client_errors() as error:
        if not (is_missing(error) or isinstance(error, FileNotFoundError)):
            raise
    try:
        found = await client.list_objects_v2(Bucket=where["Bucket"], Prefix=folder, MaxKeys=1)
    except client_errors() as error:
        if not is_missing(error):
            raise
        return False
    return not folder or found.get("KeyCount", 0) > 0


class Creation:
    """Writing an object only if there is none of that name: `await creation(client)` is True if it is ours.

    It carries a mark: after an answer that was lost, what is there may be what an earlier attempt wrote. aiohttp makes some on its own.
    """

    def __init__(self, uri: str, data: bytes) -> None:
        self.uri, self.data, self.mark = uri, data, secrets.token_hex(16)

    async def __call__(self, client: Client) -> bool:
        try:
            await put(client, self.uri, self.data, IfNoneMatch="*", Metadata={MARK: self.mark})
        except client_errors() as error:
            if answer(error)[0] != 412:
                raise
            return await self._is_ours(client)
        return True

    async def _is_ours(self, client: Client) -> bool:
        try:
            found = await client.head_object(**place(self.uri))
        except client_errors() as error:
            if not is_missing(error):
                raise
            return False
        return found["Metadata"].get(MARK) == self.mark
