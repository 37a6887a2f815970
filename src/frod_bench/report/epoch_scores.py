"""The score of every epoch: a run with tuned rates reads the evaluation rows once, so its curve is of held-out rows."""

from typing import Any

from frod_bench.record import StoredRun

_HELD_OUT = "holdout_"


def curve_metric(run: StoredRun) -> str:
    """Return the name of the metric that the run's curve is of."""
    name = run.record.metric["name"]
    return f"{_HELD_OUT}{name}" if run.record.protocol == "fair" else name


def epoch_score(run: StoredRun, line: dict[str, Any]) -> float | None:
    """Return the score in a line of the run's metrics, as a fraction, None if the epoch was not evaluated."""
    return (line.get("eval") or {}).get(curve_metric(run))


def curve_label(metric: str, protocol: str) -> str:
    """Return what an axis with the curves of a metric says."""
    words = metric.replace("_", " ")
    return f"held-out {words} (%)" if protocol == "fair" else f"{words} (%)"
