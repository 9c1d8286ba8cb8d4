"""What a microphone says, by a stand-in for sounddevice: there is no microphone where tests run."""

import sys
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from genre_batch.errors import UsageError
from genre_batch.live import microphone


class PortAudioError(Exception):
    pass


class Stream:
    """Calls back as PortAudio does, from another thread: three chunks, the second after an overflow."""

    def __init__(self, *, samplerate: int, channels: int, dtype: str, blocksize: int, callback: Any, device: Any) -> None:
        assert (samplerate, channels, dtype, blocksize) == (8000, 1, "float32", 400)
        self.callback = callback

    def __enter__(self) -> None:
        threading.Thread(target=self._speak).start()

    def __exit__(self, *error: object) -> None:
        pass

    def _speak(self) -> None:
        for n in range(3):
            self.callback(np.full((400, 1), n, np.float32), 400, None, SimpleNamespace(input_overflow=n == 1))


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
