"""The Hydra sweeper `table`: every row of a table with every one of its tasks and seeds, as one batch of jobs.

Hydra's own sweeper makes one product of keys; rows of a table set different keys. `frod_bench.grid.tables` reads and
expands the rows, here as for `frod-bench table`. Hydra takes sweepers from the package `hydra_plugins` only, so this
file is here.
"""

import itertools
from dataclasses import dataclass, field

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from frod_bench.errors import RequestError
from frod_bench.grid.tables import table_of


@dataclass
class TableSweeperConf:
    """What a file of `configs/sweep/` fills in; see `frod_bench.grid.tables.TableSpec` for its meaning."""

    _target_: str = "hydra_plugins.frod_bench_table.TableSweeper"
    max_batch_size: int | None = None
    common: str = ""
    rows: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    epochs: list[int] | None = None
    seeds: dict[str, str] = field(default_factory=dict)


ConfigStore.instance().store(group="hydra/sweeper", name="table", node=TableSweeperConf, provider="frod-bench")


class TableSweeper(BasicSweeper):
    """The rows of a table; what is typed on the command line replaces the row's own words."""

    def __init__(
        self,
        max_batch_size: int | None,
        common: str,
        rows: dict[str, str],
        columns: dict[str, str],
        epochs: list[int] | None,
        seeds: dict[str, str],
    ) -> None:
        super().__init__(max_batch_size)
        self.table = table_of("sweep", rows, columns, seeds, common, epochs)

    def split_arguments(  # type: ignore[override]  # Hydra calls it on the object
        self, overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """Return the jobs, each a list of overrides, in batches of `max_batch_size`."""
        if typed := next((word for word in overrides if word.key_or_group == "method"), None):
            raise RequestError(
                f"{typed.input_line} is not accepted with a table's sweep, whose rows set method=. Type `frod-bench"
                " table NAME --methods M,…` for some of its rows, or leave sweep= out."
            )
        assert self.config is not None  # `setup` has set it
        seeds = self.table.seeds[self.config.profile.name]
        jobs: list[list[str]] = []
        for words, column in itertools.product(self.table.rows.values(), self.table.columns.values()):
            task, *rows = column.split()
            own = OverridesParser.create().parse_overrides([*words, f"task={task}", *rows, f"seed={seeds}"])
            jobs += BasicSweeper.split_arguments([*own, *overrides], None)[0]
        different = list(map(list, dict.fromkeys(map(tuple, jobs))))
        return list(self.split_overrides_to_chunks(different, max_batch_size))
