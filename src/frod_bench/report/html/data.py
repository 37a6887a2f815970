"""The data that the page's script draws, as plain JSON of a bounded size."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from frod_bench.record import StoredRun
from frod_bench.report.blocks import Block, highlighted
from frod_bench.report.epoch_scores import curve_label, epoch_score
from frod_bench.report.leaders import interval_of, score_of
from frod_bench.report.style import COLOURS
from frod_bench.report.summary import Row
from frod_bench.report.variants import differing, settings_with_seed

MOST_RUNS = 300  # that can be shown one by one
_MOST_POINTS = 100_000  # of all learning curves together
_MOST_ANGLES = 500_000  # tan alpha by layer and epoch, of all runs together
_MOST_EPOCHS = 200  # of one run
_MOST_KEYS, _LONGEST = 500, 200  # of a configuration, and characters of a value
_DIGITS = 5  # significant digits of numbers that are only drawn


def page_data(blocks: Mapping[str, Block], looks: Mapping[str, int]) -> dict[str, Any]:
    """Return `{colours, looks, blocks, runs, common}`; scores are in percent, memory in MiB.

    A run has the part of its configuration that is not common to all runs. Curves and angles beyond the bounds above
    are thinned out evenly.
    """
    rows = [(number, row) for number, block in enumerate(blocks.values()) for row in block.section.rows]
    epochs = _bounded(_MOST_POINTS // max(1, len(rows)))
    placed = _placed(rows)
    configurations = [_configuration(run) for *_, run in placed]
    keys = differing(configurations) if configurations else set()
    values = _MOST_ANGLES // max(1, len(placed))
    return {
        "colours": COLOURS,
        "looks": looks,
        "blocks": [_block(name, block, epochs) for name, block in blocks.items()],
        "runs": [
            _run(number, row, run, values) | {"config": {key: config[key] for key in sorted(keys & config.keys())}}
            for (number, row, run), config in zip(placed, configurations, strict=True)
        ],
        "common": {key: value for key, value in (configurations or [{}])[0].items() if key not in keys},
    }


def _placed(rows: list[tuple[int, Row]]) -> list[tuple[int, Row, StoredRun]]:
    """Return the runs to show one by one, in the order of the rows; of too many, those with the lowest seeds."""
    ranked = [(seed, place) for place, (_, row) in enumerate(rows) for seed in range(row.seeds)]
    kept = {(place, seed) for seed, place in sorted(ranked)[:MOST_RUNS]}
    return [
        (number, row, run)
        for place, (number, row) in enumerate(rows)
        for seed, run in enumerate(row.runs)
        if (place, seed) in kept
    ]


def _configuration(run: StoredRun) -> dict[str, str]:
    return {key: value[:_LONGEST] for key, value in list(settings_with_seed(run).items())[:_MOST_KEYS]}


def _block(name: str, block: Block, epochs: int) -> dict[str, Any]:
    """Return `{name, reported, tasks, means}`: rows by task, and the means of those that ran on every task."""
    reported, protocol = block.section.reported, block.section.setting.protocol
    by_task: dict[str, list[Row]] = defaultdict(list)
    by_method: dict[str, list[Row]] = defaultdict(list)
    for row in block.section.rows:
        by_task[row.task].append(row)
        by_method[row.method].append(row)
    tasks = {task: _points([[row] for row in rows], reported) for task, rows in by_task.items()}
    for task, rows in by_task.items():
        for point, row in zip(tasks[task], rows, strict=True):
            point |= {"curve": curve_label(row.metric, protocol), "curves": _curves(row, epochs)}
    whole = [rows for rows in by_method.values() if len(rows) == len(by_task)] if len(by_task) > 1 else []
    return {"name": name, "reported": reported, "tasks": tasks, "means": _points(whole, reported)}


def _points(every: Sequence[Sequence[Row]], reported: str) -> list[dict[str, Any]]:
    """Return every method by its rows, one for each task."""
    lit = highlighted({rows[0].method: score_of(rows, reported) for rows in every})
    return [_point(rows, reported, rows[0].method in lit) for rows in every]


def _point(rows: Sequence[Row], reported: str, lit: bool) -> dict[str, Any]:
    """Return one method on a task, or its mean on several: score with its interval, seeds, and what it took."""
    interval = interval_of(rows, reported)
    seconds = [row.s_per_epoch for row in rows if row.s_per_epoch is not None]
    peaks = [row.peak_bytes for row in rows if row.peak_bytes is not None]
    return {
        "method": rows[0].method,
        "lit": lit,
        "seeds": min(row.seeds for row in rows),
        "score": 100 * score_of(rows, reported),
        "interval": None if interval is None else [_short(100 * edge) for edge in interval],
        "trainable": fmean(row.trainable for row in rows),
        "s_per_epoch": _short(fmean(seconds)) if len(seconds) == len(rows) else None,
        "peak_mib": _short(fmean(peaks) / 2**20) if len(peaks) == len(rows) else None,
    }


def _curves(row: Row, epochs: int) -> dict[str, list[list[float | None]]]:
    """Return score and loss as [epoch, mean over the seeds, lowest, highest]; the last two null for one seed."""
    values: dict[str, dict[int, list[float]]] = {"score": defaultdict(list), "loss": defaultdict(list)}
    for run in row.runs:
        for line in _thinned(run.metrics, epochs):
            if (score := epoch_score(run, line)) is not None:
                values["score"][line["epoch"]].append(100 * score)
            if (loss := line.get("train_loss")) is not None:
                values["loss"][line["epoch"]].append(loss)
    return {name: [_epoch(epoch, ys[epoch]) for epoch in sorted(ys)] for name, ys in values.items()}


def _epoch(epoch: int, values: list[float]) -> list[float | None]:
    edges = (min(values), max(values)) if len(values) > 1 else (None, None)
    return [epoch, *map(_short, (fmean(values), *edges))]


def _run(block: int, row: Row, run: StoredRun, values: int) -> dict[str, Any]:
    """Return one run with tan alpha by epoch, and by layer in at most `values` numbers."""
    metrics = run.metrics_by_layer()
    last = _angle(metrics[-1]) if metrics else {}
    layers = list(last.get("per_layer") or {})[:values]
    lines = _thinned(metrics, _bounded(values // max(1, len(layers))))
    epochs = [{"epoch": line["epoch"], **_angles(_angle(line), layers)} for line in lines if _angle(line)]
    return {
        "block": block,
        "task": row.task,
        "method": row.method,
        "seed": run.record.seed,
        "layers": layers,
        "epochs": epochs,
    }


def _angles(angle: dict[str, Any], layers: list[str]) -> dict[str, list[float | None]]:
    by_layer = angle.get("per_layer") or {}
    return {
        "angle": [_short(angle.get(key)) for key in ("mean", "min", "max")],
        "layers": [_short(by_layer.get(name)) for name in layers],
    }


def _bounded(epochs: int) -> int:
    return min(_MOST_EPOCHS, max(1, epochs))


def _thinned(metrics: Sequence[dict[str, Any]], most: int) -> Iterator[dict[str, Any]]:
    """Yield at most `most` lines of the metrics, evenly apart, the last one among them."""
    step = -(-len(metrics) // most)
    return (line for number, line in enumerate(metrics, start=1) if (len(metrics) - number) % step == 0)


def _angle(line: dict[str, Any]) -> dict[str, Any]:
    return line.get("tan_alpha") or {}


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")
