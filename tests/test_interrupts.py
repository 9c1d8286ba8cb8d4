"""Signals that wait."""

import os
import signal
import threading

import pytest

from genre_batch import interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_begun_is_done(number: int):
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    done = []

    @interrupts.held_back()
    def work() -> None:
        os.kill(os.getpid(), number)
        done.append("in spite of it")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["in spite of it"]
    assert {each: signal.getsignal(each) for each in before} == before


def test_what_fails_matters_more():
    @interrupts.held_back()
    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        raise KeyError

    with pytest.raises(KeyError):
        work()


def test_within_itself_the_outermost_counts():
    done = []

    @interrupts.held_back()
    def inner() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.append("inner")

    @interrupts.held_back()
    def outer() -> None:
        try:
            inner()
        finally:
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        outer()
    assert done == ["inner", "outer"]


def test_in_another_thread_nothing_is_held():
    handlers = []

    def work() -> None:
        with interrupts.held_back():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
