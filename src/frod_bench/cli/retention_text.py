"""`frod-bench retention --text`: the perplexity of tuned language models on running text."""

from pathlib import Path

from frod_bench.cli.written import say_written, write_texts
from frod_bench.console import show
from frod_bench.files import save_text
from frod_bench.record.perplexity_record import FILE, read_perplexity


def measure_text(folders: list[Path], overrides: list[str], to: Path) -> None:
    """Measure what is missing, print and write the table. Raises RequestError for runs that do not fit."""
    file = to / FILE
    before = read_perplexity(file) if file.exists() else None
    from frod_bench.grid.retention import other_task  # these imports take seconds, and a refusal needs none of them
    from frod_bench.report import table
    from frod_bench.report.perplexity import perplexity_table
    from frod_bench.runs.perplexity import measure_perplexity
    from frod_bench.runs.progress_bars import hide_progress_bars_in_logs
    from frod_bench.runs.trained import TrainedRun
    from frod_bench.tasks.passages import TASK

    hide_progress_bars_in_logs()
    runs = [TrainedRun(folder) for folder in folders]
    other = other_task(TASK, runs[0].config, overrides)
    record, shown = None, {result["digest"] for result in before.results} if before is not None else set()
    to.mkdir(parents=True, exist_ok=True)
    for record in measure_perplexity(runs, other, before):
        save_text(file, record.to_json())
        if not record.results:
            show(f"base: perplexity {record.base:.3f} on {record.tokens:,} tokens of {record.texts:,} passages")
        for last in record.results:
            if last["digest"] not in shown:
                show(f"{last['method']} tuned on {last['trained_on']}, seed {last['seed']}: {last['perplexity']:.3f}")
                shown.add(last["digest"])
    assert record is not None
    found = perplexity_table(record)
    show("\n" + table.to_text(found))
    say_written([file, *write_texts(to, {"perplexity.md": table.to_markdown(found) + "\n"})])
