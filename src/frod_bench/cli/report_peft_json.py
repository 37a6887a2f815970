"""`frod-bench report peft-json`: stored runs in the form of PEFT's comparison of methods."""

import argparse
from pathlib import Path

from frod_bench.cli.parser import command_parser
from frod_bench.cli.runs import add_folders, read_runs, warn
from frod_bench.cli.written import writing
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.files import save_text

_EXAMPLES = """\
examples:
  frod-bench report peft-json outputs --to their_form
  frod-bench report outputs --with peft/method_comparison/MetaMathQA/results    the other way: theirs beside ours

A file is DIR/<task>/results/<experiment>.json. PEFT's viewer reads a folder of results where the score is accuracy:
its processing.py takes it as load_df("DIR/<task>/results", "MetaMathQA").
"""


def main(argv: list[str]) -> int:
    """Write a file per complete run and print their number. Raises RequestError if there is no complete run."""
    arguments = _parser().parse_intermixed_args(argv)
    found = read_runs(arguments.folders)
    from frod_bench.report.peft_json import file_name, to_json

    warn(reason for _, reason in found.broken)
    complete = [run for run in found.runs if run.record.status == "completed"]
    if not complete:
        raise RequestError(f"No run below {', '.join(map(str, arguments.folders))} is complete.")
    with writing(arguments.to):
        for name, run in {file_name(run): run for run in complete}.items():
            file = arguments.to / name
            file.parent.mkdir(parents=True, exist_ok=True)
            save_text(file, to_json(run))
    show(f"written: {'1 run' if len(complete) == 1 else f'{len(complete)} runs'} below {arguments.to}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench report peft-json",
        "Write every complete run as a JSON file in the form of PEFT's comparison of methods"
        " (github.com/huggingface/peft, method_comparison). What we do not measure as they do is named in the file.",
        _EXAMPLES,
    )
    add_folders(parser)
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="the folder to write into")
    return parser
