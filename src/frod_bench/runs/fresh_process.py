"""A run in a process of its own, so that neither memory nor random state of one run reaches the next."""

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, NamedTuple

from frod_bench.errors import Interrupted, RequestError, RunFailure

# what a run imports only when it needs it: two thirds of the time of a small one
_LATE = ("evaluate", "peft", "sklearn.metrics", "torchvision")


class Outcome(NamedTuple):
    """How a run ended: the exit code that it would have as a command, and the reason when that is not 0."""

    code: int
    reason: str | None


class FreshProcesses:
    """Starts a process a run. Without a GPU it is forked from one that has imported what the runs need.

    With a GPU it is a new interpreter, as a library that touches the device on import must not be forked.
    """

    def __init__(self, job: Callable[[dict[str, Any]], Any], configs: Iterable[dict[str, Any]]):
        """`job` runs one configuration; a process imports it by its name. `configs` tell what to import beforehand."""
        import torch

        self._job = job
        self._context: Any = multiprocessing.get_context("spawn" if torch.cuda.is_available() else "forkserver")
        modules = {job.__module__, *_LATE}
        for config in configs:
            modules |= {config[part]["_target_"].rpartition(".")[0] for part in ("backbone", "task")}
            modules.add(f"frod_bench.methods.{config['method']['name']}")
        self._context.set_forkserver_preload(sorted(modules))
        first = self._context.Process(target=int)  # it waits for the imports, which are then nobody's time
        first.start()
        first.join()

    def run(self, configs: Iterable[dict[str, Any]], jobs: int = 1) -> Iterator[tuple[int, Outcome]]:
        """Run every configuration to its end, however that ends; yield its number and how it ended.

        A configuration is asked for when its run begins. Of `jobs` at a time each has its share of the threads, and
        what they print is left out. A SIGINT or SIGTERM here is passed on as one SIGTERM, upon which the runs write
        their checkpoints; then KeyboardInterrupt or Interrupted is raised. A second signal ends the runs at once.
        """
        numbered, running = enumerate(configs), {}
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

    def _start(self, config: dict[str, Any], jobs: int) -> tuple[Any, Connection]:
        here, there = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_run, args=(self._job, config, dict(os.environ), there, jobs))
        process.start()
        there.close()
        return process, here


def _wait(process: Any, outcome: Connection) -> Outcome:
    """Return how the run ended once it has; its pipe tells, even when the server that forked it is gone."""
    try:
        found = outcome.recv()
    except EOFError:
        found = None
    process.join()
    return found or Outcome(1, _killed(process.exitcode))


@contextlib.contextmanager
def _sigterm_raised() -> Iterator[None]:
    """Raise Interrupted for a SIGTERM inside the block, where this thread may listen to signals."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted("SIGTERM; the same command goes on from the last checkpoint.", number)

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
    os.setpgrp()  # a terminal's Ctrl-C reaches the parent alone, which passes it on once
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
    """Take one of `jobs` parts of the threads, and print nothing: lines of several runs would mingle."""
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() // jobs))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _end_with_parent() -> None:
    """End this process when its parent is killed: a restarted table must be the only one to write."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(130)


def _killed(code: int) -> str:
    if code >= 0:
        return f"The process ended with exit code {code} before the run did."
    name = signal.Signals(-code).name
    hint = " (the system does so when memory runs out)" if name == "SIGKILL" else ""
    return f"The process was ended by {name}{hint}."
