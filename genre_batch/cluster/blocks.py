"""The rows of a Ray dataset, as they come."""

from collections.abc import Iterator

import pyarrow as pa
import ray
import ray.data


def blocks(dataset: ray.data.Dataset) -> Iterator[pa.Table]:
    """Each block when it is done, in no order; may be left before its end."""
    # Not iter_batches() nor iter_rows(): they hold each block back until the next has come, and left before their end they leave a thread
    # behind, which meets a Ray that has been shut down, whereupon the process exits (Ray 2.60).
    for bundle in dataset.iter_internal_ref_bundles():
        yield from ray.get(list(bundle.block_refs))
