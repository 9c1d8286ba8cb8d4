"""A pipe that is read as bytes arrive, and left when it is time to stop."""

import os
import select
import threading
import time

from genre_batch.live.stop import LOOK_EVERY_S


class Pipe:
    """As a file, read only and without a way back; `read` gives what is there, and nothing at the end or once `stop` is set."""

    def __init__(self, descriptor: int, stop: threading.Event) -> None:
        self.descriptor, self.stop = descriptor, stop
        self.waited_s = 0.0
        """The longest wait for bytes since `waited` was last asked."""

    def read(self, n: int) -> bytes:
        """At most n bytes, as soon as there are any."""
        began = time.monotonic()
        while not self.stop.is_set():
            ready, _, _ = select.select([self.descriptor], [], [], LOOK_EVERY_S)
            if ready:
                data = os.read(self.descriptor, n)
                self.waited_s = max(self.waited_s, time.monotonic() - began)
                return data
        return b""

    def read_whole(self, n: int) -> bytes:
        """n bytes, or fewer at the end."""
        parts: list[bytes] = []
        while n and (data := self.read(n)):
            parts.append(data)
            n -= len(data)
        return b"".join(parts)

    def waited(self) -> float:
        """The longest wait for bytes since this was last asked, in seconds."""
        waited_s, self.waited_s = self.waited_s, 0.0
        return waited_s
