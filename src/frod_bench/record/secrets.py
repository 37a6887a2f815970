"""Find keys and tokens of this machine, to keep them out of records and messages."""

import os
import re
from pathlib import Path

_NAMES = re.compile(r"(TOKEN|API_?KEY|SECRET|PASSWORD)", re.IGNORECASE)
_SHAPES = re.compile(r"\b(hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{30,}|wandb_v1_[A-Za-z0-9_]{20,})\b")
_SHORTEST = 8  # characters; shorter values would hide ordinary words
_HIDDEN = "[secret]"


def redact(text: str) -> str:
    """Return the text with secrets replaced.

    Secrets are the values of environment variables named like one, the contents of the hub's token file, the passwords
    in the netrc file, and anything with the form of a token.
    """
    for secret in sorted(_known(), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return _SHAPES.sub(_HIDDEN, text)


def _known() -> set[str]:
    found = {value for name, value in os.environ.items() if _NAMES.search(name)}
    hub = Path(os.environ.get("HF_HOME", "~/.cache/huggingface"))
    found.add(_content(Path(os.environ.get("HF_TOKEN_PATH", hub / "token"))).strip())
    netrc = _content(Path(os.environ.get("NETRC", "~/.netrc")))
    found |= set(re.findall(r"\bpassword\s+(\S+)", netrc))
    return {secret for secret in found if len(secret) >= _SHORTEST}


def _content(file: Path) -> str:
    try:
        return file.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, RuntimeError):
        return ""
