"""The data that the page's script draws, as plain JSON of a bounded size."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from frod_bench.record import StoredRun
from frod_bench.report.epoch_scores import curve_label, epoch_score
from frod_bench.report.style import COLOURS, places
from frod_bench.report.summary import Row, Section, Summary
from frod_bench.report.variants import differing, settings_with_seed

MOST_RUNS = 300  # that can be shown one by one
_MOST_POINTS = 100_000  # of all learning curves together
_MOST_ANGLES = 500_000  # tan alpha by layer and epoch, of all runs together
_MOST_EPOCHS = 200  # of one run
_MOST_KEYS, _LONGEST = 500, 200  # of a configuration, and characters of a value
_DIGITS = 5  # significant digits of numbers that are only drawn


def page_data(summary: Summary) -> dict[str, Any]:
    """Return `{colours, methods, looks, sections, runs, common}`; scores are in percent, memory in MiB.

    A run has the part of its configuration that is not common to all runs. Curves and angles beyond the bounds above
    are thinned out evenly.
    """
    rows = [(number, row) for number, section in enumerate(summary.sections) for row in section.rows]
    epochs = _bounded(_MOST_POINTS // max(1, len(rows)))
    placed = _placed(rows)
    configurations = [_configuration(run) for *_, run in placed]
    keys = differing(configurations) if configurations else set()
    values = _MOST_ANGLES // max(1, len(placed))
    return {
        "colours": COLOURS,
        "methods": (methods := sorted({row.method for _, row in rows})),
        "looks": places(methods),
        "sections": [_section(section, epochs) for section in summary.sections],
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


def _section(section: Section, epochs: int) -> dict[str, Any]:
    rows = [
        {
            "task": row.task,
            "method": row.method,
            "metric": row.metric,
            "curve": curve_label(row.metric, section.setting.protocol),
            "best": 100 * row.best.mean,
            "final": 100 * row.final.mean,
            "trainable": row.trainable,
            "s_per_epoch": row.s_per_epoch,
            "peak_mib": None if row.peak_bytes is None else row.peak_bytes / 2**20,
            "curves": _curves(row, epochs),
        }
        for row in section.rows
    ]
    return {"name": ", ".join(section.setting), "rows": rows}


def _curves(row: Row, epochs: int) -> dict[str, list[list[float | None]]]:
    """Return score and loss as [epoch, mean over the seeds, lowest, highest]; the last two null for one seed."""
    values: dict[str, dict[int, list[float]]] = {"score": defaultdict(list), "loss": defaultdict(list)}
    for run in row.runs:
        for line in _thinned(run.metrics, epochs):
            if (score := epoch_score(run, line)) is not None:
                values["score"][line["epoch"]].append(100 * score)
            if (loss := line.get("train_loss")) is not None:
                values["loss"][line["epoch"]].append(loss)
    return {name: [_point(epoch, ys[epoch]) for epoch in sorted(ys)] for name, ys in values.items()}


def _point(epoch: int, values: list[float]) -> list[float | None]:
    edges = (min(values), max(values)) if len(values) > 1 else (None, None)
    return [epoch, *map(_short, (fmean(values), *edges))]


def _run(section: int, row: Row, run: StoredRun, values: int) -> dict[str, Any]:
    """Return one run with tan alpha by epoch, and by layer in at most `values` numbers."""
    metrics = run.metrics_by_layer()
    last = _angle(metrics[-1]) if metrics else {}
    layers = list(last.get("per_layer") or {})[:values]
    lines = _thinned(metrics, _bounded(values // max(1, len(layers))))
    epochs = [{"epoch": line["epoch"], **_angles(_angle(line), layers)} for line in lines if _angle(line)]
    return {
        "section": section,
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
