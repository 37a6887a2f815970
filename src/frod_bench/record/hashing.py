"""The name of a configuration: equal settings give equal digits, on any machine."""

import hashlib
import json
from typing import Any


def config_hash(config: dict[str, Any]) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of `config` as canonical JSON.

    Keys are sorted and floats written by `repr`, so the order of the keys does not matter, and 1 and 1.0
    differ. Raises ValueError for NaN or infinity, TypeError for what JSON has no form for.
    """
    canonical = json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
