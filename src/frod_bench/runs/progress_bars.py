"""Progress bars of the libraries are for a terminal."""

import sys

import datasets
import huggingface_hub.utils
import transformers.utils.logging


def hide_progress_bars_in_logs() -> None:
    """Turn the libraries' own progress bars off where stderr is a log."""
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
        huggingface_hub.utils.disable_progress_bars()
        transformers.utils.logging.disable_progress_bar()
