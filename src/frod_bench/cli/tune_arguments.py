"""The arguments of a search for learning rates, which `tune`, `table` and `plan` share."""

import argparse
import math

from frod_bench.errors import RequestError, did_you_mean
from frod_bench.grid.search import GridSearch, Search, TpeSearch
from frod_bench.grid.tables import TableSpec
from frod_bench.grid.tune import TRIAL_SEED, Arm, Axes, compose_arms


def add_search_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a search."""
    group = parser.add_argument_group("search for learning rates, the same for every method")
    add = group.add_argument
    add("--trials", type=int, default=7, metavar="N", help="trials of every method on every task (default: 7)")
    add("--per-decade", type=float, default=2, metavar="N", help="multipliers per factor of ten (default: 2)")
    add("--search", default="grid", choices=["grid", "tpe"], help="tpe: Optuna's, with as many trials (default: grid)")
    add("--extend", type=int, default=0, metavar="N", help="N times two more trials, beyond an end or near the best")
    add("--axis", action="append", default=[], metavar="METHOD:ROLE=F,…", help="also try these factors for one role")


def is_fair(table: TableSpec, words: list[str]) -> bool:
    """Return whether the cells of the table take tuned rates."""
    typed = [word for word in words if word.startswith("protocol=")]
    return "protocol=fair" in (typed or next(iter(table.rows.values())))


def requested_search(arguments: argparse.Namespace) -> Search:
    """Return the search. Raises RequestError for a number out of range."""
    if arguments.trials < 1:
        raise RequestError(f"--trials {arguments.trials} is not accepted: a whole number of 1 or more is.")
    if not 0 < arguments.per_decade < math.inf:
        raise RequestError(f"--per-decade {arguments.per_decade} is not accepted: a number above 0 is.")
    if arguments.extend < 0:
        raise RequestError(f"--extend {arguments.extend} is not accepted: a whole number of 0 or more is.")
    if arguments.search == "grid":
        return GridSearch(arguments.trials, arguments.per_decade, arguments.extend)
    if arguments.extend:
        raise RequestError("--extend is for --search grid. Raise --trials instead.")
    return TpeSearch(arguments.trials, arguments.per_decade)


def requested_arms(table: TableSpec, arguments: argparse.Namespace, seeds: str | None = None) -> list[Arm]:
    """Return what has to be tuned for the table. Raises RequestError for a value that no run accepts."""
    axes = _axes(arguments.axis)
    arms = compose_arms(table, arguments.profile, seeds or TRIAL_SEED, arguments.words, axes)
    known = {name for arm in arms for name in (arm.cells[0].row, arm.cells[0].config["method"]["name"])}
    for name, own in axes.items():
        if name not in known:
            raise RequestError(f"--axis {name}:… is not one of the methods. {did_you_mean(name, known)}")
        roles = {role for arm in arms if arm.axis is own for role in arm.cells[0].config["train"]["lr"]}
        for role in own:
            if role not in roles:
                raise RequestError(f"--axis {name}:{role}=… is no role of that method. {did_you_mean(role, roles)}")
    return arms


def _axes(texts: list[str]) -> Axes:
    axes: dict[str, dict[str, list[float]]] = {}
    for text in texts:
        name, _, rest = text.rpartition(":")
        role, _, values = rest.partition("=")
        try:
            factors = [float(value) for value in values.split(",")]
        except ValueError:
            factors = []
        if not name or not role or not factors or not all(0 < factor < math.inf for factor in factors):
            raise RequestError(f"--axis {text} is not accepted. Write a method, a role and factors: frod:sparse=0.3,1.")
        axes.setdefault(name, {})[role] = factors
    return axes
