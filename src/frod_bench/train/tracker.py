"""Logging to wandb, which may watch a run but never break or delay one."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from frod_bench.console import say
from frod_bench.record.secrets import redact

Mode = Literal["disabled", "offline", "online"]
MODES: tuple[Mode, ...] = get_args(Mode)
_CONNECT_TIMEOUT_S = 3.0
_INIT_TIMEOUT_S = 30.0
_FINISH_TIMEOUT_S = 60.0  # also when the server stops answering; unsent data stays on disk


class Tracker:
    """Send the metrics of a run to wandb. A failure of wandb prints one notice and ends the logging, not the run."""

    def __init__(self, mode: Mode, project: str, name: str, config: dict[str, Any], directory: Path):
        self._run = None
        if mode == "disabled":
            return
        if mode == "online" and (reason := _why_not_online()):
            say(f"wandb: {reason}; logging offline. Later: wandb sync {directory / 'wandb'}")
            mode = "offline"
        with self._guarded("could not start"):
            import wandb

            settings = wandb.Settings(
                init_timeout=_INIT_TIMEOUT_S,
                login_timeout=_INIT_TIMEOUT_S,
                finish_timeout=_FINISH_TIMEOUT_S,
                silent=True,
                console="off",
            )
            self._run = wandb.init(
                mode=mode, project=project, name=name, config=config, dir=str(directory), settings=settings
            )

    def log(self, line: dict[str, Any]) -> None:
        """Send one line of `metrics.jsonl`."""
        if self._run is not None:
            with self._guarded("could not log"):
                self._run.log(line, step=line["step"])

    def close(self) -> None:
        """End the wandb run."""
        if self._run is not None:
            with self._guarded("could not finish"):
                self._run.finish()

    @contextlib.contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            say(redact(f"wandb {what} ({type(error).__name__}: {error}); the run goes on without it."))
            self._run = None


def _why_not_online() -> str | None:
    server = urlsplit(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai")
    try:
        address = (server.hostname, server.port or (80 if server.scheme == "http" else 443))
        socket.create_connection(address, timeout=_CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError):
        return "no network"
    if os.environ.get("WANDB_API_KEY"):
        return None
    try:
        netrc = Path(os.environ.get("NETRC", "~/.netrc")).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, RuntimeError):  # none, no text, or no home
        netrc = ""
    return None if "wandb" in netrc else "not logged in"
