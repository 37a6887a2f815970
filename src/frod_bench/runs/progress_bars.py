"""Progress bars of the libraries, which are for terminals only."""

import sys

import datasets
import huggingface_hub.utils
import transformers.utils.logging


def hide_progress_bars_in_logs() -> None:
    """Turn off the progress bars of libraries when stderr is not a terminal."""
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
        huggingface_hub.utils.disable_progress_bars()
        transformers.utils.logging.disable_progress_bar()
