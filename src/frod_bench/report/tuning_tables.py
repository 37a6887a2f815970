"""What the learning rates of a fair comparison cost, and what fewer trials would have found."""

from frod_bench.report.expected_best import expected_best
from frod_bench.report.summary import Row, Section
from frod_bench.report.table import Column, Table, percent
from frod_bench.report.trials import cost, trials_of

_SIZES = (1, 3, 5, 7)  # trials

_NAMES = (Column("task", align="left"), Column("method", align="left"))
_COSTS = (
    *_NAMES,
    *(Column("score", percent), Column("runs"), Column("hours", "{:.3g}".format), Column("FLOPs", "{:.2e}".format)),
    *(Column("trials"), Column("diverged"), Column("hours of trials", "{:.3g}".format)),
    Column("FLOPs of trials", "{:.2e}".format),
)


def costs(section: Section) -> list[Table]:
    """Return every score with the cost of its runs and of the search for its rates, [] unless the rates were tuned."""
    if section.setting.protocol != "fair":
        return []
    rows = [
        (row.task, row.method, getattr(row, section.reported).mean, row.seeds, *cost_values(row))
        for row in section.rows
    ]
    notes = [
        f"score: {section.reported}, mean over the runs. hours: wall clock of all runs together, on their machine and"
        " with what else ran there. FLOPs: of training, as counted in a typical step of each epoch. A trial that"
        " diverged counts up to its last complete epoch."
    ]
    if any(not row.trials for row in section.rows):
        notes.append("—: the trials of that search are not in the folders that were read.")
    return [Table(_COSTS, rows, "What the scores cost", notes, "costs")]


def cost_values(row: Row) -> tuple[float | int | None, ...]:
    """Return hours and FLOPs of a row's runs, then trials, diverged ones, hours and FLOPs of its search if stored."""
    runs, trials = cost(row.runs), trials_of(row.trials)
    search = cost(row.trials)
    known = (len(trials), sum(trial.diverged for trial in trials), search.hours, search.flops)
    return (runs.hours, runs.flops, *(known if trials else (None,) * len(known)))


def best_after_trials(section: Section) -> Table:
    """Return the expected best held-out score after a few trials of every search, and after all of them."""
    rows = []
    for row in section.rows:
        trials = trials_of(row.trials)
        scores = [trial.score or 0.0 for trial in trials]
        if scores:
            after = [expected_best(scores, size) if size <= len(scores) else None for size in _SIZES]
            rows.append((row.task, row.method, *after, len(scores), max(scores)))
    columns = (
        *(*_NAMES, *(Column(f"after {size}", percent) for size in _SIZES)),
        *(Column("trials"), Column("best", percent)),
    )
    note = (
        "Percent, on the held-out rows: the mean over all choices of so many of the trials (after Dodge et al. 2019,"
        " whose own formula draws with replacement and is too low, as Tang et al. 2020 show). A trial that diverged"
        " counts as 0. It has no bias for trials at random rates; those of a grid are one grid's. The best of several"
        " held-out scores is itself too high an estimate, the more so the more trials: the scores on evaluation rows"
        " are not."
    )
    return Table(columns, rows, "Expected best against trials", (note,), "trials")
