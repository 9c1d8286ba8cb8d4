"""What stands in tables as people may safely read it: names that hide nothing, links that open nothing but a file, numbers with units."""

import re
from urllib.parse import quote

from genre_batch.tables import storage

_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
"""Controls, line ends, and what turns the direction of reading round: `song\\u202e3pm.exe` would be read as `songexe.mp3`."""


def shown(text: str) -> str:
    """The text with what cannot be seen written out, such as `⟨U+202E⟩`. It still has to be escaped for HTML, as templates do."""
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def link(uri: str) -> str | None:
    """Where a browser opens a recording, for a path on this machine; None for what no browser opens by itself, such as s3://.

    What is stored as a URI never becomes a scheme: a path begins with a slash.
    """
    return f"file://{quote(uri)}" if uri.startswith("/") and not storage.is_s3(uri) else None


def clock(seconds: float) -> str:
    """A place in a recording: `0:05`, `61:00`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def percent(share: float) -> str:
    """With a decimal where it would otherwise look like none or all."""
    return f"{share:.0%}" if share in (0, 1) or 0.1 <= share < 0.995 else f"{share:.1%}"


def size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"


def money(amount: float) -> str:
    """Two decimals, or as many as show two digits of what is less than one."""
    return f"{amount:,.2f}" if amount >= 1 or amount == 0 else f"{amount:.2g}"


def counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
