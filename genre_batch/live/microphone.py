"""A microphone, or whatever else the machine can record from, through sounddevice."""

import importlib
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np

from genre_batch import progress
from genre_batch.errors import UsageError
from genre_batch.live.listen import GAP_S, Block
from genre_batch.live.stop import LOOK_EVERY_S
from genre_batch.signal.decode import Samples

CHUNK_S = 0.05
WAITING = 200
"""Chunks that may wait while the machine is busy; what comes after these is lost, and a gap."""
DEFAULT = "default"


def hear(device: str, stop: threading.Event) -> Iterator[Block]:
    """One channel at the device's own rate until `stop` is set, or until the device stops by itself, with a warning. device: name, or
    part of it, or number, or `default`.

    Raises UsageError where sounddevice is not installed, or there is no such device, or it does not start.
    """
    try:
        sounddevice = importlib.import_module("sounddevice")
    except ImportError as error:
        raise UsageError("--device needs sounddevice: install it with pip install 'genre-batch[microphone]'") from error
    except OSError as error:
        raise UsageError(f"--device needs the PortAudio library (on Debian: apt install libportaudio2): {error}") from error
    inbox = _Inbox()
    chosen = None if device == DEFAULT else int(device) if device.isdecimal() else device
    try:
        rate_hz = round(sounddevice.query_devices(chosen, "input")["default_samplerate"])
        stream = sounddevice.InputStream(
            device=chosen,
            samplerate=rate_hz,
            channels=1,
            dtype="float32",
            blocksize=round(CHUNK_S * rate_hz),
            callback=inbox.come,
        )
    except (ValueError, sounddevice.PortAudioError) as error:
        raise _refused(device, error) from error
    with closing(stream):
        try:
            stream.start()
        except sounddevice.PortAudioError as error:
            raise _refused(device, error) from error
        while not stop.is_set():
            if chunk := inbox.next():
                yield Block(rate_hz, *chunk)
            # In this order: of a stream that is no longer active nothing more comes.
            elif not _is_active(stream, sounddevice) and inbox.chunks.empty():
                progress.warn(f"--device {device} stopped by itself: the label is of what was heard until then")
                return


def _refused(device: str, error: Exception) -> UsageError:
    return UsageError(f"--device {device}: {error}; python -m sounddevice lists what there is")


class _Inbox:
    """Chunks as PortAudio brings them, in a thread of its own: samples, and whether some are missing before them."""

    def __init__(self) -> None:
        self.chunks: queue.Queue[tuple[Samples, bool]] = queue.Queue(WAITING)
        self.lost = False
        self.last_s: float | None = None

    def come(self, samples: Any, frames: int, when: Any, status: Any) -> None:
        now_s = time.monotonic()
        late = self.last_s is not None and now_s - self.last_s > GAP_S
        self.last_s = now_s
        self.lost = self.lost or late or bool(status.input_overflow)
        try:
            self.chunks.put_nowait((samples[:, 0].astype(np.float32), self.lost))
            self.lost = False
        except queue.Full:
            self.lost = True

    def next(self) -> tuple[Samples, bool] | None:
        """None if none came for LOOK_EVERY_S."""
        try:
            return self.chunks.get(timeout=LOOK_EVERY_S)
        except queue.Empty:
            return None


def _is_active(stream: Any, sounddevice: Any) -> bool:
    try:
        return bool(stream.active)
    except sounddevice.PortAudioError:
        # Of a device that has gone PortAudio may not know even that.
        return False
