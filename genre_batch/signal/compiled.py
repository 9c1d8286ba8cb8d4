"""How the descriptors' inner loops are compiled: kept on disk, so that the next process does not compile again; one thread."""

from numba import njit

exact = njit(cache=True, nogil=True, error_model="numpy")
"""The arithmetic as written, to the last bit."""
regrouped = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
"""Sums may be added up in another order, several terms at a time."""
