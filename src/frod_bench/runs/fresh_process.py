"""Runs in their own processes, so that neither memory nor random state of one run reaches the next."""

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, NamedTuple, cast

from frod_bench.errors import Interrupted, RequestError, RunFailure

# imported only when needed, which takes two thirds of the time of a small run
_LATE = ("evaluate", "peft", "sklearn.metrics", "torchvision")


class Outcome(NamedTuple):
    """How a run ended: its exit code as a command, and the reason when that is not 0."""

    code: int
    reason: str | None


class FreshProcesses:
    """Start one process per run. Without a GPU it is forked from a process that has imported what the runs need.

    With a GPU it is a new interpreter, because a process whose libraries have touched the device must not be forked.
    """

    def __init__(self, job: Callable[[dict[str, Any]], Any], configs: Iterable[dict[str, Any]]):
        """`job` runs one configuration and must be importable by name. `configs` decide what to import beforehand."""
        import torch

        self._job = job
        self._context = cast(Any, multiprocessing.get_context("spawn" if torch.cuda.is_available() else "forkserver"))
        modules = {job.__module__, *_LATE}
        for config in configs:
            modules |= {config[part]["_target_"].rpartition(".")[0] for part in ("backbone", "task")}
            modules.add(f"frod_bench.methods.{config['method']['name']}")
        self._context.set_forkserver_preload(sorted(modules))
        first = self._context.Process(target=int)  # waits for the imports, so that no run is charged for them
        first.start()
        first.join()

    def run(self, configs: Iterable[dict[str, Any]], jobs: int = 1) -> Generator[tuple[int, Outcome], None, None]:
        """Run every configuration; yield its number and outcome when it has ended, whether it failed or not.

        A configuration is taken from `configs` when its run starts. With several `jobs` at a time, each gets an equal
        part of the threads and prints nothing. A SIGINT or SIGTERM is passed on to the runs as one SIGTERM, on which
        they write checkpoints; then KeyboardInterrupt or Interrupted is raised. A second signal kills the runs.
        """
        numbered = enumerate(configs)
        running: dict[Any, tuple[int, Any]] = {}  # by pipe
        with _sigterm_raised():
            try:
                while True:
                    for number, config in itertools.islice(numbered, jobs - len(running)):
                        process, pipe = self._start(config, jobs)
                        running[pipe] = number, process
                    if not running:
                        return
                    for pipe in wait(list(running)):
                        number, process = running[pipe]
                        outcome = _wait(process, pipe)
                        del running[pipe]
                        yield number, outcome
            except BaseException:
                for _, process in running.values():
                    process.terminate()
                for pipe, (_, process) in running.items():
                    _wait(process, pipe)
                raise
            finally:
                for _, process in running.values():
                    process.kill()

    def _start(self, config: dict[str, Any], jobs: int) -> tuple[Any, Any]:
        here, there = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_run, args=(self._job, config, dict(os.environ), there, jobs))
        process.start()
        there.close()
        return process, here


def _wait(process: Any, outcome: Any) -> Outcome:
    """Wait for the run to end and return its outcome, read from its pipe even if the fork server is gone."""
    try:
        found = outcome.recv()
    except EOFError:
        found = None
    process.join()
    return found or Outcome(1, _killed(process.exitcode))


@contextlib.contextmanager
def _sigterm_raised() -> Iterator[None]:
    """Raise Interrupted on a SIGTERM inside the block; does nothing outside the main thread."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted("SIGTERM; the same command resumes from the last checkpoint.", number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(
    job: Callable[[dict[str, Any]], Any],
    config: dict[str, Any],
    environment: dict[str, str],
    outcome: Connection,
    jobs: int,
) -> None:
    os.setpgrp()  # a terminal's Ctrl-C reaches only the parent, which passes it on once
    os.environ.update(environment)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if jobs > 1:
        _share_cores(jobs)
    try:
        job(config)
    except RequestError as error:
        outcome.send(Outcome(2, str(error)))
    except RunFailure as error:
        outcome.send(Outcome(1, str(error)))
    except Interrupted as stop:
        outcome.send(Outcome(128 + stop.signum, str(stop)))
    else:
        outcome.send(Outcome(0, None))


def _share_cores(jobs: int) -> None:
    """Use 1 / `jobs` of the threads and print nothing, since the output of several runs would mix."""
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _end_with_parent() -> None:
    """End this process when its parent is killed, so that a restarted table is the only writer."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(130)


def _killed(code: int) -> str:
    if code >= 0:
        return f"The process exited with code {code} before the run had ended."
    name = signal.Signals(-code).name
    hint = " (the system does this when memory runs out)" if name == "SIGKILL" else ""
    return f"The process was killed by {name}{hint}."
