"""A fingerprint of the files that a run has read."""

import hashlib


class Fingerprint:
    """Collect files; the digest depends on their names and bytes, not on the order of reading."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    def add(self, name: str, content: bytes) -> None:
        """Add a file; `name` is its path inside the source, wherever the source lies."""
        self._digests[name] = hashlib.sha256(content).hexdigest()

    def digest(self) -> str:
        """Return "sha256:" and the SHA-256, in hex, over a line "<its sha256>  <name>" for each file."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self._digests.items()))
        return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
