"""The parser of a command: its description wrapped, its examples as written."""

import argparse
import shutil
from textwrap import fill


def command_parser(prog: str, description: str, examples: str = "") -> argparse.ArgumentParser:
    """Return a parser that wraps its description to the terminal's width and prints `examples` last."""
    return argparse.ArgumentParser(
        prog=prog,
        description=fill(description, max(40, shutil.get_terminal_size().columns - 2)),
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
