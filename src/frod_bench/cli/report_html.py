"""`frod-bench report html`: stored runs as one page to read, keep or mail."""

import argparse
from pathlib import Path

from frod_bench.cli.runs import read_summary
from frod_bench.errors import RequestError
from frod_bench.report.html.page import page

_EXAMPLES = """\
examples:
  frod-bench report html outputs --to report.html
  frod-bench report html results/runs/glue_offline --title "GLUE, offline" --to glue.html
"""


def main(argv: list[str]) -> int:
    """Write the page and print where it lies."""
    arguments = _parser().parse_intermixed_args(argv)
    summary = read_summary(arguments.folders)
    title = arguments.title or f"frod-bench: {', '.join(map(str, arguments.folders))}"
    try:
        arguments.to.parent.mkdir(parents=True, exist_ok=True)
        arguments.to.write_text(page(summary, title), encoding="utf-8")
    except OSError as error:
        raise RequestError(f"{arguments.to} cannot be written ({error.strerror}). Give another --to.") from error
    print(f"written: {arguments.to}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="frod-bench report html",
        description="Write one HTML file that needs no network: tables that sort, learning curves, tan alpha by epoch"
        " and layer, score against parameters, time and memory, what sets two runs apart, and the environment.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folders", nargs="*", type=Path, default=[Path("outputs")], metavar="FOLDER",
        help="a run's directory or any folder above (default: outputs)",
    )  # fmt: skip
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="the HTML file to write")
    parser.add_argument("--title", help="its heading (default: the folders)")
    return parser
