"""Ctrl-C and a scheduler's SIGTERM as the stream's end: what was heard until then is judged."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

LOOK_EVERY_S = 0.2
"""Who waits for a stream looks so often whether to stop."""


@contextmanager
def on_signal() -> Iterator[threading.Event]:
    """Set by the first signal within the block; a second ends the process as ever."""
    stop = threading.Event()

    def asked(number: int, frame: FrameType | None) -> None:
        stop.set()
        restore()

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    try:
        yield stop
    finally:
        restore()


def as_played(stop: threading.Event) -> Callable[[float], bool]:
    """Waits until the clock has come as far as the audio; whether to go on."""
    started = time.monotonic()

    def wait(time_s: float) -> bool:
        return not stop.wait(max(0.0, started + time_s - time.monotonic()))

    return wait


def as_fast_as_it_goes(stop: threading.Event) -> Callable[[float], bool]:
    return lambda time_s: not stop.is_set()
