"""Running a job as the command line does, and ending what was started."""

import sys
from dataclasses import dataclass

import psutil
import pytest

from genre_batch import progress


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


def job(capfd: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    """`genre-batch ARGUMENTS` in this process, so that tests share one Ray."""
    from jobs.__main__ import main

    patched = pytest.MonkeyPatch()
    patched.setattr(sys, "argv", ["genre-batch", *arguments])
    capfd.readouterr()
    code = 0
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        patched.undo()
        # Of this process, so that it would be that of the tests after this one.
        progress.set_format(progress.LogFormat.TEXT)
    said = capfd.readouterr()
    return Ended(code, said.out, said.err)


def kill(pid: int) -> None:
    """A process and all that it started, at once, as a power cut would."""
    if not psutil.pid_exists(pid):
        return
    process = psutil.Process(pid)
    for each in [*process.children(recursive=True), process]:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
