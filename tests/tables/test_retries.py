"""What is tried again, how often, and who is told."""

import threading
import time

import pytest

from genre_batch.errors import StoreUnreachable
from genre_batch.tables import retries
from genre_batch.tables.retries import Trouble, retried


class Passing(Exception):
    pass


class Refused(Exception):
    pass


def trouble(error: BaseException) -> Trouble | None:
    return {Passing: Trouble.SERVER, Refused: Trouble.REFUSED}.get(type(error))


class Clock:
    """Time that passes only while somebody waits or works."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


class Act:
    """Raises the errors one after the other, then the last for ever or, if that is None, answers; each attempt takes some seconds."""

    def __init__(self, clock: Clock, *errors: type[Exception] | None, lasts_s: float = 0.0) -> None:
        self.clock, self.errors, self.lasts_s, self.attempts = clock, errors, lasts_s, 0

    def __call__(self) -> str:
        self.clock.now += self.lasts_s
        self.attempts += 1
        error = self.errors[min(self.attempts, len(self.errors)) - 1]
        if error:
            raise error("said")
        return "done"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_what_passes_is_waited_for(clock: Clock):
    act = Act(clock, Passing, Refused, Passing, None)
    assert retried(act, trouble) == "done"
    assert act.attempts == 4
    assert len(clock.waits) == 3


def test_what_does_not_pass_is_raised_at_once(clock: Clock):
    act = Act(clock, KeyError)
    with pytest.raises(KeyError):
        retried(act, trouble)
    assert act.attempts == 1
    assert clock.waits == []


@pytest.mark.parametrize(("error", "budget_s"), [(Passing, retries.TROUBLE_S), (Refused, retries.REFUSED_S)])
def test_the_budget_is_kept_and_used(clock: Clock, error: type[Exception], budget_s: float):
    with pytest.raises(error) as raised:
        retried(act := Act(clock, error), trouble)
    assert budget_s - retries.LONGEST_WAIT_S <= sum(clock.waits) <= budget_s
    assert raised.value.__notes__ == [f"{act.attempts} attempts in {sum(clock.waits):.0f} s"]


def test_waits_are_drawn_below_a_doubling_limit(clock: Clock):
    with pytest.raises(Passing):
        retried(Act(clock, Passing), trouble)
    limits = [min(retries.FIRST_WAIT_S * 2**i, retries.LONGEST_WAIT_S) for i in range(len(clock.waits))]
    assert all(0 <= wait <= limit for wait, limit in zip(clock.waits, limits, strict=True))
    assert len({wait / limit for wait, limit in zip(clock.waits, limits, strict=True)}) == len(limits)


def test_the_budget_begins_with_the_first_failure_and_three_attempts_are_always_made(clock: Clock):
    act = Act(clock, Passing, lasts_s=500)
    with pytest.raises(Passing):
        retried(act, trouble)
    assert act.attempts == retries.LEAST_ATTEMPTS


def test_trouble_before_takes_nothing_from_the_time_that_a_refusal_may_last(clock: Clock):
    act = Act(clock, *[Passing] * 4, Refused, None, lasts_s=10)
    assert retried(act, trouble) == "done"


def test_who_counts_is_told_of_each_further_attempt(clock: Clock, monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []
    monkeypatch.setattr(retries, "on_retry", told.append)
    retried(Act(clock, Passing, Refused, Passing, None), trouble)
    assert told == ["server", "refused", "server"]
    with pytest.raises(KeyError):
        retried(Act(clock, KeyError), trouble)
    assert len(told) == 3


def test_in_a_hurry_there_is_little_time(clock: Clock):
    with retries.in_a_hurry(), pytest.raises(Passing):
        retried(Act(clock, Passing), trouble)
    hurried = sum(clock.waits)
    assert 0 < hurried <= retries.HURRY_S
    with pytest.raises(Passing):
        retried(Act(clock, Passing), trouble)
    assert sum(clock.waits) - hurried > retries.HURRY_S, "it was for the block alone"


def test_a_farewell_is_said_in_a_hurry_and_its_thread_ends(clock: Clock):
    spent: list[float] = []

    def farewell() -> None:
        try:
            retried(Act(clock, Passing), trouble)
        except Passing as error:
            spent.append(sum(clock.waits))
            raise StoreUnreachable("gone") from error

    before = threading.active_count()
    retries.briefly(farewell)
    assert spent
    assert spent[0] <= retries.HURRY_S
    assert threading.active_count() == before


def test_what_is_not_worth_waiting_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "BRIEFLY_S", 0.2)
    done, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        go_on.wait(30)
        done.set()

    since = time.monotonic()
    retries.briefly(slow)
    assert time.monotonic() - since < 10
    assert not done.is_set()
    go_on.set()
    assert done.wait(10)


def test_a_farewell_that_fails_is_nobodys_concern() -> None:
    def gone() -> None:
        raise StoreUnreachable("gone")

    retries.briefly(gone)
