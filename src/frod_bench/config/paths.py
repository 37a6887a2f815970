"""Where the package's own files are: in an installed wheel or in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parents[1]


def config_dir() -> Path:
    """Return the folder of the YAML files: the wheel's, else the checkout's `configs/`."""
    packaged = _PACKAGE / "configs"
    return packaged if packaged.is_dir() else _CHECKOUT / "configs"


def requirements_file(name: str) -> Path:
    """Return `constraints.txt` or `assets.txt`: the wheel's, else the checkout's in `scripts/`."""
    packaged = _PACKAGE / name
    return packaged if packaged.is_file() else _CHECKOUT / "scripts" / name


def paper_dir() -> Path:
    """Return the folder of the paper's numbers: the wheel's, else the checkout's `results/paper`."""
    packaged = _PACKAGE / "paper"
    return packaged if packaged.is_dir() else _CHECKOUT / "results" / "paper"
