"""What the page's script draws from, as plain JSON data."""

from typing import Any

from frod_bench.record import StoredRun
from frod_bench.report.style import COLOURS
from frod_bench.report.summary import Row, Section, Summary
from frod_bench.report.variants import differing, settings_with_seed

_DIGITS = 5  # significant ones, of everything that is only drawn


def page_data(summary: Summary) -> dict[str, Any]:
    """Return `{colours, sections, runs, common}`; scores are in percent, memory in MiB.

    A run holds the part of its configuration that is not common to all runs.
    """
    rows = [(number, row) for number, section in enumerate(summary.sections) for row in section.rows]
    placed = [(number, row, run) for number, row in rows for run in row.runs]
    configurations = [settings_with_seed(run) for *_, run in placed]
    keys = differing(configurations) if configurations else set()
    return {
        "colours": COLOURS,
        "methods": sorted({row.method for _, row in rows}),
        "sections": [_section(section) for section in summary.sections],
        "runs": [
            _run(number, row, run) | {"config": {key: config[key] for key in sorted(keys & config.keys())}}
            for (number, row, run), config in zip(placed, configurations, strict=True)
        ],
        "common": {key: value for key, value in (configurations or [{}])[0].items() if key not in keys},
    }


def _section(section: Section) -> dict[str, Any]:
    rows = [
        {
            "task": row.task,
            "method": row.method,
            "metric": row.metric,
            "best": 100 * row.best.mean,
            "final": 100 * row.final.mean,
            "trainable": row.trainable,
            "s_per_epoch": row.s_per_epoch,
            "peak_mib": None if row.peak_bytes is None else row.peak_bytes / 2**20,
        }
        for row in section.rows
    ]
    return {"name": ", ".join(section.setting), "rows": rows}


def _run(section: int, row: Row, run: StoredRun) -> dict[str, Any]:
    layers = list(dict.fromkeys(name for line in run.metrics for name in _angle(line).get("per_layer") or {}))
    return {
        "section": section,
        "task": row.task,
        "method": row.method,
        "seed": run.record.seed,
        "layers": layers,
        "epochs": [_epoch(line, row.metric, layers) for line in run.metrics],
    }


def _epoch(line: dict[str, Any], metric: str, layers: list[str]) -> dict[str, Any]:
    angle = _angle(line)
    score = (line.get("eval") or {}).get(metric)
    return {
        "epoch": line["epoch"],
        "loss": _short(line.get("train_loss")),
        "score": None if score is None else _short(100 * score),
        "angle": [_short(angle.get(key)) for key in ("mean", "min", "max")] if angle else None,
        "layers": [_short((angle.get("per_layer") or {}).get(name)) for name in layers],
    }


def _angle(line: dict[str, Any]) -> dict[str, Any]:
    return line.get("tan_alpha") or {}


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")
