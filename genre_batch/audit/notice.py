"""What an audit leaves beside the shards, so that whoever builds on them hears of it."""

import json
from typing import Any

from genre_batch.audit.checks import Check
from genre_batch.errors import Missing
from genre_batch.tables import storage

NAME = "_audit.json"

_TOLD = {
    Check.DUPLICATES: ("pair of duplicates", "pairs of duplicates"),
    Check.LABELS: ("of them under two labels", "of them under two labels"),
    Check.LEAKAGE: ("leak from one side of a split to the other", "leaks from one side of a split to the other"),
    Check.UNREADABLE: ("unreadable track", "unreadable tracks"),
    Check.CLIPPED: ("clipped track", "clipped tracks"),
    Check.SILENT: ("silent track", "silent tracks"),
    Check.TRUNCATED: ("truncated track", "truncated tracks"),
    Check.SHORT: ("very short track", "very short tracks"),
    Check.BALANCE: ("remark on balance", "remarks on balance"),
}


def told(findings: dict[str, int | None]) -> str:
    """Counts by check in words; `nothing` where all are 0 or not known."""
    said = [f"{n} {_TOLD[check][n != 1]}" for check in Check if (n := findings.get(check))]
    return ", ".join(said) or "nothing"


def leave(shards_url: str, figures: dict[str, Any], out: str) -> None:
    """Write it beside the shards. figures: of audit.json. Raises StoreUnreachable."""
    kept = {"findings": figures["findings"], "version": figures["version"], "made_at": figures["made_at"], "out": out}
    storage.write_bytes(_place(shards_url), json.dumps(kept, indent=2).encode())


def findings(shards_url: str, version: int | None = None) -> str | None:
    """One sentence on what the last audit of these shards found; None where there was none, or it found nothing.

    version: of the shards as they are now, so that the sentence can say that they have changed since. Raises StoreUnreachable.
    """
    try:
        kept = json.loads(storage.read_needed(_place(shards_url)))
    except Missing:
        return None
    if not any(kept["findings"].values()):
        return None
    since = "" if version in (None, kept["version"]) else f" (they have changed since: this is version {version})"
    return f"the audit of version {kept['version']} of these shards{since} found {told(kept['findings'])}: see {kept['out']}"


def _place(shards_url: str) -> str:
    return storage.join(storage.normal(shards_url), NAME)
