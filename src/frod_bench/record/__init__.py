"""What a run leaves behind: its record, its metrics a line an epoch, and the directory that holds them."""

from frod_bench.record.counting import counting, leaves
from frod_bench.record.environment import environment
from frod_bench.record.found import FoundRuns, StoredRun, find_records
from frod_bench.record.hashing import config_hash
from frod_bench.record.schema import RunRecord
from frod_bench.record.secrets import redact
from frod_bench.record.store import RunDirectory

__all__ = [
    "FoundRuns",
    "RunDirectory",
    "RunRecord",
    "StoredRun",
    "config_hash",
    "counting",
    "environment",
    "find_records",
    "leaves",
    "redact",
]
