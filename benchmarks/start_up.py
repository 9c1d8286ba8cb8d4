"""What a run does before its first track and after its last, on a machine where nothing of it runs yet."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import whole_job
from benchmarks.sessions import session
from genre_batch.choices import Layout
from genre_batch.models import bundle as bundles
from genre_batch.tables import library, plan


def measure(folder: Path, catalog: str, bundle: str, slots: int) -> list[dict[str, Any]]:
    """Seconds of each step, in order; listing and plan also by themselves, once more after the run."""
    importing = timed(lambda: subprocess.run([sys.executable, "-c", "import genre_batch.cluster.label"], check=True))
    began = time.monotonic()
    with session(slots):
        ray_s = time.monotonic() - began
        job = whole_job.run(catalog, bundle, str(folder / "start-up"), slots)
        began = time.monotonic()
    ending = time.monotonic() - began
    found = bundles.load(bundle)
    with tempfile.TemporaryDirectory() as place:
        began = time.monotonic()
        listing = library.write(catalog, Layout.TREE, f"{place}/listing.parquet")
        listing_s = time.monotonic() - began
        planning_s = timed(
            lambda: plan.for_labels(
                listing,
                str(folder / "nothing"),
                bundle_id=found.bundle_id,
                front_end=found.front_end.digest,
                relabel=None,
                folder=place,
            )
        )
    last = max(call.ended for call in job.calls)
    steps = {
        "import": importing,
        "start of Ray": ray_s,
        "lock, bundle, listing, plan": job.started - job.asked,
        f"of which listing of {job.tracks} files": listing_s,
        "of which plan": planning_s,
        "first worker ready: process, import, model": job.began - job.started,
        "work": last - job.began,
        "last commit": job.finished - last,
        "lock given back": job.returned - job.finished,
        "end of Ray": ending,
    }
    return [{"step": name, "s": seconds} for name, seconds in steps.items()]


def timed(work: Any) -> float:
    """Seconds on the clock."""
    began = time.monotonic()
    work()
    return time.monotonic() - began
