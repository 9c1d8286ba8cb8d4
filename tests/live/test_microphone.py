"""What a microphone says, by a stand-in for sounddevice: there is no microphone where tests run."""

import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from genre_batch.errors import UsageError
from genre_batch.live import microphone
from genre_batch.live.listen import listen
from tests.live.made import published


class PortAudioError(Exception):
    pass


class Stream:
    """Calls back as PortAudio does, from another thread: three chunks, the second after an overflow."""

    active = True

    def __init__(self, *, samplerate: int, channels: int, dtype: str, blocksize: int, callback: Any, device: Any) -> None:
        assert (samplerate, channels, dtype, blocksize) == (8000, 1, "float32", 400)
        self.callback = callback

    def start(self) -> None:
        threading.Thread(target=self.speak).start()

    def close(self) -> None:
        pass

    def speak(self) -> None:
        for n in range(3):
            self.say(n, overflow=n == 1)

    def say(self, level: float, *, overflow: bool = False) -> None:
        self.callback(np.full((400, 1), level, np.float32), 400, None, SimpleNamespace(input_overflow=overflow))


class Unplugged(Stream):
    """Says two seconds and is gone."""

    def speak(self) -> None:
        for n in range(40):
            self.say((-1) ** n)
        self.active = False


class Vanished(Stream):
    """Is gone so far that PortAudio does not know whether it is active."""

    @property
    def active(self) -> bool:  # type: ignore[override]
        raise PortAudioError("Invalid stream pointer")


class Stuttering(Stream):
    """Says nothing for a while before its first chunk and before its third."""

    def speak(self) -> None:
        for pause_s in (0.5, 0, 0.5, 0):
            time.sleep(pause_s)
            self.say(1)


def module(**changes: Any) -> SimpleNamespace:
    def query(device: Any, kind: str) -> dict[str, float]:
        if device == "nobody":
            raise ValueError("No input device matching 'nobody'")
        return {"default_samplerate": 8000.0}

    return SimpleNamespace(**{"query_devices": query, "InputStream": Stream, "PortAudioError": PortAudioError} | changes)


def test_chunks_as_they_come_with_gaps_where_some_were_lost(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sounddevice", module())
    stop = threading.Event()
    blocks = microphone.hear("default", stop)
    found = [next(blocks) for _ in range(3)]
    stop.set()
    assert list(blocks) == []
    assert [(block.rate_hz, block.gap, len(block.samples), float(block.samples[0])) for block in found] == [
        (8000, False, 400, 0.0),
        (8000, True, 400, 1.0),
        (8000, False, 400, 2.0),
    ]


def test_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UsageError, match=r"pip install 'genre-batch\[microphone\]'"):
        next(microphone.hear("default", threading.Event()))


def test_no_such_device(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sounddevice", module())
    with pytest.raises(UsageError, match="--device nobody: No input device matching 'nobody'; python -m sounddevice lists"):
        next(microphone.hear("nobody", threading.Event()))


def test_a_device_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch):
    def refuse(**options: Any) -> None:
        raise PortAudioError("Device unavailable")

    monkeypatch.setitem(sys.modules, "sounddevice", module(InputStream=refuse))
    with pytest.raises(UsageError, match="--device 3: Device unavailable"):
        next(microphone.hear("3", threading.Event()))


def test_a_device_that_opens_and_does_not_start(monkeypatch: pytest.MonkeyPatch):
    closed = []

    class Refusing(Stream):
        def start(self) -> None:
            raise PortAudioError("Error starting stream")

        def close(self) -> None:
            closed.append(True)

    monkeypatch.setitem(sys.modules, "sounddevice", module(InputStream=Refusing))
    with pytest.raises(UsageError, match="--device default: Error starting stream; python -m sounddevice lists"):
        next(microphone.hear("default", threading.Event()))
    assert closed == [True]


def test_a_device_that_goes_away_brings_the_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setitem(sys.modules, "sounddevice", module(InputStream=Unplugged))
    ended = listen(microphone.hear("default", threading.Event()), published(), lambda answer: None)
    assert ended.duration_s == pytest.approx(2.0, abs=0.01)
    assert ended.verdict is not None
    assert capsys.readouterr().err == "warning: --device default stopped by itself: the label is of what was heard until then\n"


def test_a_device_of_which_nothing_is_known_any_more(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setitem(sys.modules, "sounddevice", module(InputStream=Vanished))
    assert len(list(microphone.hear("default", threading.Event()))) == 3
    assert "stopped by itself" in capsys.readouterr().err


def test_a_device_that_says_nothing_for_long_has_a_gap(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(microphone, "GAP_S", 0.3)
    monkeypatch.setitem(sys.modules, "sounddevice", module(InputStream=Stuttering))
    blocks = microphone.hear("default", threading.Event())
    assert [next(blocks).gap for _ in range(4)] == [False, False, True, False]
    blocks.close()
