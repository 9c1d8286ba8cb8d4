"""What listing a library costs: objects a CPU second, and the most memory its process ever held.

The same made-up catalog as in benchmarks.plan, listed five ways, each by a fresh process: page by page from an S3 server (one on the
loopback that makes up its answers, so that all that is measured is the client), from an S3 Inventory in Parquet and in CSV, from a
listing made before, and from a disk of empty files (a tenth of the objects).
"""

import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote_plus, urlsplit
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import report
from benchmarks.plan import PART, as_markdown, etags, names, peak_mb
from genre_batch.choices import Layout
from genre_batch.tables import library

PAGE = 1000
WHEN = "2026-09-21T12:26:40.000Z"
SIZE = 4_000_000
WAYS = ("S3", "S3 Inventory, Parquet", "S3 Inventory, CSV", "a listing made before", "disk")


def main() -> None:
    options = report.parser(__doc__)
    options.add_argument(
        "--objects", type=int, default=1_000_000, metavar="N", help="objects of the catalog (default 1,000,000)"
    )
    options.add_argument("--measure", nargs=2, metavar=("URL", "FOLDER"), help="list once and print the figures (used within)")
    options.add_argument("--serve", action="store_true", help="be the S3 server (used within)")
    asked = options.parse_args()
    if asked.serve:
        serve(asked.objects)
        return
    if asked.measure:
        print(json.dumps(measured(*asked.measure)))
        return
    rows = []
    for way in WAYS:
        with tempfile.TemporaryDirectory() as folder:
            n = asked.objects // 10 if way == "disk" else asked.objects
            rows.append({"from": way, "objects": n, **in_a_fresh_process(way, folder, n)})
    report.show("A listing", rows, asked.json)
    print("\n".join(as_markdown(rows)))


def in_a_fresh_process(way: str, folder: str, n: int) -> dict[str, float]:
    if way != "S3":
        return listed(made(way, folder, n), folder, {})
    command = [sys.executable, "-m", "benchmarks.listing", "--serve", "--objects", str(n)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            endpoint = server.stdout.readline().strip()
            known = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_EC2_METADATA_DISABLED": "true"}
            return listed("s3://catalog/music", folder, {"AWS_ENDPOINT_URL": endpoint} | known)
        finally:
            server.terminate()


def listed(url: str, folder: str, environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.listing", "--measure", url, folder]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    found: dict[str, float] = json.loads(ended.stdout)
    return found


def measured(url: str, folder: str) -> dict[str, float]:
    started, cpu = time.monotonic(), time.process_time()
    listing = library.write(url, Layout.TREE, os.path.join(folder, "listing.parquet"))
    spent = time.process_time() - cpu
    return {
        "rows": listing.rows,
        "seconds": time.monotonic() - started,
        "CPU seconds": spent,
        "objects a CPU second": listing.rows / spent,
        "peak MB": peak_mb(),
        "bytes an object": os.path.getsize(listing.path) / max(1, listing.rows),
    }


def made(way: str, folder: str, n: int) -> str:
    """The catalog in a form that can be listed. Returns its URL."""
    if way == "disk":
        for name in (name for some, _ in objects(n) for name in some):
            path = Path(folder, "music", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return os.path.join(folder, "music")
    url = inventory(folder, n, "CSV" if way == "S3 Inventory, CSV" else "Parquet")
    if way != "a listing made before":
        return url
    return library.write(url, Layout.TREE, os.path.join(folder, "made.parquet")).path


def objects(n: int) -> Iterator[tuple[list[str], list[str]]]:
    """Names and etags, some at a time."""
    for begin in range(0, n, PART):
        index = np.arange(begin, min(begin + PART, n))
        yield names(index).to_pylist(), etags(index, 0).to_pylist()


def inventory(folder: str, n: int, kind: str) -> str:
    """As AWS writes it."""
    files = []
    for i, (some, tags) in enumerate(objects(n)):
        key = f"data/{i}.{'csv.gz' if kind == 'CSV' else 'parquet'}"
        path = Path(folder, key)
        path.parent.mkdir(exist_ok=True)
        if kind == "CSV":
            lines = (
                f'"catalog","{quote_plus("music/" + name, safe="/")}","{SIZE}","{WHEN}","{tag}"\n'
                for name, tag in zip(some, tags, strict=True)
            )
            path.write_bytes(gzip.compress("".join(lines).encode(), 6))
        else:
            when = pa.array(np.full(len(some), 1_790_000_800_000), pa.timestamp("ms", tz="UTC"))
            columns = {"bucket": ["catalog"] * len(some), "key": [f"music/{name}" for name in some], "size": [SIZE] * len(some)}
            pq.write_table(pa.table(columns | {"last_modified_date": when, "e_tag": tags}), path)
        files.append({"key": key, "MD5checksum": hashlib.md5(path.read_bytes()).hexdigest()})
    said = {"sourceBucket": "catalog", "destinationBucket": "arn:aws:s3:::reports", "fileFormat": kind, "files": files}
    manifest = Path(folder, "manifest.json")
    manifest.write_text(json.dumps(said | {"fileSchema": "Bucket, Key, Size, LastModifiedDate, ETag"}))
    return str(manifest)


def serve(n: int) -> None:
    """Answer list_objects_v2 until this process is ended; the address goes to standard output."""

    class Pages(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            body = page(int(asked.get("continuation-token", ["0"])[0]), n).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Pages)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    worker = threading.Thread(target=server.serve_forever)
    worker.start()
    worker.join()


def page(begin: int, n: int) -> str:
    index = np.arange(begin, min(begin + PAGE, n))
    contents = "".join(
        f"<Contents><Key>{escape(quote_plus('music/' + name, safe='/'))}</Key><LastModified>{WHEN}</LastModified>"
        f"<ETag>&quot;{tag}&quot;</ETag><Size>{SIZE}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for name, tag in zip(names(index).to_pylist(), etags(index, 0).to_pylist(), strict=True)
    )
    more = f"<NextContinuationToken>{begin + PAGE}</NextContinuationToken>" if begin + PAGE < n else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>catalog</Name><Prefix>music/</Prefix><KeyCount>{len(index)}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
        f"<EncodingType>url</EncodingType><IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}{contents}</ListBucketResult>"
    )


if __name__ == "__main__":
    main()
