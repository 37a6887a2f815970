"""The configuration and the adapter of a run that is on disk, checked before anything is built from them."""

from pathlib import Path
from typing import Any

import yaml

from frod_bench.errors import RequestError

_OURS = {"backbone": "frod_bench.backbones.", "task": "frod_bench.tasks."}


def stored_config(run: Path) -> dict[str, Any]:
    """Return the configuration of a run. Raises RequestError without one, or when it names code that is not ours."""
    try:
        config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        targets = {key: config[key]["_target_"] for key in _OURS}
    except (OSError, yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError) as error:
        raise RequestError(f"{run} is no run's directory: its config.yaml cannot be read ({error}).") from error
    for key, target in targets.items():
        if not str(target).startswith(_OURS[key]):
            raise RequestError(f"{key}._target_={target} in {run / 'config.yaml'} is none of frod-bench's own.")
    return config


def stored_adapter(run: Path) -> Path:
    """Return the folder of a run's adapter. Raises RequestError when there is none."""
    adapter = run / "adapter"
    if not (adapter / "adapter_config.json").is_file():
        raise RequestError(f"{run} holds no adapter/: run it again with force=true, it may have been cleared away.")
    return adapter
