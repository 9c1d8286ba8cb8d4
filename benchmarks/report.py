"""What the benchmarks share: the option --json, a CPU clock, and a table on stdout."""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

ROUNDS = 5

Key = TypeVar("Key")


def parser(text: str | None) -> argparse.ArgumentParser:
    """An argument parser that knows --json; `text` is the module's docstring."""
    options = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", metavar="FILE", type=Path, help="write the figures here as well")
    return options


def cpu_seconds(works: Mapping[Key, Callable[[], object]], rounds: int = ROUNDS) -> dict[Key, float]:
    """The least CPU time of each call over some rounds, taken in turn, so that a busy machine is unfair to none of them.

    On one thread, as a Ray task with one CPU works: idle threads of BLAS spin, and would charge one call's time to the next.
    """
    spent: dict[Key, list[float]] = {name: [] for name in works}
    with threadpool_limits(1):
        for _ in range(rounds + 1):
            for name, work in works.items():
                started = time.process_time()
                work()
                spent[name].append(time.process_time() - started)
    # The first round loads and compiles.
    return {name: min(times[1:]) for name, times in spent.items()}


def show(title: str, rows: Sequence[Mapping[str, Any]], to: Path | None, more: Mapping[str, Any] | None = None) -> None:
    """Print rows with equal keys as a table, floats with three significant digits; write them to a file if asked, and `more`."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name, value in rows[0].items():
        table.add_column(name, justify="left" if isinstance(value, str) else "right")
    for row in rows:
        table.add_row(*(_figure(value) for value in row.values()))
    Console(width=120).print(table)
    if to:
        to.write_text(json.dumps({"title": title, "rows": rows, **(more or {})}, indent=2) + "\n")


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)
