"""Where the configuration files are: the package's own, in a wheel or a checkout, and a user's."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parents[1]
USER_CONFIGS = "FROD_BENCH_CONFIG_DIR"  # in the environment, so that processes started for a run have it too


def config_dir() -> Path:
    """Return the folder of the YAML files: the wheel's, else the checkout's `configs/`."""
    packaged = _PACKAGE / "configs"
    return packaged if packaged.is_dir() else _CHECKOUT / "configs"


def config_dirs() -> tuple[Path, ...]:
    """Return the folders of YAML files in the order in which they are searched: the package's, then a user's."""
    own = os.environ.get(USER_CONFIGS)
    return (config_dir(), Path(own).resolve()) if own else (config_dir(),)


def requirements_file(name: str) -> Path:
    """Return `constraints.txt` or `assets.txt`: the wheel's, else the checkout's in `scripts/`."""
    packaged = _PACKAGE / name
    return packaged if packaged.is_file() else _CHECKOUT / "scripts" / name


def paper_dir() -> Path:
    """Return the folder of the paper's numbers: the wheel's, else the checkout's `results/paper`."""
    packaged = _PACKAGE / "paper"
    return packaged if packaged.is_dir() else _CHECKOUT / "results" / "paper"
