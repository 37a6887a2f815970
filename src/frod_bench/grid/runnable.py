"""Which cells of a table can run here: checked before the first of them begins."""

from frod_bench.errors import RequestError
from frod_bench.forecast.cost import count_rows
from frod_bench.grid.cells import Cell
from frod_bench.runs.job import make_parts


def check_values(cells: list[Cell]) -> None:
    """Raise RequestError for a value that the run of a cell would refuse; a row and a column once."""
    for cell in {(cell.row, cell.column): cell for cell in cells}.values():
        make_parts(cell.config)


def columns_without_data(cells: list[Cell]) -> dict[str, str]:
    """Return why no missing cell of a column can run for want of data, by the column.

    Raises RequestError when no column is left.
    """
    without: dict[str, str] = {}
    for column, cell in {cell.column: cell for cell in cells if cell.completed() is None}.items():
        try:
            count_rows(cell.config)
        except RequestError as error:
            without[column] = str(error)
    if without and len(without) == len({cell.column for cell in cells}):
        raise RequestError(next(iter(without.values())))
    return without
