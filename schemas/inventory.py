"""What is in a library: one row a track. A listing, not a Delta table; also the form of a manifest."""

import pyarrow as pa

NAME = "inventory"
KEY = ["track_id"]

ARROW = pa.schema(
    [
        pa.field("track_id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("genre", pa.string()),
        pa.field("artist", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("modified_at", pa.timestamp("us", tz="UTC")),
        pa.field("etag", pa.string()),
        # Changes when the bytes may have: the store's etag, else size and time; `missing` where nothing is there.
        pa.field("content_version", pa.string(), nullable=False),
    ]
)
