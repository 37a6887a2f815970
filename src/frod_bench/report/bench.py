"""A measurement of `frod-bench bench` as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from frod_bench.report.table import table_of_records
from frod_bench.report.table import to_markdown as table_to_markdown

_TITLES = {
    "step": "One training step",
    "init": "Initialisation",
    "start": "Distance from the base model before the first step",
    "gpu": "A training step at the paper's sizes",
    "ops": "The ways of a layer",
    "memory_model": "Predicted memory",
    "scaling": "Scaling",
}


def to_markdown(result: dict[str, Any]) -> str:
    """Return the tables of a measurement with its command, device, versions and commit."""
    setting, place = result["setting"], result["environment"]
    cpu = place.get("cpu")
    versions = ", ".join(f"{name} {place['packages'][name]}" for name in ("torch", "transformers", "peft"))
    commit = f"{place['commit'] or 'unknown'}{' with changes' if place['dirty'] else ''}"
    parts = [
        f"# {_TITLES[result['what']]}: {setting['shape']}",
        f"`{result['command']}`",
        f"{place['device']}{f' ({cpu})' if cpu else ''}; {versions}; commit {commit}.",
        ", ".join(f"{key} {value}" for key, value in setting.items() if value is not None) + ".",
        _table(result["rows"]),
    ]
    if "products" in result:
        parts.append(_table(result["products"], "Products with M = diag(d) + S against a dense n x n product:"))
    if "decompositions" in result:
        title = "Decompositions that were timed, and what the fit over them gives:"
        parts.append(_table(result["decompositions"], title))
    if "gemm_gflops" in result:
        floor = result["floor"]
        parts.append(
            f"Matrix products run at {result['gemm_gflops']:.0f} GFLOP/s here; the floor is {floor['ms']:.0f} ms"
            f" ({floor['what']}: {floor['gflop']:.0f} GFLOP)."
        )
    if "check" in result:
        worst = max(result["check"]["errors"].values())
        parts.append(f"Before timing, against PEFT's FRoD in float32: largest relative difference {worst:.1e}.")
    return "\n\n".join(parts) + "\n"


def _table(records: Sequence[Mapping[str, Any]], title: str = "") -> str:
    return table_to_markdown(table_of_records(records, _text, "left", title=title, absent=""))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
