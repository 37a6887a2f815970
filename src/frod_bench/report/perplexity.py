"""What tuned language models make of text in general, as a table: means over seeds."""

from itertools import groupby
from statistics import fmean, stdev
from typing import Any

from frod_bench.record.perplexity_record import PerplexityRecord
from frod_bench.report.table import Bullets, Column, Note, Table

_LEVEL = 1.96  # standard errors of a 95 % interval
_COLUMNS = (
    Column("tuned on", align="left"),
    Column("method", align="left"),
    Column("seeds"),
    Column("score there", lambda value: f"{100 * value:.2f}"),
    Column("perplexity", "{:.3f}".format),
    Column("sd", "{:.3f}".format),
    Column("change", "{:+.4f}".format, unit="nats per token"),
    Column("±", "{:.4f}".format),
)


def perplexity_table(record: PerplexityRecord) -> Table:
    """Return the means of every method, least perplexity first within a task."""

    def key(result: dict[str, Any]) -> tuple[str, str]:
        return result["trained_on"], result["method"]

    rows: list[list[Any]] = []
    for (trained_on, method), found in groupby(sorted(record.results, key=key), key=key):
        own = list(found)
        values = [result["perplexity"] for result in own]
        means = [fmean(result[name] for result in own) for name in ("own", "perplexity", "change", "error")]
        spread = stdev(values) if len(values) > 1 else None
        rows.append([trained_on, method, len(own), means[0], means[1], spread, means[2], _LEVEL * means[3]])
    rows.sort(key=lambda row: (row[0], row[4]))
    named = ", ".join(f"{name} {value}" for name, value in record.setting.items())
    source = record.data.get("note") or record.data["source"]
    notes: list[Note] = [
        f"{record.tokens:,} tokens of {record.texts:,} passages of BoolQ's validation rows (Wikipedia; {source}), each"
        f" cut to {record.max_length} tokens. The base's perplexity is {record.base:.3f}. score there: on the task that"
        " it was tuned on. sd: over seeds. change: of the mean loss against the base's. ±: its 95 % interval, over"
        " passages."
    ]
    if record.excluded:
        left_out = [f"{e['method']} on {e['trained_on']}, seed {e['seed']}: {e['reason']}" for e in record.excluded]
        notes.append(Bullets("Left out:", left_out))
    return Table(_COLUMNS, rows, f"Perplexity on running text: {named}", notes, "perplexity")
