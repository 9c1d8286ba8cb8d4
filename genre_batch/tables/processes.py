"""Whether a process that has left its name still lives, where that can be known: on the same machine, in the same container."""

import os
from pathlib import Path

STARTED = 19
"""The place in /proc/PID/stat, counted behind the name, of the time at which the process started; so no later one has its name."""


def mine() -> str | None:
    """The name of this process, None on systems that have no /proc."""
    return _name(os.getpid())


def lives(name: object) -> bool | None:
    """None where it cannot be known from here."""
    here = _here()
    if here is None or not isinstance(name, str) or not name.startswith(here):
        return None
    pid = name.removeprefix(here).split(":")[0]
    return pid.isdecimal() and _name(int(pid)) == name


def _here() -> str | None:
    """This start of this machine, and the container within it that gives numbers to processes."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}:{os.readlink('/proc/self/ns/pid')}:"
    except OSError:
        return None


def _name(pid: int) -> str | None:
    """None for one that is gone, or that ended and waits for its parent to ask."""
    here = _here()
    try:
        # Behind the program's name in brackets, which may hold anything.
        state, *facts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if here is None or state in "ZX" else f"{here}{pid}:{facts[STARTED - 1]}"
