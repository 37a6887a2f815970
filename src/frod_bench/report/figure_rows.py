"""Figure `rows`: the score of runs with tuned rates against the number of training rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean

from frod_bench.escape import plot_text
from frod_bench.record import StoredRun
from frod_bench.report.style import legend, line_with_band, log_axis, looks, panels, polish, save, seeds_in_words
from frod_bench.report.table import Column, Table
from frod_bench.report.variants import differing, label, method_of, settings

_COLUMNS = ("task", "method", "training_rows", "evaluation_rows", "seeds", "score", "lowest", "highest")
_WITH_THE_ROWS = ("data.", "train.lr.")  # settings that change with the number of rows

Lines = dict[tuple[str, str], dict[int, list[StoredRun]]]  # runs by task and method, then by number of training rows


def lines(runs: Iterable[StoredRun]) -> Lines:
    """Return the completed runs with tuned rates; variants of a method are lines of their own."""
    fair = [run for run in runs if run.record.protocol == "fair" and run.record.status == "completed"]
    variants: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    placed = []
    for run in fair:
        own = {key: value for key, value in settings(run).items() if not key.startswith(_WITH_THE_ROWS)}
        variants[run.record.task, method_of(run)].append(own)
        placed.append((run, own))
    found: Lines = defaultdict(lambda: defaultdict(list))
    for run, own in placed:
        place = run.record.task, method_of(run)
        found[place[0], label(place[1], own, differing(variants[place]))][run.record.samples["train"]].append(run)
    return {place: dict(found[place]) for place in sorted(found)}


def draw(drawn: Lines, setting: str, folder: Path) -> list[Path]:
    """Draw the lines into the folder as PNG, SVG and the CSV they were drawn from; return the files."""
    tasks = list(dict.fromkeys(task for task, _ in drawn))
    methods = sorted({method for _, method in drawn})
    styles = looks(methods)
    seeds = seeds_in_words(len(runs) for by_rows in drawn.values() for runs in by_rows.values())
    title = f"Score with tuned rates against the number of training rows, {seeds} a point"
    figure, grid = panels(len(tasks))
    for axes, task in zip(grid, tasks, strict=True):
        own = {method: by_rows for (each, method), by_rows in drawn.items() if each == task}
        some = next(iter(next(iter(own.values())).values()))[0].record
        metric = some.metric["name"].replace("_", " ")
        axes.set_title(plot_text(f"{task}, {some.samples['eval']:,} evaluation rows"), loc="left", fontsize=8)
        axes.set_ylabel(plot_text(f"{metric} (%)"), fontsize=8)
        for method, by_rows in own.items():
            line_with_band(axes, _scores(by_rows), method, styles[method])
        log_axis(axes, sorted({rows for by_rows in own.values() for rows in by_rows}))
        polish(axes)
    legend(figure, methods, f"{title}\n{setting}")
    figure.supxlabel("training rows; line: mean over the seeds, band: lowest to highest seed", fontsize=8)
    return save(figure, folder, "rows", _data(drawn))


def _scores(by_rows: Mapping[int, list[StoredRun]]) -> dict[float, list[float]]:
    return {rows: [100 * (run.record.selected or {})["value"] for run in runs] for rows, runs in by_rows.items()}


def _data(drawn: Lines) -> Table:
    body = []
    for (task, method), by_rows in drawn.items():
        for rows, scores in sorted(_scores(by_rows).items()):
            evaluated = by_rows[int(rows)][0].record.samples["eval"]
            body.append((task, method, rows, evaluated, len(scores), fmean(scores), min(scores), max(scores)))
    return Table([Column(name) for name in _COLUMNS], body)
