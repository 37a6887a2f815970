"""`log.txt` of a run: what it printed, its warnings and the traceback of a failure, each with its time."""

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from frod_bench.console import heard_by
from frod_bench.escape import visible
from frod_bench.files import append_text
from frod_bench.record.secrets import redact


class RunLog:
    """Lines of a run. They are held back until `start`, so that a run that is refused leaves no file.

    The file is appended to, so a resumed run goes on in it. A line that cannot be written is dropped: a log ends no
    run.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._held: list[str] | None = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Write the lines held back so far, and from now on every line at once."""
        with self._lock:
            held, self._held = self._held, None
        if held:
            self._append("".join(held))

    def line(self, text: str) -> None:
        """Add a text with the time; its secrets and control characters are replaced, further lines are indented."""
        stamp = datetime.now().astimezone().isoformat(timespec="seconds")
        escaped = visible(redact(text.rstrip())).replace("\n", "\n    ")
        entry = f"{stamp} {escaped}\n"
        with self._lock:
            if self._held is not None:
                self._held.append(entry)
                return
        self._append(entry)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Record what the block prints, and the warnings of Python and logging, which still appear as before."""
        shown = warnings.showwarning

        def note(message: Any, category: Any, *where: Any, **more: Any) -> None:
            self.line(f"{category.__name__}: {message}")
            shown(message, category, *where, **more)

        handler = _Noted(self)
        loggers = [logging.getLogger(), *_apart()]
        with heard_by(self.line):
            warnings.showwarning = note
            for logger in loggers:
                logger.addHandler(handler)
            try:
                yield
            finally:
                warnings.showwarning = shown
                for logger in loggers:
                    logger.removeHandler(handler)

    def _append(self, text: str) -> None:
        with contextlib.suppress(OSError):
            append_text(self.file, text)


class _Noted(logging.Handler):
    """Add warnings and errors of libraries to a log."""

    def __init__(self, log: RunLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):  # a message that cannot be formatted
            self._log.line(f"{record.levelname} {record.name}: {record.getMessage()}")
        if logging.lastResort is not None and not self._others(logging.getLogger(record.name)):
            logging.lastResort.handle(record)  # as it would be without this handler

    def _others(self, logger: logging.Logger | None) -> bool:
        """Return whether the logger or one above it has another handler."""
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return True
            logger = logger.parent if logger.propagate else None
        return False


def _apart() -> list[logging.Logger]:
    """Return the loggers, such as transformers', whose messages do not reach the root."""
    known = list(logging.root.manager.loggerDict.values())
    return [logger for logger in known if isinstance(logger, logging.Logger) and not logger.propagate]
