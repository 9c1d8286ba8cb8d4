"""Ray, started on this machine or joined where it runs."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.data import DataContext


@contextmanager
def session() -> Iterator[None]:
    """Join the cluster of RAY_ADDRESS (as `ray job submit` sets it), else start Ray on this machine and end it afterwards."""
    if ray.is_initialized():
        _quiet()
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Token authentication is what we want; Ray warns of it at every start.
    logging.getLogger("ray._private.authentication.authentication_token_setup").setLevel(logging.ERROR)
    joined = "RAY_ADDRESS" in os.environ
    if not joined:
        # This machine is not taken away with a warning; each training would start a process that waits for it.
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    options = {} if joined else {"address": "local", "include_dashboard": False, "log_to_driver": False}
    stop = signal.getsignal(signal.SIGTERM)
    ray.init(logging_level=logging.WARNING, **options)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)  # Ray puts its own in place
    _quiet()
    try:
        yield
    finally:
        ray.shutdown()


def cpus() -> int:
    """CPUs of the whole cluster, at least 1."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def memory() -> int:
    """Bytes that the cluster's tasks may take, as Ray counts them."""
    return int(ray.cluster_resources().get("memory", 0))


def gpus() -> int:
    return int(ray.cluster_resources().get("GPU", 0))


def _quiet() -> None:
    """Ray Data's bars and plans give way to one line of progress of our own, its wrapped errors to the errors themselves."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # Wrapped in one of Ray's own, an exception would lose what it is on its way here.
    context.raise_original_map_exception = True
    for name in ("ray.data", "ray.train", "ray.tune"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Its one line says how to turn on the bars that were just turned off.
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
