"""One run at a time: an object that only one run can create, kept fresh while the run lives.

How old a lock is, is told by the clock of the store that keeps it, never by two machines' own clocks. Of a run on this very machine it
is known whether it lives, whatever the clocks say.
"""

import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from genre_batch.errors import Forbidden, StoreUnreachable, TablesHeld
from genre_batch.tables import processes, retries, storage

NAME = "_lock.json"
REFRESH_S = 15.0
STALE_S = 90.0
"""A lock not refreshed for so long was left behind by a run that was killed, and is taken over."""
NOBODY = {"run_id": "unknown", "host": "unknown"}


@dataclass(frozen=True)
class Lock:
    """The lock on some tables, as a run holds it."""

    tables: str
    run_id: str

    @cached_property
    def place(self) -> str:
        return storage.join(storage.normal(self.tables), NAME)

    @cached_property
    def content(self) -> bytes:
        process = {"host": f"{socket.gethostname()}:{os.getpid()}", "process": processes.mine()}
        return json.dumps({"run_id": self.run_id, "token": secrets.token_hex(8), **process}).encode()

    def still_mine(self) -> None:
        """To be called before each commit. Raises TablesHeld if the lock was lost, as to another run while this machine slept."""
        if _read(self.place) == self.content:
            return
        owner = _owner(self.place)
        who = f"run {owner['run_id']} on {owner['host']} has taken it over" if owner else "it is gone"
        raise TablesHeld(
            f"{self.tables}: this run has lost its lock, as happens when a machine sleeps: {who}; what was committed before "
            "stays, run again to go on"
        )


@contextmanager
def held(tables: str, run_id: str) -> Iterator[Lock]:
    """Hold the tables for a run. Raises TablesHeld if another run does."""
    lock = Lock(tables, run_id)
    if not storage.create(lock.place, lock.content):
        _refuse_living(lock)
        _take_over(lock)
    stop = threading.Event()
    keeper = threading.Thread(target=_refresh, args=(lock, stop), daemon=True)
    keeper.start()
    try:
        yield lock
    finally:
        stop.set()
        # One that cannot be removed is stale soon.
        retries.briefly(partial(_release, lock, keeper))


def _release(lock: Lock, keeper: threading.Thread) -> None:
    """Raises TablesHeld instead of removing that of another run."""
    keeper.join()
    lock.still_mine()
    storage.remove(lock.place)


def _refresh(lock: Lock, stop: threading.Event) -> None:
    while not stop.wait(REFRESH_S):
        # One lost refresh is no lost lock: the next may succeed before it is stale. In a hurry, for the end of the run waits for this one.
        with suppress(StoreUnreachable), retries.in_a_hurry():
            try:
                lock.still_mine()
            except TablesHeld:
                return
            storage.write_bytes(lock.place, lock.content)


def _refuse_living(lock: Lock) -> None:
    owner = _owner(lock.place) or NOBODY
    lives = processes.lives(owner.get("process"))
    if lives is False:
        return
    age = _age_s(lock)
    # A time to come was told by a clock that was wrong then or now: of such a lock, nobody knows more.
    if lives or abs(age) < STALE_S:
        until = "end it" if lives else f"if it was killed, run again in {STALE_S - age:.0f} s"
        raise TablesHeld(
            f"{lock.tables} is held by run {owner['run_id']} on {owner['host']}, last heard of {max(0.0, age):.0f} s ago; "
            f"wait for it, or {until}"
        )


def _age_s(lock: Lock) -> float:
    """Since the lock was refreshed. What the store says of an object written now is its own clock's time."""
    probe = f"{lock.place}.clock-{secrets.token_hex(4)}"
    storage.write_bytes(probe, lock.content)
    now, found = storage.stat(probe), storage.stat(lock.place)
    storage.remove(probe)
    return (now.modified_at - found.modified_at).total_seconds() if now and found else STALE_S


def _take_over(lock: Lock) -> None:
    """Under a lock of its own: of two runs that find the same stale lock, the later would remove the fresh one of the other."""
    claim = f"{lock.place}.claim"
    refusal = f"{lock.tables}: another run is taking over the same stale lock; run again, or if it was killed, remove {claim}"
    if not storage.create(claim, lock.content):
        raise TablesHeld(refusal)
    try:
        # It may have been released, or taken over, since it was found stale.
        if storage.create(lock.place, lock.content):
            return
        _refuse_living(lock)
        storage.remove(lock.place)
        if not storage.create(lock.place, lock.content):
            raise TablesHeld(refusal)
    finally:
        storage.remove(claim)


def _owner(place: str) -> dict[str, Any]:
    """Who holds the lock, as far as that is written yet: on a local disk it is there for a moment before its content. Nothing, if
    there is no lock."""
    content = _read(place)
    if not content and storage.stat(place) is None:
        return {}
    try:
        return NOBODY | json.loads(content)
    except ValueError:
        return NOBODY


def _read(place: str) -> bytes:
    try:
        return storage.read_or(place, lambda: b"")
    except Forbidden as error:
        raise StoreUnreachable(str(error)) from error
