"""The help text of a sub-command: its description as a paragraph, its examples as they stand."""

import argparse
import shutil
from textwrap import fill


def command_parser(prog: str, description: str, examples: str = "") -> argparse.ArgumentParser:
    """Return a parser whose description is wrapped to the terminal's width and whose `examples` come last."""
    return argparse.ArgumentParser(
        prog=prog,
        description=fill(description, max(40, shutil.get_terminal_size().columns - 2)),
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
