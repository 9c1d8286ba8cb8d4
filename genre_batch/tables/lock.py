"""One run at a time: an object that only one run can create, kept fresh while the run lives."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from genre_batch.errors import StoreUnreachable, TablesHeld
from genre_batch.tables import storage

NAME = "_lock.json"
REFRESH_S = 15.0
STALE_S = 90.0
"""A lock not refreshed for so long was left behind by a run that was killed, and is taken over."""


@contextmanager
def held(tables: str, run_id: str) -> Iterator[None]:
    """Hold the tables for a run. Raises TablesHeld if another run does."""
    place = storage.join(storage.normal(tables), NAME)
    if not storage.create(place, _content(run_id)):
        _refuse_fresh(tables, place)
        _take_over(tables, place, run_id)
    stop = threading.Event()
    keeper = threading.Thread(target=_refresh, args=(place, run_id, stop), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()
        storage.remove(place)


def _refresh(place: str, run_id: str, stop: threading.Event) -> None:
    while not stop.wait(REFRESH_S):
        # One lost refresh is no lost lock: the next may succeed before it is stale.
        with suppress(StoreUnreachable):
            storage.write_bytes(place, _content(run_id))


def _refuse_fresh(tables: str, place: str) -> None:
    owner = _owner(place)
    age = time.time() - owner["refreshed"]
    if age < STALE_S:
        raise TablesHeld(
            f"{tables} is held by run {owner['run_id']} on {owner['host']} since {age:.0f} s ago; "
            f"wait for it, or if it was killed, run again in {STALE_S - age:.0f} s"
        )


def _take_over(tables: str, place: str, run_id: str) -> None:
    """Under a lock of its own: of two runs that find the same stale lock, the later would remove the fresh one of the other."""
    claim = f"{place}.claim"
    refusal = f"{tables}: another run is taking over the same stale lock; run again, or if it was killed, remove {claim}"
    if not storage.create(claim, _content(run_id)):
        raise TablesHeld(refusal)
    try:
        # It may have been released, or taken over, since it was found stale.
        if storage.create(place, _content(run_id)):
            return
        _refuse_fresh(tables, place)
        storage.remove(place)
        if not storage.create(place, _content(run_id)):
            raise TablesHeld(refusal)
    finally:
        storage.remove(claim)


def _owner(place: str) -> dict[str, Any]:
    """Who holds the lock, as far as that is written yet: on a local disk it is there for a moment before its content."""
    found = storage.stat(place)
    nobody = {"run_id": "unknown", "host": "unknown", "refreshed": found.modified_at.timestamp() if found else 0.0}
    try:
        return nobody | json.loads(storage.read_or(place, lambda: b"{}"))
    except ValueError:
        return nobody


def _content(run_id: str) -> bytes:
    return json.dumps({"run_id": run_id, "host": f"{socket.gethostname()}:{os.getpid()}", "refreshed": time.time()}).encode()
