"""Bytes as they arrive, the end, and stopping in the middle of a wait."""

import os
import threading
import time

import pytest

from genre_batch.live.pipe import Pipe


@pytest.fixture
def ends():
    read, write = os.pipe()
    given = {"read": read, "write": write}
    yield given
    for descriptor in given.values():
        os.close(descriptor)


def close(ends: dict[str, int]) -> None:
    os.close(ends.pop("write"))


def test_gives_what_is_there_and_then_the_end(ends: dict[str, int]):
    pipe = Pipe(ends["read"], threading.Event())
    os.write(ends["write"], b"abcdef")
    assert pipe.read(4) == b"abcd"
    assert pipe.read(4) == b"ef"
    close(ends)
    assert pipe.read(4) == b""


def test_waits_for_all_of_it(ends: dict[str, int]):
    pipe = Pipe(ends["read"], threading.Event())
    os.write(ends["write"], b"abc")
    later = threading.Timer(0.3, lambda: os.write(ends["write"], b"def"))
    later.start()
    assert pipe.read_whole(5) == b"abcde"
    later.join()
    assert pipe.waited() >= 0.1
    assert pipe.waited() == 0
    close(ends)
    assert pipe.read_whole(5) == b"f"


def test_is_left_when_it_is_time_to_stop(ends: dict[str, int]):
    stop = threading.Event()
    pipe = Pipe(ends["read"], stop)
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    assert pipe.read(4) == b""
    assert time.monotonic() - began < 5
