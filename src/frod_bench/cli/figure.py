"""`frod-bench figure NAME`: the paper's figures, and those of a fair comparison, from stored runs."""

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frod_bench.cli.figure_tuned import rates, rows
from frod_bench.cli.parser import command_parser
from frod_bench.cli.runs import add_folders, read_summary
from frod_bench.cli.written import writing
from frod_bench.config.paths import paper_dir
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.record import StoredRun

if TYPE_CHECKING:
    from frod_bench.report.summary import Row, Section

_EXAMPLES = """\
examples:
  frod-bench figure 4 outputs --profile offline            loss and accuracy by step, over the seeds
  frod-bench figure 6 outputs --to results/figures         accuracy against tan alpha, over Table 5's grid
  frod-bench figure 2 outputs --task vision/digits         loss landscapes; computed once and stored with the runs
  frod-bench figure rates outputs --task glue/sst2         held-out score against the multiplier of the rates
  frod-bench figure rows outputs                           score with tuned rates against the number of training rows
"""


def main(argv: list[str]) -> int:
    """Draw one figure as PNG, SVG and CSV and print their paths.

    Raises RequestError when the runs lack what it needs, or when they have more than one setting or task.
    """
    arguments = _parser().parse_intermixed_args(argv)
    files = _FIGURES[arguments.name](arguments)
    show("written: " + ", ".join(map(str, files)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench figure",
        "Draw a figure from stored runs, and write its data as CSV. Of the paper: 2: loss landscapes of the baselines"
        " before and after training. 4: training loss and accuracy by step. 5: the landscapes, FRoD's included."
        " 6: accuracy against tan alpha after 1, 4 and 10 epochs. Of a fair comparison, a panel per task: rates: the"
        " trials of every method, held-out score against the multiplier of the recipe's learning rates. rows: the score"
        " of runs with tuned rates against the number of training rows.",
        _EXAMPLES,
    )
    parser.add_argument("name", choices=sorted(_FIGURES), metavar="NAME", help="2, 4, 5, 6, rates or rows")
    add_folders(parser)
    parser.add_argument("--profile", help="only runs of this profile: paper, offline or smoke")
    parser.add_argument("--task", help="only runs on this task, e.g. vision/cars")
    parser.add_argument("--to", type=Path, default=Path("outputs/figures"), metavar="DIR", help="default: %(default)s")
    odd = _number(int, "an odd number of 3 or more", lambda number: number > 2 and number % 2 == 1)
    positive = _number(float, "a number above 0", lambda number: 0 < number < float("inf"))
    count = _number(int, "a whole number of 1 or more", lambda number: number > 0)
    plane = parser.add_argument_group("landscapes (figures 2 and 5)")
    plane.add_argument("--points", type=odd, default=21, help="points along each direction, odd (default: 21)")
    plane.add_argument(
        "--span", type=positive, default=1.0, help="extent along each direction in filter norms (default: 1)"
    )
    plane.add_argument("--rows", type=count, default=256, help="training rows to average the loss over (default: 256)")
    plane.add_argument("--seed", type=int, default=0, help="seed of the two directions and of the rows (default: 0)")
    plane.add_argument("--together", type=count, help="points per forward pass (default: 16 on a GPU, else 1)")
    return parser


def _number(kind: Callable[[str], Any], wanted: str, fits: Callable[[Any], bool]) -> Callable[[str], Any]:
    """Return a type for argparse: a number that `fits`, else an error that names what is `wanted`."""

    def read(text: str) -> Any:
        with suppress(ValueError):
            if fits(value := kind(text)):
                return value
        raise argparse.ArgumentTypeError(f"{text} is not accepted: {wanted}")

    return read


def _section(arguments: argparse.Namespace) -> "Section":
    """Return the one setting that matches the options, with its rows. Raises RequestError for none or several."""
    from frod_bench.report.summary import Section

    sections = []
    for section in read_summary(arguments.folders).sections:
        rows = [row for row in section.rows if arguments.task in (None, row.task)]
        if rows and arguments.profile in (None, section.setting.profile):
            sections.append(Section(section.setting, rows))
    if not sections:
        wanted = [f"--{key} {value}" for key in ("profile", "task") if (value := getattr(arguments, key))]
        raise RequestError(f"No completed run there fits {' '.join(wanted) or 'a figure'}.")
    if len(sections) > 1:
        settings = "; ".join(str(section.setting) for section in sections)
        raise RequestError(
            f"A figure shows one setting, and there are {len(sections)}: {settings}."
            " Give a smaller FOLDER or --profile."
        )
    return sections[0]


def _one_task(section: "Section") -> str:
    tasks = sorted({row.task for row in section.rows})
    if len(tasks) > 1:
        raise RequestError(f"This figure shows one task. Choose it with --task: {', '.join(tasks)}.")
    return tasks[0]


def _figure4(arguments: argparse.Namespace) -> list[Path]:
    section = _section(arguments)
    task = _one_task(section)
    from frod_bench.report import figure4  # matplotlib takes half a second

    same_experiment = section.setting.profile == "paper" and task == "vision/cars"
    printed = figure4.published(paper_dir() / "figure4.csv") if same_experiment else []
    with writing(arguments.to):
        return figure4.draw(section, task, printed, arguments.to)


def _figure6(arguments: argparse.Namespace) -> list[Path]:
    section = _section(arguments)
    from frod_bench.report import figure6  # matplotlib takes half a second

    runs = [run for row in section.rows for run in row.runs]
    points = figure6.points(runs)
    if not points:
        raise RequestError("Figure 6 needs runs of frod over Table 5's grid, every cell on the same tasks.")
    tasks = ", ".join(sorted({row.task for row in section.rows}))
    with writing(arguments.to):
        return figure6.draw(points, f"{tasks}; {', '.join(section.setting)}", arguments.to)


def _baselines(arguments: argparse.Namespace) -> list[Path]:
    return _landscapes(arguments, lambda row: _method(row) != "frod")


def _with_frod(arguments: argparse.Namespace) -> list[Path]:
    return _landscapes(arguments, lambda row: True)


def _landscapes(arguments: argparse.Namespace, wanted: "Callable[[Row], bool]") -> list[Path]:
    section = _section(arguments)
    task = _one_task(section)
    from frod_bench.cli.landscape import AFTER, BEFORE, Plane, surface  # torch takes seconds
    from frod_bench.report import landscapes

    plane = Plane(arguments.points, arguments.span, arguments.rows, arguments.seed)
    rows = [row for row in section.rows if wanted(row)]
    seed, runs = _one_seed(rows)
    surfaces: dict[str, Any] = {}
    reasons = []
    for row, run in zip(rows, runs, strict=True):
        try:
            if not surfaces:  # the base model with its new head is where every method starts
                surfaces["before training"] = surface(run, BEFORE, plane, arguments.together)
            surfaces[row.method] = surface(run, AFTER, plane, arguments.together)
        except RequestError as error:
            reasons.append(str(error))
            show(f"left out: {row.method}: {error}", file=sys.stderr)
    if len(surfaces) < 2:
        raise RequestError(f"No run there has a loss surface. {' '.join(reasons)}")
    title = f"{task}; {', '.join(section.setting)}; seed {seed}, {plane.rows} rows"
    with writing(arguments.to):
        return landscapes.draw(surfaces, title, arguments.to, f"figure{arguments.name}")


def _one_seed(rows: "list[Row]") -> tuple[int, list[StoredRun]]:
    """Return the lowest seed that every row has, and each row's run with it; these runs started with the same head."""
    by_seed = [{run.record.seed: run for run in row.runs} for row in rows]
    common = set.intersection(*map(set, by_seed)) if by_seed else set()
    if not common:
        raise RequestError("Loss surfaces need a seed that every method there was run with.")
    return min(common), [runs[min(common)] for runs in by_seed]


def _method(row: "Row") -> str:
    return row.runs[0].record.method


_FIGURES = {"2": _baselines, "4": _figure4, "5": _with_frod, "6": _figure6, "rates": rates, "rows": rows}
