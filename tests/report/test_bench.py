"""The Markdown of a measurement, by the committed ones."""

import json
from pathlib import Path

import pytest

from frod_bench.report.bench import to_markdown

BENCH = Path(__file__).parents[2] / "results/bench"
MEASUREMENTS = [file for file in sorted(BENCH.rglob("*.json")) if "what" in json.loads(file.read_text())]


@pytest.mark.parametrize("file", MEASUREMENTS, ids=lambda file: file.stem)
def test_a_committed_page_is_what_its_measurement_gives(file):
    assert to_markdown(json.loads(file.read_text())) == file.with_suffix(".md").read_text(encoding="utf-8")
