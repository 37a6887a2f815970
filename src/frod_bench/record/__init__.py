"""The results of a run: its record, its metrics per epoch, and the directory that holds them."""

from frod_bench.record.environment import environment
from frod_bench.record.find import FoundRuns, StoredRun, find_records
from frod_bench.record.identity import identity_of, settings_of, weights_of
from frod_bench.record.places import default_directory, output_root
from frod_bench.record.schema import REMARKS, RunRecord
from frod_bench.record.secrets import redact
from frod_bench.record.store import RunDirectory

__all__ = [
    "REMARKS",
    "FoundRuns",
    "RunDirectory",
    "RunRecord",
    "StoredRun",
    "default_directory",
    "environment",
    "find_records",
    "identity_of",
    "output_root",
    "redact",
    "settings_of",
    "weights_of",
]
