"""`frod-bench export`: write a stored run's adapter as a PEFT checkpoint, or the model with the adapter merged in."""

import argparse
import sys
from pathlib import Path

from frod_bench.cli.parser import command_parser
from frod_bench.cli.written import check_folder
from frod_bench.console import say, show
from frod_bench.errors import RequestError
from frod_bench.record import RunDirectory, StoredRun
from frod_bench.runs.run_files import adapter_folder, incomplete_warning, read_run_config

_EXAMPLES = """\
examples:
  frod-bench export outputs/.../seed0-1a2b3c4d --format merged --to sst2_model
  frod-bench export outputs/.../seed0-1a2b3c4d --format peft --to sst2_adapter

Both forms come with the tokenizer or image processor, the names of the classes, and a model card (README.md) that says
how to load them. A merged model loads with plain transformers, an image model on CLIP's tower too, unless its head
started from texts (backbone.head_init=text): that is one file of tensors. A PEFT adapter loads with
`PeftModel.from_pretrained`. FRoD can be written for PEFT where PEFT computes the same V; a run with method.basis=peft
always can. GOAT, FuRA, QFuRA and full fine-tuning have no form in PEFT.
"""


def main(argv: list[str]) -> int:
    """Write the export and print its folder. Raises RequestError when the run cannot be exported as asked."""
    arguments = _parser().parse_args(argv)
    read_run_config(arguments.run)
    adapter_folder(arguments.run)
    check_folder(arguments.to)
    from safetensors import SafetensorError

    from frod_bench.report.interval import score_interval
    from frod_bench.runs.export import export_run, record_of  # these imports take seconds, and a refusal needs none
    from frod_bench.runs.progress_bars import hide_progress_bars_in_logs

    hide_progress_bars_in_logs()
    record, files = record_of(arguments.run), RunDirectory(arguments.run)
    interval = None if record is None else score_interval(StoredRun(arguments.run, record, [], files))
    try:
        remarks = export_run(arguments.run, arguments.format, arguments.to, interval, say)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError(f"{arguments.to} cannot be written ({reason}). Give another --to.") from error
    show(f"{arguments.format}: {arguments.to}; README.md there says how to load it")
    for remark in remarks:
        show(f"note: {remark}", file=sys.stderr)
    if unfinished := incomplete_warning(arguments.run):
        show(f"warning: {unfinished}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench export",
        "Write what a run has trained in a form that other programs load. The base weights are read from"
        " where the run read them. The adapter is that of the selected epoch; for a run that is not complete, that of"
        " the epoch selected so far, with a warning.",
        _EXAMPLES,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder, with config.yaml and adapter/")
    parser.add_argument("--format", choices=["peft", "merged"], default="peft", help="default: peft")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    return parser
