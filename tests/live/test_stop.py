"""A signal asks to stop; a second is as ever."""

import signal
import time

import pytest

from genre_batch.live import stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_is_as_ever(number: int):
    before = signal.signal(number, signal.default_int_handler)
    try:
        with stop.on_signal() as asked:
            assert not asked.is_set()
            signal.raise_signal(number)
            assert asked.is_set()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_handlers_are_as_before_when_nothing_came():
    before = signal.getsignal(signal.SIGINT)
    with stop.on_signal():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_as_played_waits_for_the_clock_and_ends_at_once_when_asked():
    with stop.on_signal() as asked:
        wait, began = stop.as_played(asked), time.monotonic()
        assert wait(0.2)
        assert time.monotonic() - began >= 0.2
        asked.set()
        assert not wait(100)
        assert time.monotonic() - began < 50
        assert not stop.as_fast_as_it_goes(asked)(0)
