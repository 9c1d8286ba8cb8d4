"""What tables need from time to time: small files made into few, and what nobody has read for long taken away.

A version is kept for as long as it was the newest one, and `keep_s` longer: whoever opened it may read it for so long.
"""

import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from deltalake import CommitProperties, DeltaTable

from genre_batch.errors import UsageError
from genre_batch.tables import delta, lock, storage

SHORTEST_KEEP_S = 3600
"""As long as a reader may need; and a part that no version holds yet may be one that somebody is about to commit."""
RETENTION = ("delta.deletedFileRetentionDuration", "delta.logRetentionDuration")
LOG = "_delta_log"


@dataclass(frozen=True)
class Maintained:
    """What became of a table: files of the newest version, bytes of files that were removed, and the versions that can be read."""

    table: str
    files_before: int
    files_after: int
    freed: int
    oldest_version: int
    newest_version: int


def maintain(url: str, *, keep_s: float, target_bytes: int, any_keep: bool = False) -> Iterator[Maintained]:
    """One table after the other, under the lock. Raises UsageError, TablesHeld if a run holds the tables, StoreUnreachable.

    any_keep: allows less than an hour, for tables that nobody else reads or writes.
    """
    if keep_s < SHORTEST_KEEP_S and not any_keep:
        raise UsageError("what is kept for less than 1h may be taken away while somebody reads it; --any-keep allows it")
    url, run_id = storage.normal(url), f"maintain-{secrets.token_hex(3)}"
    if not any(delta.open_table(url, name) for name in delta.TABLES):
        raise UsageError(f"{url} holds no tables ({', '.join(delta.TABLES)})")
    with lock.held(url, run_id) as mine:
        for name in delta.TABLES:
            if (table := delta.open_table(url, name)) is not None:
                mine.still_mine()
                with delta.reaching(storage.join(url, name)):
                    yield _maintained(table, storage.join(url, name), name, run_id, math.ceil(keep_s), target_bytes)


def _maintained(table: DeltaTable, place: str, name: str, run_id: str, keep_s: int, target_bytes: int) -> Maintained:
    said = CommitProperties(custom_metadata={"run_id": run_id}, max_commit_retries=0)
    before = len(table.file_uris())
    _keep_for(table, keep_s, said)
    # In the order in which parts were committed, which is that of the keys. Not z_order(): it writes everything anew, holds all of it
    # in memory, and sorts by the first 16 bytes alone, which paths have in common.
    table.optimize.compact(target_size=target_bytes, max_concurrent_tasks=1, commit_properties=said)
    sizes = {found.uri.removeprefix(f"{place}/"): found.size for found in storage.walk(place)}
    removed = table.vacuum(dry_run=False, full=True, commit_properties=said)
    table.update_incremental()
    table.create_checkpoint()
    table.cleanup_metadata()
    return Maintained(
        name,
        before,
        len(table.file_uris()),
        sum(sizes.get(path, 0) for path in removed),
        _oldest(place, keep_s),
        table.version(),
    )


def _keep_for(table: DeltaTable, keep_s: int, said: CommitProperties) -> None:
    """A property of the table: what removes log entries with later commits, and other programs that vacuum, go by it too."""
    kept = dict.fromkeys(RETENTION, f"interval {keep_s} seconds")
    if not kept.items() <= table.metadata().configuration.items():
        table.alter.set_table_properties(kept, commit_properties=said)


def _oldest(place: str, keep_s: int) -> int:
    """The version that was the newest when the time began that is kept. By the clock of the store, whose time the newest entry tells."""
    log = list(storage.walk(storage.join(place, LOG)))
    now = max(entry.modified_at for entry in log)
    names = ((entry, entry.uri.rsplit("/", 1)[1].removesuffix(".json")) for entry in log)
    versions = {int(name): (now - entry.modified_at).total_seconds() for entry, name in names if name.isdecimal()}
    return max((version for version, age_s in versions.items() if age_s > keep_s), default=min(versions))
