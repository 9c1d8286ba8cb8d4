"""What the benchmarks share: the option --json, a CPU clock, and a table on stdout."""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

REPEATS = 3


def parser(text: str | None) -> argparse.ArgumentParser:
    """An argument parser that knows --json; `text` is the module's docstring."""
    options = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", metavar="FILE", type=Path, help="write the figures here as well")
    return options


def cpu_seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """The least CPU time of some calls, after one that is not counted."""
    work()
    spent = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return min(spent)


def show(title: str, rows: Sequence[Mapping[str, Any]], to: Path | None) -> None:
    """Print rows with equal keys as a table, floats with three significant digits; write them to a file if asked."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name, value in rows[0].items():
        table.add_column(name, justify="left" if isinstance(value, str) else "right")
    for row in rows:
        table.add_row(*(_figure(value) for value in row.values()))
    Console(width=120).print(table)
    if to:
        to.write_text(json.dumps({"title": title, "rows": rows}, indent=2) + "\n")


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)
