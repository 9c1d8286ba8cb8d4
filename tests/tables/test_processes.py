"""Whether another process lives, as far as that can be known."""

import os
import subprocess
import sys

import pytest

from genre_batch.tables import processes


def test_this_process_lives():
    assert processes.lives(processes.mine()) is True


@pytest.mark.parametrize("name", [None, 7, "", "another-boot:pid:[1]:1:1"])
def test_of_others_nobody_knows(name: object):
    assert processes.lives(name) is None


def test_a_later_process_of_the_same_number_is_another():
    mine = processes.mine()
    assert mine is not None
    assert processes.lives(f"{mine}0") is False
    assert processes.lives(mine.replace(f":{os.getpid()}:", ":999999999:")) is False


def test_one_that_ended_does_not_live_though_nobody_has_asked_yet():
    code = "from genre_batch.tables import processes; print(processes.mine(), flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    assert processes.lives(name) is True
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert processes.lives(name) is False
    child.wait()
    assert processes.lives(name) is False
