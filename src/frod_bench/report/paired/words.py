"""A verdict in words, with what it rests on and, where it is undecided, with what would decide it."""

from frod_bench.report.paired.verdict import Judged, over_sampled_tasks

_WORDS = {
    "better": "{method} is better than {baseline} on {task}",
    "worse": "{method} is worse than {baseline} on {task}",
    "equivalent": "{method} and {baseline} are equivalent on {task}, within {margin}",
    "undecided": "{method} against {baseline} on {task} is undecided",
}


def sentence(judged: Judged) -> str:
    """Return the verdict with difference, interval, seeds, rows and p."""
    pair = judged.pair
    names = {"method": pair.method, "baseline": pair.baseline, "task": pair.task, "margin": points(judged.margin)}
    if pair.seeds == 1:
        names |= {name: f"one run of {names[name]}" for name in ("method", "baseline")}
    text = _WORDS[judged.verdict].format(**names)
    return f"{text}: {signed(pair.estimate.value)} points ({_grounds(judged)}).{_advice(judged)}"


def points(fraction: float) -> str:
    """Return a fraction in points: "1 point", "2.5 points"."""
    number = f"{100 * fraction:.2f}".rstrip("0").rstrip(".")
    return f"{number} point{'' if number == '1' else 's'}"


def signed(fraction: float) -> str:
    """Return a fraction in points, with its sign and without a negative zero."""
    return f"{round(100 * fraction, 1) + 0.0:+.1f}"


def p_text(p: float) -> str:
    """Return " = 0.012" or " < 0.0001"."""
    return " < 0.0001" if p < 1e-4 else f" = {p:.2g}"


def _grounds(judged: Judged) -> str:
    pair = judged.pair
    low, high = map(signed, pair.estimate.interval())
    interval = f"95 % interval {low} to {high}"
    if (wider := over_sampled_tasks(pair.differences)) is not None:
        low, high = map(signed, wider.interval())
        interval += f" on these tasks, {low} to {high} over tasks like these"
    seeds = "one seed" if pair.seeds == 1 else f"{pair.seeds} seeds"
    equivalent = judged.verdict == "equivalent"
    kind = " of equivalence" if equivalent else ""
    p = p_text(judged.p_equivalent if equivalent else judged.p)
    adjusted = "Holm-adjusted " if judged.baselines > 1 else ""
    return f"{interval}, {seeds}, {pair.rows:,} rows, {adjusted}p{kind}{p}"


def _advice(judged: Judged) -> str:
    """Return what else a reader must know, after a space."""
    within = abs(judged.pair.estimate.value) < judged.margin
    if judged.verdict == "undecided":
        return f" {what_would_decide(judged)}"
    if judged.pair.seeds == 1:
        return " Other seeds may differ."
    return " The difference is within the margin." if within and judged.verdict != "equivalent" else ""


def what_would_decide(judged: Judged) -> str:
    """Return the numbers of seeds and of rows that would show a difference of the margin with probability 0.8."""
    margin, seeds, rows = points(judged.margin), judged.seeds_needed, judged.rows_needed
    ways = [] if seeds is None else [f"{seeds} seeds on these rows"]
    if rows is not None:
        with_seeds = "with one run each" if judged.pair.seeds == 1 else "with these seeds"
        ways.append(f"{_many(rows * judged.pair.rows)} rows {with_seeds}")
    now = f"it shows {points(judged.detectable)} now"
    if ways:
        return f"To show {margin} with probability 0.8 it takes {' or '.join(ways)}; {now}."
    return f"To show {margin} with probability 0.8 it takes both more rows and more seeds; {now}."


def _many(number: float) -> str:
    """Return a number that is not known well, to two digits."""
    return f"{float(f'{number:.2g}'):,.0f}"
