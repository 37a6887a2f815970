"""Which cells of a table can run here, checked before the first one starts."""

from frod_bench.errors import RequestError
from frod_bench.forecast.cost import count_rows
from frod_bench.grid.cells import Cell
from frod_bench.runs.components import make_components
from frod_bench.runs.progress_bars import hide_progress_bars_in_logs


def check_values(cells: list[Cell]) -> None:
    """Raise RequestError for a value that a run would refuse; each row and column is checked once."""
    for cell in {(cell.row, cell.column): cell for cell in cells}.values():
        make_components(cell.config)


def columns_without_data(cells: list[Cell]) -> dict[str, str]:
    """Return the columns whose missing cells cannot run because their data is not here, each with the reason.

    Raises RequestError when no column is left.
    """
    hide_progress_bars_in_logs()
    reasons: dict[str, str] = {}
    for column, cell in {cell.column: cell for cell in cells if cell.completed() is None}.items():
        try:
            count_rows(cell.config)
        except RequestError as error:
            reasons[column] = str(error)
    if reasons and len(reasons) == len({cell.column for cell in cells}):
        raise RequestError(next(iter(reasons.values())))
    return reasons
