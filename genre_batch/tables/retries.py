"""Trouble that passes: how often a store is asked again, for how long, and who is told.

Waits are drawn evenly from nothing to a doubling limit ("full jitter", M. Brooker, "Exponential Backoff and Jitter", AWS, 2015), so that
a thousand workers do not come back to a tired store all at once.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from enum import StrEnum
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from genre_batch.errors import JobError

TROUBLE_S = 60.0
"""So long after the first failure of an operation no other attempt begins."""
REFUSED_S = 15.0
"""The same for access denied: rights and roles that were just given take seconds to arrive everywhere."""
LEAST_ATTEMPTS = 3
"""Also where one attempt takes longer than the budget, as of a file of gigabytes."""
BRIEFLY_S = 5.0
HURRY_S = 2.0
"""The budget of what nobody waits for long."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 8.0

Result = TypeVar("Result")


class Trouble(StrEnum):
    """Why something is tried again."""

    THROTTLED = "throttled"
    SERVER = "server"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    CUT = "cut"
    REFUSED = "refused"


_patience_s = ContextVar("patience_s", default=TROUBLE_S)

on_retry: Callable[[str], None] | None = None
"""Called with the value of the Trouble before each further attempt, in the thread that waits; for a metric. One a process."""


def retried(act: Callable[[], Result], trouble: Callable[[BaseException], Trouble | None]) -> Result:
    """What `act` answers, at last.

    Raises its last error, with a note of the attempts, when the budget is over, and at once one that `trouble` says will not pass.
    """
    since: dict[bool, float] = {}

    def is_over(state: RetryCallState) -> bool:
        refused, now = trouble(_error(state)) is Trouble.REFUSED, time.monotonic()
        budget_s = min(REFUSED_S if refused else TROUBLE_S, _patience_s.get())
        ends = now + state.upcoming_sleep
        return ends - since.setdefault(refused, now) > budget_s and state.attempt_number >= LEAST_ATTEMPTS

    def tell(state: RetryCallState) -> None:
        if on_retry and (found := trouble(_error(state))):
            on_retry(found.value)

    def give_up(state: RetryCallState) -> Result:
        error = _error(state)
        error.add_note(f"{state.attempt_number} attempts in {state.seconds_since_start or 0:.0f} s")
        raise error

    again = Retrying(
        retry=retry_if_exception(lambda error: trouble(error) is not None),
        wait=wait_random_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S),
        stop=is_over,
        before_sleep=tell,
        retry_error_callback=give_up,
    )
    return again(act)


@contextmanager
def in_a_hurry() -> Iterator[None]:
    """In this thread, operations have no more than HURRY_S."""
    before = _patience_s.set(HURRY_S)
    try:
        yield
    finally:
        _patience_s.reset(before)


def briefly(act: Callable[[], None]) -> None:
    """What is good to do but not worth waiting for, such as a farewell to a store that may be gone.

    It is done in a hurry. After BRIEFLY_S it is left to itself and ends with the process. Its JobErrors are nobody's concern.
    """

    def done() -> None:
        with suppress(JobError), in_a_hurry():
            act()

    thread = threading.Thread(target=done, daemon=True)
    thread.start()
    thread.join(BRIEFLY_S)


def _error(state: RetryCallState) -> BaseException:
    assert state.outcome is not None
    error = state.outcome.exception()
    assert error is not None
    return error
