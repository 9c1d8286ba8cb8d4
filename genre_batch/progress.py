"""Progress of long work: a bar on a terminal, one plain line every 30 s elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

LINE_EVERY_S = 30.0
BAR_EVERY_S = 0.5


@contextmanager
def watching(what: str, total: int, done: Callable[[], tuple[int, str]]) -> Iterator[None]:
    """Show how far `done` is, which gives a count and a remark, until the block is left. Writes to stderr."""
    stop = threading.Event()
    show = _bar if sys.stderr.isatty() else _lines
    shower = threading.Thread(target=show, args=(what, total, done, stop), daemon=True)
    shower.start()
    try:
        yield
    finally:
        stop.set()
        shower.join()


def say(line: str) -> None:
    """One line on stderr."""
    print(line, file=sys.stderr, flush=True)


def _bar(what: str, total: int, done: Callable[[], tuple[int, str]], stop: threading.Event) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[remark]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, remark="")
        while not stop.wait(BAR_EVERY_S):
            count, remark = done()
            bar.update(task, completed=count, remark=remark)


def _lines(what: str, total: int, done: Callable[[], tuple[int, str]], stop: threading.Event) -> None:
    started = time.monotonic()
    while not stop.wait(LINE_EVERY_S):
        count, remark = done()
        elapsed = time.monotonic() - started
        left = f", about {elapsed / count * (total - count):.0f} s left" if count else ""
        say(f"{what}: {count} of {total} after {elapsed:.0f} s{left}; {remark}")
