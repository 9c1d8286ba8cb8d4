"""Lengths of time as people write them: 30s, 15m, 12h, 7d, 2w."""

import re

from genre_batch.errors import UsageError

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_FORM = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])", re.ASCII)


def seconds(text: str, option: str) -> float:
    """More than none. Raises UsageError that names the option."""
    found = _FORM.fullmatch(text.strip().lower())
    length_s = float(found[1]) * _UNITS_S[found[2]] if found else 0.0
    if not length_s:
        raise UsageError(f"{option} {text!r} is no length of time: write 30s, 15m, 12h, 7d or 2w")
    return length_s
