"""What is merged: the runs of each row of a table and each seed, one for each task."""

from dataclasses import dataclass

from frod_bench.grid.cells import Cell, compose_cells
from frod_bench.grid.tables import TableSpec


@dataclass(frozen=True)
class MergeGroup:
    """The runs of one row and seed, one for each column."""

    cells: list[Cell]

    @property
    def name(self) -> str:
        """The name of its folder: `frod-per-task-seed0`."""
        first = self.cells[0]
        words = "".join(c if c.isalnum() or c in "._=" else " " for c in first.row.lower()).split()
        return f"{'-'.join(words)}-seed{first.config['seed']}"


def compose_groups(table: TableSpec, profile: str, seeds: str | None, overrides: list[str]) -> list[MergeGroup]:
    """Return the groups of a table in the order of its rows; see `compose_cells`."""
    cells = compose_cells(table, profile, seeds, overrides)
    keys = dict.fromkeys((cell.row, cell.config["seed"]) for cell in cells)
    return [MergeGroup([c for c in cells if (c.row, c.config["seed"]) == key]) for key in keys]
