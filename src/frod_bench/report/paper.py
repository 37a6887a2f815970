"""The scores that a table of the paper prints, and its averages recomputed from its rows."""

import csv
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

AVERAGE = "Average"
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class PaperTable:
    """A printed table. Scores are in percent, as printed; `cited` are the rows taken from Fan et al. 2025 (GOAT)."""

    name: str
    backbone: str
    columns: tuple[str, ...]
    scores: dict[str, dict[str, Decimal]]  # row: column: score
    cited: frozenset[str]
    trainable: dict[str, Decimal]  # row: printed percentage

    @property
    def rows(self) -> tuple[str, ...]:
        """The printed rows, in the paper's order."""
        return tuple(self.scores)

    def score(self, row: str, column: str) -> float | None:
        """Return a printed score, None where there is none."""
        value = self.scores.get(row, {}).get(column)
        return None if value is None else float(value)

    def remarks(self) -> list[str]:
        """Return a sentence for every printed average that differs from the mean of its row, to two decimals."""
        remarks = []
        for row, scores in self.scores.items():
            own = [score for column, score in scores.items() if column != AVERAGE]
            if AVERAGE in scores:
                mean = (sum(own, Decimal(0)) / len(own)).quantize(_CENT, ROUND_HALF_UP)
                if mean != scores[AVERAGE]:
                    remarks.append(f"{row}: the paper prints an average of {scores[AVERAGE]}, its columns give {mean}.")
        return remarks


def read_paper_table(folder: Path, name: str) -> PaperTable:
    """Read `<name>.csv` and the percentages of `params.csv` from the folder of the paper's numbers."""
    scores: dict[str, dict[str, Decimal]] = {}
    cited = set()
    lines = _lines(folder / f"{name}.csv")
    for line in lines:
        scores.setdefault(line["row"], {})[line["column"]] = Decimal(line["value"])
        if line["source"] == "cited":
            cited.add(line["row"])
    title = f"Table {name.removeprefix('table')}"
    printed = [line for line in _lines(folder / "params.csv") if line["table"] == title and line["paper_pct"]]
    return PaperTable(
        name=name,
        backbone=lines[0]["backbone"],
        columns=tuple(dict.fromkeys(column for row in scores.values() for column in row)),
        scores=scores,
        cited=frozenset(cited),
        trainable={line["row"]: Decimal(line["paper_pct"]) for line in printed},
    )


def _lines(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))
