"""The bytes of the next track while one is worked on: a store that is far away is waited for once, not for every track."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from genre_batch.cluster.accounts import read_track
from genre_batch.limits import Limits

MOST_BYTES = 64 * 2**20
"""Larger objects are read in their turn: a worker has room for one of them."""
THREADS = 2
"""One more than is needed, for where a track was given up while its bytes were still on their way."""


def each(tracks: list[dict[str, Any]], limits: Limits) -> Iterator[tuple[dict[str, Any], Callable[[], bytes]]]:
    """The rows of the inventory, each with what gives its bytes and raises as read_track does."""
    pool = ThreadPoolExecutor(THREADS)
    coming: Future[bytes] | None = None
    try:
        for number, track in enumerate(tracks):
            read = coming.result if coming else partial(read_track, track, limits)
            following = tracks[number + 1] if number + 1 < len(tracks) else None
            small = following is not None and (following["size"] or 0) <= MOST_BYTES
            coming = pool.submit(read_track, following, limits) if following and small else None
            yield track, read
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
