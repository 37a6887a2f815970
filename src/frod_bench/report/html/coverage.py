"""What was run in a block, and what is missing from it."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from frod_bench.report.blocks import Block
from frod_bench.report.style import seeds_in_words

_MOST_NAMES = 12  # in a sentence


@dataclass(frozen=True)
class Coverage:
    """The size of a block in words, its number of runs, and a sentence for everything that is missing."""

    size: str
    runs: int
    missing: list[str]


def coverage(block: Block) -> Coverage:
    """Return what a block has of its methods on its tasks; variants of a method count as one."""
    rows, tasks, methods = block.section.rows, block.tasks, block.methods
    seeds: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        place = row.method_only, row.task
        seeds[place] = max(seeds[place], row.seeds)
    runs = sum(row.seeds for row in rows)
    size = f"{_many(len(tasks), 'task')} × {_many(len(methods), 'method')}, {seeds_in_words(seeds.values())}"
    return Coverage(size, runs, [*_cells(seeds, tasks, methods), *_seeds(seeds), *_predictions(block, runs)])


def _cells(seeds: dict[tuple[str, str], int], tasks: list[str], methods: list[str]) -> list[str]:
    """Return the methods that did not run everywhere, those that lack the same tasks in one sentence."""
    lacking: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for method in methods:
        if absent := tuple(task for task in tasks if (method, task) not in seeds):
            lacking[absent].append(method)
    return [f"Not run: {_list(own)} on {_list(absent)}." for absent, own in lacking.items()]


def _seeds(seeds: dict[tuple[str, str], int]) -> list[str]:
    """Return the cells with fewer seeds than most have."""
    usual = Counter(seeds.values()).most_common(1)[0][0]
    fewer = [f"{method} on {task} ({count})" for (method, task), count in seeds.items() if count < usual]
    return [f"Fewer than {_many(usual, 'seed')}: {_list(fewer)}."] if fewer else []


def _predictions(block: Block, runs: int) -> list[str]:
    without = sum(not run.record.predictions for row in block.section.rows for run in row.runs)
    if not without:
        return []
    some = "No run has" if without == runs else f"{without:,} of {runs:,} runs do not have"
    return [f"{some} predictions per row, which a comparison on the same rows needs."]


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _list(names: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES:,} more"
