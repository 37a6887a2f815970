"""GLUE's classification tasks (Wang et al., 2019), as in the paper's Table 4."""

from dataclasses import dataclass
from functools import partial

from datasets import ClassLabel, Dataset, Features, Value
from transformers import PreTrainedTokenizerBase

from frod_bench.errors import RequestError
from frod_bench.tasks.assembly import assemble
from frod_bench.tasks.base import NewRows, RowRequest, Source, TaskData
from frod_bench.tasks.checks import check_rows, require_entries
from frod_bench.tasks.metrics import Scorer
from frod_bench.tasks.provenance import size_note, truncation, with_notes
from frod_bench.tasks.row_table import RowTable
from frod_bench.tasks.text import CUT, PadToLongest, check_format, check_lengths, encode

LABEL = "label"


@dataclass(frozen=True, kw_only=True)
class GlueTask:
    """One GLUE task.

    The first of `eval_splits` and the first of `metrics` are reported. `rows` holds the official size of each split;
    `packaged` is for listings, `wording` for the record of a run with instructions. Raises `RequestError` when a list
    is empty or there are more than two fields.
    """

    name: str
    suite: str
    repo: str
    config: str
    fields: list[str]
    label_names: list[str]
    train_split: str
    eval_splits: list[str]
    metrics: list[str]
    instruction: str
    rows: dict[str, int]
    packaged: str | None = None
    wording: str | None = None

    def __post_init__(self) -> None:
        require_entries(self, ("fields", "label_names", "eval_splits", "metrics"))
        if len(self.fields) > 2:
            raise RequestError(f"task.fields={self.fields} is not accepted: one column of text, or two.")

    @property
    def schema(self) -> Features:
        """The columns that a source must have."""
        texts = {name: Value("string") for name in self.fields}
        return Features({**texts, LABEL: ClassLabel(names=self.label_names)})

    def count(self, source: Source, text: str | None) -> list[int | None]:
        """See `Task.count`."""
        splits = (self.train_split, self.eval_splits[0])
        return [source.count(self.repo, self.config, split, self.schema) for split in splits]

    def load(self, source: Source, tokenizer: PreTrainedTokenizerBase, request: RowRequest) -> TaskData:
        """See `Task.load`. The text format is "pair", the tokenizer's own, or "instruction", one string."""
        check_format(request.text)
        lengths = check_lengths(tokenizer, request)
        eval_splits = self.eval_splits if request.evaluation else []
        read = {split: self._read(source, split) for split in (self.train_split, *eval_splits)}

        def encode_rows(rows: Dataset, split: str, training: bool) -> Dataset:
            return self._encode(rows, tokenizer, request, lengths[0] if training else lengths[1], split)

        return assemble(
            request,
            self.train_split,
            [read[self.train_split]],
            {split: [read[split]] for split in eval_splits},
            self.eval_splits[0],
            encode_rows,
            label=LABEL,
            num_labels=len(self.label_names),
            label_names=self.label_names,
            metric=self.metrics[0],
            collate=PadToLongest(tokenizer),
            measure=Scorer(self.metrics, self.eval_splits[0], len(self.label_names)),
            provenance=with_notes(
                source.provenance(), size_note({split: len(rows) for split, rows in read.items()}, self.rows)
            ),
            lengths=lengths,
            wording=self.wording if request.text == "instruction" else None,
        )

    def classes(self, text: str | None) -> list[str]:
        """See `Task.classes`."""
        return list(self.label_names)

    def encode_new(self, table: RowTable, tokenizer: PreTrainedTokenizerBase, request: RowRequest) -> NewRows:
        """See `Task.encode_new`. The rows have the columns `fields`, and `label` if they are to be scored."""
        check_format(request.text)
        _, length = check_lengths(tokenizer, request)
        texts = {name: table.texts(name) for name in self.fields}
        labels, notes = table.labels(LABEL, range(len(self.label_names)), self.label_names)
        rows = Dataset.from_dict({**texts, LABEL: [label or 0 for label in labels]})
        encoded = self._encode(rows, tokenizer, request, length, table.name)
        scorer = Scorer(self.metrics, self.eval_splits[0], len(self.label_names))
        return NewRows(
            encoded.remove_columns(CUT),
            labels,
            texts,
            self.label_names,
            PadToLongest(tokenizer),
            partial(scorer, self.eval_splits[0]),
            notes=[*notes, *truncation({table.name: encoded}, {table.name: length}).values()],
        )

    def _encode(
        self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, request: RowRequest, max_length: int, split: str
    ) -> Dataset:
        return encode(
            rows,
            tokenizer,
            fields=self.fields,
            label=LABEL,
            instruction=self.instruction if request.text == "instruction" else None,
            max_length=max_length,
            desc=f"{self.name} {split}",
        )

    def _read(self, source: Source, split: str) -> Dataset:
        rows = source.read(self.repo, self.config, split, self.schema)
        check_rows(rows, f"{self.repo}/{self.config}/{split}", self.fields, LABEL, self.label_names)
        return rows
