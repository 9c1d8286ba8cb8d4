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

from genre_batch.errors import StoreUnreachable, TablesHeld
from genre_batch.tables import processes, retries, storage

NAME = "_lock.json"
REFRESH_S = 15.0
STALE_S = 90.0
"""A lock not refreshed for so long was left behind by a run that was killed, and is taken over."""
CLAIM_S = 600.0
"""The same for a claim, which nobody refreshes: a take-over is eight requests, each tried again for retries.TROUBLE_S."""
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
        if storage.read_or(self.place, lambda: b"") == self.content:
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
        _refuse_living(lock, lock.place)
        _take_over(lock, lock.place)
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


def _refuse_living(lock: Lock, place: str) -> bool:
    """Whether a lock or claim was left behind there, False if it is gone. Raises TablesHeld if its run lives, or may."""
    how, stale_s = ("held", STALE_S) if place == lock.place else ("being taken over", CLAIM_S)
    owner = _owner(place) or NOBODY
    lives = processes.lives(owner.get("process"))
    if lives is False:
        return True
    age = _age_s(lock, place)
    if age is None:
        return False
    # A time to come was told by a clock that was wrong then or now: of such a lock, nobody knows more.
    if lives or abs(age) < stale_s:
        until = "end it" if lives else f"if it was killed, run again in {stale_s - age:.0f} s"
        raise TablesHeld(
            f"{lock.tables} is {how} by run {owner['run_id']} on {owner['host']}, last heard of {max(0.0, age):.0f} s ago; "
            f"wait for it, or {until}"
        )
    return True


def _age_s(lock: Lock, place: str) -> float | None:
    """Since it was refreshed, None if it is gone. What the store says of an object written now is its own clock's time."""
    probe = f"{lock.place}.clock-{secrets.token_hex(4)}"
    storage.write_bytes(probe, lock.content)
    now, found = storage.stat(probe), storage.stat(place)
    storage.remove(probe)
    return (now.modified_at - found.modified_at).total_seconds() if now and found else None


def _take_over(lock: Lock, place: str) -> None:
    """Put this run's content where a killed run left a lock, or a claim.

    Under a claim, which is a lock of its own: of two runs that find the same stale lock, the later would remove the fresh one of
    the other. That holds for a stale claim too, which is taken over the same way. Raises TablesHeld if another run is faster.
    """
    claim = f"{place}.claim"
    if not storage.create(claim, lock.content):
        _refuse_living(lock, claim)
        _take_over(lock, claim)
    try:
        # It may have been released, or taken over, since it was found stale.
        if storage.create(place, lock.content):
            return
        if _refuse_living(lock, place):
            storage.remove(place)
        if not storage.create(place, lock.content):
            raise TablesHeld(f"{lock.tables}: another run is taking over the same stale lock; run again")
    finally:
        storage.remove(claim)


def _owner(place: str) -> dict[str, Any]:
    """Who holds the lock, as far as that is written yet: on a local disk it is there for a moment before its content. Nothing, if
    there is no lock."""
    content = storage.read_or(place, lambda: b"")
    if not content and storage.stat(place) is None:
        return {}
    try:
        return NOBODY | json.loads(content)
    except ValueError:
        return NOBODY
