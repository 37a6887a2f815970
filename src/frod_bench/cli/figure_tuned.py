"""Figures `rates` and `rows`: of searches for learning rates, and of runs with tuned rates."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from frod_bench.cli.runs import read_runs, warn
from frod_bench.cli.written import writing
from frod_bench.errors import RequestError
from frod_bench.record import FoundRuns, StoredRun, identity_of

_TUNE = "frod-bench tune --profile offline --methods frod,lora --tasks glue/sst2"


def rates(arguments: argparse.Namespace) -> list[Path]:
    """Draw the searches below the folders; return the files. Raises RequestError where there is none."""
    found = _found(arguments)
    from frod_bench.report import figure_rates  # matplotlib takes half a second
    from frod_bench.report.trials import by_search

    units = _units(arguments.folders)
    points = figure_rates.points(found.trials, found.runs, units)
    if without := by_search(found.trials).keys() - units:
        warn([f"{len(without)} searches have no result (tuned/**/*.json) there: 1 is the middle of their rates."])
    if not points:
        raise RequestError(f"No trial of a search there has ended. Make some: {_TUNE}")
    setting = _one_setting(found.trials)
    with writing(arguments.to):
        return figure_rates.draw(points, setting, arguments.to)


def rows(arguments: argparse.Namespace) -> list[Path]:
    """Draw the runs with tuned rates below the folders; return the files. Raises RequestError where there is none."""
    found = _found(arguments)
    from frod_bench.report import figure_rows  # matplotlib takes half a second

    lines = figure_rows.lines(found.runs)
    if not lines:
        raise RequestError(f"No run there has tuned rates (protocol=fair). Tune first: {_TUNE}")
    setting = _one_setting(run for by_rows in lines.values() for runs in by_rows.values() for run in runs)
    with writing(arguments.to):
        return figure_rows.draw(lines, setting, arguments.to)


def _found(arguments: argparse.Namespace) -> FoundRuns:
    """Return the runs and trials below the folders that match the options."""
    found = read_runs(arguments.folders, trials_too=True)
    warn(reason for _, reason in found.broken)

    def wanted(run: StoredRun) -> bool:
        record = run.record
        return arguments.task in (None, record.task) and arguments.profile in (None, record.profile)

    return FoundRuns(list(filter(wanted, found.runs)), list(filter(wanted, found.trials)))


def _one_setting(runs: Iterable[StoredRun]) -> str:
    """Return the setting that all runs share. Raises RequestError for several."""
    settings = {
        f"profile {r.profile}, backbone {r.backbone}, data {r.data['source']}" for r in (x.record for x in runs)
    }
    if len(settings) > 1:
        raise RequestError(
            f"A figure shows one setting, and there are {len(settings)}: {'; '.join(sorted(settings))}."
            " Give a smaller FOLDER or --profile."
        )
    return settings.pop()


def _units(folders: list[Path]) -> dict[str, dict[str, float]]:
    """Return the rates at multiplier 1 of every search whose result is below the folders, by the search's name."""
    from frod_bench.config.tuned import read_tuned  # Hydra takes a while

    units = {}
    for folder in folders:
        for tuned in map(read_tuned, sorted(folder.rglob("tuned/**/*.json"))):
            trial = tuned.trials[tuned.chosen]
            factor = {role: trial["multiplier"] * trial["factors"].get(role, 1) for role in tuned.lr}
            units[identity_of(tuned.settings)] = {role: rate / factor[role] for role, rate in tuned.lr.items()}
    return units
