"""Logging to wandb, TensorBoard or Trackio through accelerate, which may watch a run but never break or delay one."""

import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from frod_bench.console import say
from frod_bench.errors import RequestError, did_you_mean
from frod_bench.record.identity import flat_items
from frod_bench.record.secrets import redact

Mode = Literal["disabled", "offline", "online"]
MODES: tuple[Mode, ...] = get_args(Mode)
TRACKERS = ("wandb", "tensorboard", "trackio")
_PACKAGES = {"wandb": ("wandb",), "tensorboard": ("tensorboard", "tensorboardX"), "trackio": ("trackio",)}
_CONNECT_TIMEOUT_S = 3.0
_INIT_TIMEOUT_S = 20.0
_PATIENCE_S = 30.0  # how long one call may take; unsent data of wandb stays on disk


def tracker_of(config: Mapping[str, Any]) -> str | None:
    """Return the tracker that a configuration asks for; `wandb.mode` on its own asks for wandb."""
    return config.get("tracker") or (None if config["wandb"]["mode"] == "disabled" else "wandb")


def check_tracker(config: Mapping[str, Any]) -> None:
    """Raise RequestError for values that are not accepted; older configurations have no key `tracker`."""
    name, wandb = config.get("tracker"), config["wandb"]
    if name not in (None, *TRACKERS):
        raise RequestError(f"tracker={name} is not known. {did_you_mean(str(name), TRACKERS)}")
    if wandb["mode"] not in MODES:
        raise RequestError(f"wandb.mode={wandb['mode']} is not known. {did_you_mean(str(wandb['mode']), MODES)}")
    if name not in (None, "wandb") and wandb["mode"] != "disabled":
        raise RequestError(f"wandb.mode={wandb['mode']} goes with tracker=wandb, not with tracker={name}.")
    if not isinstance(wandb["project"], str):
        raise RequestError(f"wandb.project={wandb['project']} is not accepted: the name of a project.")


def require_tracker(config: Mapping[str, Any]) -> None:
    """Raise RequestError for what `check_tracker` refuses, and, with the command to type, for a missing package."""
    check_tracker(config)
    name = tracker_of(config)
    if name is not None and not any(map(_is_installed, _PACKAGES[name])):
        raise RequestError(f"tracker={name} needs a package that is not installed. Type: pip install {name}")


class Tracker:
    """Send the metrics of a run to a tracker, in a thread of its own.

    A tracker that raises, or takes longer than half a minute for one call, is dropped with one notice.
    """

    def __init__(
        self, name: str | None, mode: Mode, project: str, run: str, config: Mapping[str, Any], directory: Path
    ) -> None:
        """Start `name`, nothing with None; `mode` is that of wandb, where `disabled` means online."""
        self.name = name
        self._lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._notices: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._call, self._since = "start", time.monotonic()  # what the thread does now
        self._watching = name is not None
        if name is not None:
            start = partial(_started, name, mode, project, run, _flat(config, str), directory, self._notices.put)
            threading.Thread(target=self._work, args=(start,), daemon=True, name="tracker").start()

    def log(self, line: dict[str, Any]) -> None:
        """Send one line of `metrics.jsonl`; returns at once."""
        self._lines.put(line)
        self._tell()

    def close(self) -> None:
        """End the tracker's run, waiting for what it still has to send as long as it makes progress."""
        self._lines.put(None)
        while self._watching and not self._ended.wait(0.05):
            self._tell()
        self._tell()
        self._watching = False

    def _tell(self) -> None:
        """Print the notices of the thread, and drop a tracker that hangs."""
        while self._watching and not self._notices.empty():
            say(self._notices.get())
        if self._watching and not self._ended.is_set() and time.monotonic() - self._since > _PATIENCE_S:
            self._watching = False
            say(f"{self.name} did not {self._call} within {_PATIENCE_S:.0f} s; the run goes on without it.")

    def _work(self, start: Callable[[], Any]) -> None:
        try:
            client = start()
            while (line := self._next()) is not None:
                self._call, self._since = "log", time.monotonic()
                grouped = {key.replace(".", "/", 1): value for key, value in _flat(line).items()}  # as pages group them
                client.log(grouped, step=line["step"])
            self._call, self._since = "finish", time.monotonic()
            client.finish()
        except BaseException as error:  # a library that calls sys.exit in its thread is no reason to be silent
            reason = f"{type(error).__name__}: {error}"
            self._notices.put(redact(f"{self.name} could not {self._call} ({reason}); the run goes on without it."))
        finally:
            self._ended.set()

    def _next(self) -> dict[str, Any] | None:
        self._since = float("inf")  # waiting is no hanging
        return self._lines.get()


def _started(
    name: str, mode: Mode, project: str, run: str, config: dict[str, Any], directory: Path, say_later: Any
) -> Any:
    """Return accelerate's tracker of that name, started, with the configuration stored."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    options: dict[str, Any] = {"name": run}
    place = project
    if name == "wandb":
        options |= _wandb_options(mode, directory, say_later)
    elif name == "tensorboard":
        place, options = "tensorboard", {"logging_dir": str(directory)}
    client: Any = LOGGER_TYPE_TO_CLASS[name](place, **options)
    client.start()
    client.store_init_configuration(config)
    return client


def _wandb_options(mode: Mode, directory: Path, say_later: Any) -> dict[str, Any]:
    import wandb

    mode = "online" if mode == "disabled" else mode
    if mode == "online" and (reason := _why_not_online()):
        say_later(f"wandb: {reason}; logging offline. Later: wandb sync {directory / 'wandb'}")
        mode = "offline"
    settings = wandb.Settings(
        init_timeout=_INIT_TIMEOUT_S,
        login_timeout=_INIT_TIMEOUT_S,
        finish_timeout=_PATIENCE_S - 5,
        silent=True,
        console="off",
    )
    return {"mode": mode, "dir": str(directory), "settings": settings}


def _flat(values: Mapping[str, Any], other: Any = None) -> dict[str, Any]:
    """Return the numbers by dotted key; `other` says what becomes of values that are none, left out by default."""
    found = {}
    for key, value in flat_items(values):
        if isinstance(value, int | float):
            found[key] = value
        elif other is not None and value is not None:
            found[key] = other(value)
    return found


def _is_installed(package: str) -> bool:
    if package in sys.modules:
        return sys.modules[package] is not None
    return find_spec(package) is not None


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
