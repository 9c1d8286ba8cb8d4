"""How raw samples are coded; apart from the module that reads them, so that a command line starts at once."""

from enum import StrEnum


class Coding(StrEnum):
    """Channels interleaved, bytes in the order of small machines: integers of 16 bits, or floats of 32."""

    S16LE = "s16le"
    F32LE = "f32le"
