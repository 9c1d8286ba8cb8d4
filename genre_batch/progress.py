"""What a run says while it works, on stderr: a bar on a terminal, one line every 30 s elsewhere; or JSON, one object a line.

All goes through the logger `genre_batch`, so that what is said by `say` and `warn` and what a module logs look alike.
"""

import json
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Any

LINE_EVERY_S = 30.0
LOOK_EVERY_S = 1.0
WINDOW_S = 300.0
"""Speed is that of the last five minutes: neither a slow start nor a burst long ago says when the work will be done."""


class LogFormat(StrEnum):
    """How lines on stderr look: for people, or one JSON object each, for what collects logs."""

    TEXT = "text"
    JSON = "json"


Done = Callable[[], tuple[int, str]]
"""How many are done, and a remark."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far work is. `per_s` is its speed of the last WINDOW_S seconds, None before the first progress that was seen; `left_s` the
    seconds until its end at this speed, None where nobody can tell."""

    done: int
    total: int
    elapsed_s: float
    per_s: float | None
    left_s: float | None
    remark: str = ""


class Pace:
    """Speed from a moving window over what was seen of the work; times are seconds of any clock that goes forward."""

    def __init__(self, total: int, started: float, window_s: float = WINDOW_S) -> None:
        self.total, self.started, self.window_s = total, started, window_s
        self._seen: deque[tuple[float, int]] = deque()

    def see(self, now: float, done: int, remark: str = "") -> Standing:
        # Until something is done the clock does not run, and what was done before the first look counts for no speed.
        if len(self._seen) == 1 and self._seen[0][1] == done:
            self._seen.clear()
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - self.window_s:
            self._seen.popleft()
        (since, before), *_ = self._seen
        per_s = max(0, done - before) / (now - since) if now > since else None
        left_s = 0.0 if done >= self.total else (self.total - done) / per_s if per_s else None
        return Standing(done, self.total, now - self.started, per_s, left_s, remark)


@contextmanager
def watching(what: str, total: int, done: Done, seen: Callable[[Standing], None] | None = None) -> Iterator[None]:
    """Show how far `done` is until the block is left, on stderr; `seen` hears of it every LOOK_EVERY_S seconds, in another thread."""
    stop = threading.Event()
    show = _bar if sys.stderr.isatty() and _handler.formatter is _FORMATS[LogFormat.TEXT] else _lines
    pace = Pace(total, time.monotonic())

    def look() -> Standing:
        count, remark = done()
        standing = pace.see(time.monotonic(), count, remark)
        if seen:
            seen(standing)
        return standing

    shower = threading.Thread(target=show, args=(what, look, stop), daemon=True)
    shower.start()
    try:
        yield
    finally:
        stop.set()
        shower.join()


def say(line: str, **fields: Any) -> None:
    """One line on stderr; fields: what JSON also gets, as values of its own."""
    _logger.info(line, extra={"fields": fields})


def warn(line: str, **fields: Any) -> None:
    """As `say`, of what somebody should look at."""
    _logger.warning(line, extra={"fields": fields})


def fail(line: str, **fields: Any) -> None:
    """As `say`, of what ended the run."""
    _logger.error(line, extra={"fields": fields})


def set_format(log_format: LogFormat) -> None:
    """How this process speaks from now on. With JSON also Python's warnings and the trace of a defect are one object each, and a
    terminal gets no bar."""
    _handler.setFormatter(_FORMATS[log_format])
    structured = log_format is LogFormat.JSON
    logging.captureWarnings(structured)
    of_warnings = logging.getLogger("py.warnings")
    of_warnings.propagate = not structured
    of_warnings.handlers = [_handler] if structured else []
    if structured:
        sys.excepthook = _trace_as_json
    elif sys.excepthook is _trace_as_json:
        sys.excepthook = sys.__excepthook__


@contextmanager
def about(**fields: Any) -> Iterator[None]:
    """Fields that every JSON line has until the block is left, such as job and run_id."""
    before = dict(_fields)
    _fields.update(fields)
    try:
        yield
    finally:
        _fields.clear()
        _fields.update(before)


def told(what: str, standing: Standing) -> str:
    """labelling: 40 of 1000 after 60 s, 1.3 a second, about 12 min left; 1 rejected"""
    speed = f", {standing.per_s:.3g} a second" if standing.per_s is not None else ""
    left = f", about {duration(standing.left_s)} left" if standing.left_s is not None else ""
    remark = f"; {standing.remark}" if standing.remark else ""
    return f"{what}: {standing.done} of {standing.total} after {duration(standing.elapsed_s)}{speed}{left}{remark}"


def duration(seconds: float) -> str:
    """For people: 45 s, 12 min, 3.4 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _lines(what: str, look: Callable[[], Standing], stop: threading.Event) -> None:
    said = time.monotonic()
    while not stop.wait(LOOK_EVERY_S):
        standing = look()
        if time.monotonic() - said >= LINE_EVERY_S:
            said = time.monotonic()
            say(told(what, standing), event="progress", what=what, **asdict(standing))


def _bar(what: str, look: Callable[[], Standing], stop: threading.Event) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    fields = [TextColumn(f"{{task.fields[{name}]}}") for name in ("left", "remark")]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *fields)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, left="", remark="")
        while not stop.wait(LOOK_EVERY_S):
            standing = look()
            left = "" if standing.left_s is None else f"{duration(standing.left_s)} left"
            bar.update(task, total=standing.total, completed=standing.done, left=left, remark=standing.remark)


class _Stderr(logging.Handler):
    """Writes to what sys.stderr is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        before = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        return before + super().format(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = _fields | getattr(record, "fields", {})
        time_said = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said |= {"time": time_said, "level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            said["trace"] = self.formatException(record.exc_info)
        first = {name: said[name] for name in ("time", "level", "message")}
        return json.dumps(first | said, default=str, ensure_ascii=False)


def _trace_as_json(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _logger.error(f"{kind.__name__}: {error}", exc_info=(kind, error, trace))


_FORMATS: dict[LogFormat, logging.Formatter] = {LogFormat.TEXT: _Text(), LogFormat.JSON: _Json()}
_fields: dict[str, Any] = {}
_handler = _Stderr()
_handler.setFormatter(_FORMATS[LogFormat.TEXT])
_logger = logging.getLogger("genre_batch")
_logger.setLevel(logging.INFO)
_logger.propagate = False
_logger.addHandler(_handler)
