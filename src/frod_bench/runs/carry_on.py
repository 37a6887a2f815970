"""Carry the adapter of an earlier run on: everything but the head starts from its values."""

from pathlib import Path

from frod_bench.errors import RequestError
from frod_bench.methods.support.adapted import Adapted
from frod_bench.methods.support.checkpoint import read_checkpoint_config
from frod_bench.runs.run_files import adapter_folder, read_run_config


def carry_on(adapted: Adapted, folder: Path) -> None:
    """Load the values of the run in `folder` into a model that the same method was attached to.

    Raises RequestError for a run of another method, other options, another seed where it matters, or an edited one.
    """
    read_run_config(folder)  # checks the digests of its files
    adapter = adapter_folder(folder)
    saved, own = read_checkpoint_config(adapter), adapted.method.saved_options()
    options = saved.get("options", {})
    if saved.get("method") != adapted.method.name:
        raise RequestError(
            f"start={folder} is a run of {saved.get('method')}, and this one is of {adapted.method.name}."
        )
    if differing := [key for key in own if options.get(key) != own[key]]:
        key = differing[0]
        raise RequestError(
            f"start={folder} was trained with method.{key}={options.get(key)}, and this run has {own[key]}. One adapter"
            " is carried on with one set of options."
        )
    adapted.load(adapter, head=False)
