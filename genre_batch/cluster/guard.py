"""What keeps one track from taking its worker, its night or its node along: an end to its time and to its memory."""

import faulthandler
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from genre_batch.errors import Crashed, TooSlow

GRACE_S = 30.0
"""So long after its time was up, work that does not listen ends with its process."""
AGAIN_S = 1.0
"""A callback from C may swallow an exception: it is raised until it gets through."""

_at_work = threading.Lock()


@contextmanager
def at_most(work_s: float) -> Iterator[None]:
    """Raises TooSlow into the work after so many seconds, and Crashed for a MemoryError of it.

    Work that never comes back from a call into C hears nothing of that: GRACE_S later the process ends, with its stacks on standard error.
    The same, without TooSlow, holds outside of the main thread, which alone hears signals. Within itself, only the outermost counts.
    """
    if not _at_work.acquire(blocking=False):
        yield
        return
    try:
        with _end_of_process(work_s + GRACE_S), _alarm(work_s):
            yield
    except MemoryError as error:
        raise Crashed("it needs more memory than a worker may take") from error
    finally:
        _at_work.release()


@contextmanager
def _end_of_process(after_s: float) -> Iterator[None]:
    """Of faulthandler's own thread, which does not need what a hanging call may hold."""
    faulthandler.dump_traceback_later(after_s, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def _alarm(after_s: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    armed = True

    def ring(_signal: int, _frame: FrameType | None) -> None:
        if armed:
            raise TooSlow(f"not done after {after_s:g} s")

    start = time.monotonic()
    theirs = signal.signal(signal.SIGALRM, ring)
    left_s, interval_s = signal.setitimer(signal.ITIMER_REAL, after_s, AGAIN_S)
    try:
        try:
            yield
        finally:
            armed = False
    finally:
        # Again, for it may ring just before the line above.
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, theirs)
        if left_s:
            signal.setitimer(signal.ITIMER_REAL, max(1e-3, left_s - (time.monotonic() - start)), interval_s)


_base: list[int] = []


def limit_memory(more: int) -> None:
    """This process may take so many bytes more than at the first call: then allocations fail, here and in C, instead of those of the node.

    Counts what is private and may be written (Linux' RLIMIT_DATA); shared memory, as of Ray's object store, and files are free. Does
    nothing where the system does not tell (macOS).
    """
    if not _base:
        held = _held_bytes()
        if held is None:
            return
        _base.append(held)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _base[0] + more
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _held_bytes() -> int | None:
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    kilobytes = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmData:"))
    return int(kilobytes) * 1024
