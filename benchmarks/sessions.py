"""Ray on this machine with as many slots as a benchmark asks for."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from genre_batch.cluster import session as sessions


@contextmanager
def session(slots: int) -> Iterator[None]:
    """As genre_batch.cluster.session starts it on a machine with so many cores; the job then joins it."""
    os.environ.pop("RAY_ADDRESS", None)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    logging.getLogger("ray._private.authentication.authentication_token_setup").setLevel(logging.ERROR)
    ray.init(address="local", num_cpus=slots, include_dashboard=False, log_to_driver=False, logging_level=logging.WARNING)
    try:
        with sessions.session():
            yield
    finally:
        ray.shutdown()
