"""Freed memory that a worker keeps: blocks of audio come and go all the time, and each new page costs as much as the samples on it."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""
KEPT, LARGE = 64 * 2**20, 32 * 2**20
"""Bytes at the end of the heap that are not given back, and from which on an array gets pages of its own."""


def keep_freed() -> None:
    """For the life of the process; without effect where the C library is not glibc."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, KEPT)
