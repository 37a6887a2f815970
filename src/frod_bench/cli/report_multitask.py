"""`frod-bench report multitask`: merged models and sequences of tasks, as tables and figures."""

import argparse
import sys
from pathlib import Path

from frod_bench.cli.parser import command_parser
from frod_bench.cli.runs import add_folders, existing_folder
from frod_bench.cli.written import say_written, write_texts, writing
from frod_bench.config.paths import paper_dir
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.escape import one_line
from frod_bench.record.find_multitask import find_multitask

_EXAMPLES = """\
examples:
  frod-bench report multitask outputs
  frod-bench report multitask outputs merged --to results/multitask   also write tables and figures
"""


def main(argv: list[str]) -> int:
    """Print the tables; with `--to`, write them and their figures. Raises RequestError when there is nothing."""
    arguments = _parser().parse_intermixed_args(argv)
    found = find_multitask(map(existing_folder, arguments.folders))
    for reason in found.broken:
        show(f"warning: {one_line(reason)}", file=sys.stderr)
    if not found.merges and not found.sequences:
        raise RequestError(
            f"No merge and no sequence of tasks below {', '.join(map(str, arguments.folders))}. `frod-bench merge` and"
            " `frod-bench continual` make them."
        )
    from frod_bench.report import continual, merge_verdicts, merges, table

    records = [merge.record for merge in found.merges]
    tables = [*merges.merge_tables(records, paper_dir()), *merge_verdicts.verdict_tables(found.merges)]
    tables += continual.tables(found.sequences)
    show("\n\n".join(map(table.to_text, tables)))
    if arguments.to is not None:
        texts = {"multitask.md": "\n\n".join(map(table.to_markdown, tables)) + "\n"}
        files = write_texts(arguments.to, texts)
        with writing(arguments.to):
            files += merges.draw(records, arguments.to) if records else []
            files += continual.draw(found.sequences, arguments.to) if found.sequences else []
        say_written(files)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench report multitask", "Show what merged models and sequences of tasks score on each task.", _EXAMPLES
    )
    add_folders(parser)
    help_to = "write multitask.md, the shares of merges and the heat maps of sequences with their data into DIR"
    parser.add_argument("--to", type=Path, metavar="DIR", help=help_to)
    return parser
