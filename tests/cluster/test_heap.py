"""Memory that comes and goes does not come from the system each time."""

import subprocess
import sys

FAULTS = """
import resource, sys
import numpy as np
from genre_batch.cluster import heap
if sys.argv[1] == "kept":
    heap.keep_freed()

def work():
    for _ in range(20):
        blocks = [np.ones(500_000, np.float32) for _ in range(4)]
        del blocks

work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True).stdout)


def test_freed_memory_is_kept():
    # Four times two megabytes, twenty times, are 39,000 pages.
    assert faults("given back") > 5_000
    assert faults("kept") < 500
