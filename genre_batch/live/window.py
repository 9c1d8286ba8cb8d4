"""The last seconds of a stream, and how long ago it fell silent."""

import math

import numpy as np

from genre_batch.signal.decode import Samples


class Window:
    """Holds the last `size` samples in a ring: memory does not grow."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.length = 0
        """Samples held."""
        self._ring = np.zeros(size, np.float32)
        self._next = 0

    def push(self, samples: Samples) -> None:
        """[shape=(n,), float32]"""
        kept = samples[-self.size :]
        places = (self._next + len(samples) - len(kept) + np.arange(len(kept))) % self.size
        self._ring[places] = kept
        self._next = (self._next + len(samples)) % self.size
        self.length = min(self.size, self.length + len(samples))

    def forget(self) -> None:
        self.length = 0

    @property
    def samples(self) -> Samples:
        """In their order, [shape=(length,)]."""
        return self._ring[(self._next - self.length + np.arange(self.length)) % self.size]

    def loudness_dbfs(self, last: int) -> float:
        """Root mean square of the last samples, relative to full scale; minus infinity for silence and for none."""
        heard = self.samples[-last:]
        energy = float(np.dot(heard, heard))
        return 10 * math.log10(energy / len(heard)) if energy else -math.inf

    def filling(self, n: int) -> Samples:
        """n samples: what is held, over and over from its start where it is shorter."""
        return np.resize(self.samples, n)
