"""A microphone, or whatever else the machine can record from, through sounddevice."""

import importlib
import queue
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from genre_batch.errors import UsageError
from genre_batch.live.listen import Block
from genre_batch.live.stop import LOOK_EVERY_S

CHUNK_S = 0.05
WAITING = 200
"""Chunks that may wait while the machine is busy; what comes after these is lost, and a gap."""
DEFAULT = "default"


def hear(device: str, stop: threading.Event) -> Iterator[Block]:
    """One channel at the device's own rate until `stop` is set. device: name, or part of it, or number, or `default`.

    Raises UsageError where sounddevice is not installed or there is no such device.
    """
    try:
        sounddevice = importlib.import_module("sounddevice")
    except ImportError as error:
        raise UsageError("--device needs sounddevice: install it with pip install 'genre-batch[microphone]'") from error
    except OSError as error:
        raise UsageError(f"--device needs the PortAudio library (on Debian: apt install libportaudio2): {error}") from error
    arrived: queue.Queue[tuple[Any, bool]] = queue.Queue(WAITING)
    lost = threading.Event()

    def come(samples: Any, frames: int, when: Any, status: Any) -> None:
        try:
            arrived.put_nowait((samples[:, 0].astype(np.float32), bool(status.input_overflow) or lost.is_set()))
            lost.clear()
        except queue.Full:
            lost.set()

    chosen = None if device == DEFAULT else int(device) if device.isdecimal() else device
    try:
        rate_hz = round(sounddevice.query_devices(chosen, "input")["default_samplerate"])
        stream = sounddevice.InputStream(
            device=chosen, samplerate=rate_hz, channels=1, dtype="float32", blocksize=round(CHUNK_S * rate_hz), callback=come
        )
    except (ValueError, sounddevice.PortAudioError) as error:
        raise UsageError(f"--device {device}: {error}; python -m sounddevice lists what there is") from error
    with stream:
        while not stop.is_set():
            try:
                samples, gap = arrived.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                continue
            yield Block(rate_hz, samples, gap)
