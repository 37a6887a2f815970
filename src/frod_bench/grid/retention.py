"""The configuration of a task that tuned runs are scored on."""

from typing import Any

from frod_bench.errors import RequestError
from frod_bench.grid.cells import compose_cells
from frod_bench.grid.tables import TableSpec

_ROW = "full_ft"  # any method: only task, rows and text of the configuration are used


def other_task(task: str, config: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Return the resolved configuration of `task` on the backbone and profile of a run's `config`.

    Raises RequestError for a task of another kind of input, and for an override that is not accepted.
    """
    profile = config["profile"]["name"]
    table = TableSpec("retention", {_ROW: [f"method={_ROW}"]}, {task: task}, None, {profile: "0"})
    (cell,) = compose_cells(table, profile, "0", overrides)
    if ("image" in cell.config["task"]) != ("image" in config["task"]):
        raise RequestError(f"--task {task} is not accepted: the runs' backbone reads another kind of input.")
    return cell.config | {"backbone": config["backbone"]}
