"""The rows and seeds that show a difference of a given size, from what stored runs vary by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median, variance

from frod_bench.report.paired.difference import Difference
from frod_bench.report.paired.pairs import pairs
from frod_bench.report.paired.power import detectable, rows_needed, seeds_needed, with_design
from frod_bench.report.paired.verdict import LEVEL
from frod_bench.report.summary import Row, Section

_PARTS = ("of_rows", "of_seeds", "of_both", "discordance")


@dataclass(frozen=True)
class Planned:
    """What a comparison on one task, or on the mean of several, shows with probability 0.8; sizes are fractions.

    `parts` has the median pair of each task in the planned design. `seeds` and `rows` (a multiple of the stored runs'
    rows) would show the size that was asked for, each with the other as planned; None: not by that alone.
    """

    task: str
    pairs: int
    parts: tuple[Difference, ...]
    detectable: float
    seeds: int | None
    rows: float | None
    from_scores: bool = False  # without predictions: the discordance is assumed

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the difference over seeds beyond what rows explain, None where it is unknown."""
        [part] = self.parts
        between = max(part.of_seeds - part.of_both, 0.0) * part.seeds
        return None if part.seeds == 1 else between**0.5

    def rows_with(self, size: float, seeds: Iterable[int], baselines: int) -> dict[int, float | None]:
        """Return the rows of all tasks together that show `size` with each number of seeds; None: no number does."""
        rows = sum(part.rows for part in self.parts)
        found = {}
        for k in seeds:
            times = rows_needed([with_design(part, seeds=k) for part in self.parts], size, LEVEL / baselines)
            found[k] = None if times is None else times * rows
        return found


def plan(section: Section, size: float, seeds: int, baselines: int) -> list[Planned]:
    """Plan FRoD against `baselines` other methods with so many seeds, for each task of the section and for their mean.

    Tasks whose runs have no predictions count by the scores of their seeds: the variance over rows is then the one of
    two methods whose errors are independent, which is more than methods have. Tasks with neither are left out.
    """
    found = pairs(section)
    of_task: dict[str, list[Difference]] = {}
    for pair in (pair for block in found.blocks for pair in block if len(pair.differences) == 1):
        of_task.setdefault(pair.task, []).append(pair.differences[0])
    planned = []
    for task in dict.fromkeys(row.task for row in section.rows):
        from_scores = task not in of_task
        known = list(_by_scores(section, task)) if from_scores else of_task[task]
        known = [each for each in known if each.seeds > 1] or known
        if known:
            part = _median_pair(known, seeds)
            planned.append(_planned(task, len(known), (part,), size, LEVEL / baselines, from_scores))
    if len(planned) > 1:
        parts = tuple(part for each in planned for part in each.parts)
        name = f"mean of {len(parts)} tasks"
        some = any(each.from_scores for each in planned)
        planned.append(_planned(name, sum(p.pairs for p in planned), parts, size, LEVEL / baselines, some))
    return planned


def _planned(task: str, of: int, parts: tuple[Difference, ...], size: float, level: float, scores: bool) -> Planned:
    needed = seeds_needed(parts, size, level), rows_needed(parts, size, level)
    return Planned(task, of, parts, detectable(parts, level), *needed, scores)


def _median_pair(differences: Sequence[Difference], seeds: int) -> Difference:
    """Return the difference that has the median of every variance, with so many seeds."""
    rows = round(median(each.rows for each in differences))
    same = [with_design(each, rows=rows, seeds=seeds if each.seeds > 1 else None) for each in differences]
    return replace(same[0], **{name: median(getattr(each, name) for each in same) for name in _PARTS})


def _by_scores(section: Section, task: str) -> Iterable[Difference]:
    """Yield FRoD against every other method by the scores of common seeds, if there are two or more."""
    rows = [row for row in section.rows if row.task == task and row.metric == "accuracy"]
    for own in rows:
        for other in rows:
            if own.method_only == "frod" != other.method_only:
                a, b = _scores(own), _scores(other)
                if len(common := sorted(a.keys() & b.keys())) > 1:
                    yield _independent([a[seed] for seed in common], [b[seed] for seed in common], own)


def _independent(a: list[float], b: list[float], row: Row) -> Difference:
    k, n = len(a), row.runs[0].record.samples["eval"]
    p, q = fmean(a), fmean(b)
    discordance = p * (1 - q) + q * (1 - p)
    of_seeds = variance(x - y for x, y in zip(a, b, strict=True)) / k
    of_rows = (discordance - (p - q) ** 2) / n
    return Difference(p - q, n, k, of_rows, of_seeds, 0.0, k - 1, discordance)


def _scores(row: Row) -> dict[int, float]:
    return {run.record.seed: (run.record.selected or {})["value"] for run in row.runs}
