"""`frod-bench export`: write a stored run's adapter as a PEFT checkpoint, or the model with the adapter merged in."""

import argparse
import sys
from pathlib import Path
from typing import Any

from frod_bench.cli.parser import command_parser
from frod_bench.cli.written import check_folder
from frod_bench.console import show
from frod_bench.errors import RequestError
from frod_bench.files import filling
from frod_bench.runs.run_files import adapter_folder, incomplete_warning, read_run_config

_EXAMPLES = """\
examples:
  frod-bench export outputs/.../seed0-1a2b3c4d --format merged --to sst2_model
  frod-bench export outputs/.../seed0-1a2b3c4d --format peft --to sst2_adapter

A merged text model loads with `AutoModelForSequenceClassification.from_pretrained(DIR)`. An image model is one file,
`model.safetensors`, with the state of the tower and its head. A PEFT adapter loads with `PeftModel.from_pretrained`.
FRoD can be written for PEFT where PEFT computes the same V; a run with method.basis=peft always can.
"""


def main(argv: list[str]) -> int:
    """Write the export and print its folder. Raises RequestError when the run cannot be exported as asked."""
    arguments = _parser().parse_args(argv)
    config, adapter = read_run_config(arguments.run), adapter_folder(arguments.run)
    check_folder(arguments.to)
    written = _export(config, adapter, arguments.format, arguments.to)
    show(f"{arguments.format}: {written}")
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


def _export(config: dict[str, Any], adapter: Path, form: str, folder: Path) -> Path:
    from safetensors import SafetensorError

    from frod_bench.config.instantiate import build  # these imports take seconds, and a refusal needs none of them
    from frod_bench.methods import load_adapter
    from frod_bench.runs.progress_bars import hide_progress_bars_in_logs

    hide_progress_bars_in_logs()
    backbone = build(config["backbone"], "backbones")
    model = backbone.build(_classes(adapter), config["seed"])
    adapted = load_adapter(model, adapter)
    try:
        if form == "peft":
            return adapted.save(folder, format="peft")
        _save_model(adapted.merge().eval(), backbone.processor(), folder)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError(f"{folder} cannot be written ({reason}). Give another --to.") from error
    return folder


def _classes(adapter: Path) -> int | None:
    """Return the number of classes of the trained head, None for a language model, which has no new head.

    Raises RequestError when the head was frozen, as its weights are then in no file.
    """
    from frod_bench.methods.support.checkpoint import read_checkpoint_config, read_checkpoint_tensors

    names = read_checkpoint_config(adapter).get("head")
    if not names:
        return None
    tensors = read_checkpoint_tensors(adapter)
    head = [t for name, t in tensors.items() if t.ndim == 2 and any(f".{h}." in f".{name}" for h in names)]
    if not head:
        raise RequestError(f"The head of {adapter} was frozen, so the adapter does not hold it and cannot be exported.")
    return len(head[-1])


def _save_model(model: Any, processor: Any, folder: Path) -> None:
    from safetensors.torch import save_model

    with filling(folder) as made:
        if hasattr(model, "save_pretrained"):
            model.save_pretrained(made)
        else:
            save_model(model, str(made / "model.safetensors"))
        if hasattr(processor, "save_pretrained"):
            processor.save_pretrained(made)
