"""GLUE's classification tasks (Wang et al., 2019), as the paper's Table 4 uses them."""

from dataclasses import dataclass

from datasets import ClassLabel, Dataset, Features, Value
from transformers import PreTrainedTokenizerBase

from frod_bench.errors import RequestError
from frod_bench.tasks.base import Metric, Source, TaskData
from frod_bench.tasks.checks import check_rows, require_entries
from frod_bench.tasks.metrics import Scorer
from frod_bench.tasks.provenance import size_note, truncation, with_notes, wording_entry
from frod_bench.tasks.selection import carve_holdout, subset
from frod_bench.tasks.text import CUT, PadToLongest, check_format, check_lengths, encode

LABEL = "label"


@dataclass(frozen=True, kw_only=True)
class GlueTask:
    """One GLUE task.

    The first of `eval_splits` and the first of `metrics` are the reported ones. `rows` holds the official
    size of each split; `packaged` is for listings, `wording` for the record of a run with instructions. Raises
    `RequestError` when one of the lists is empty or there are more than two fields.
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
    version: int
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

    def load(
        self,
        source: Source,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int,
        text: str,
        max_train: int | None,
        max_eval: int | None,
        holdout: bool,
        eval_max_length: int | None = None,
    ) -> TaskData:
        """Read, check, choose and encode the rows.

        `text` is "pair" (the tokenizer's own pair format) or "instruction" (one string). `max_train` and
        `max_eval` keep a fixed part of each split; a holdout is carved from what is left of the training rows.
        Raises `RequestError` on an option out of range, and on rows that are missing or do not fit the task.
        """
        check_format(text)
        evaluated = check_lengths(tokenizer, max_length, eval_max_length)
        read = {split: self._read(source, split) for split in (self.train_split, *self.eval_splits)}
        chosen = {split: subset(read[split], max_eval, "data.max_eval") for split in self.eval_splits}
        train = subset(read[self.train_split], max_train, "data.max_train")
        held = None
        if holdout:
            train, held = carve_holdout(train, LABEL)

        lengths = dict.fromkeys([*self.eval_splits, "holdout"], evaluated) | {self.train_split: max_length}

        def encoded(rows: Dataset, split: str) -> Dataset:
            return encode(
                rows,
                tokenizer,
                fields=self.fields,
                label=LABEL,
                instruction=self.instruction if text == "instruction" else None,
                max_length=lengths[split],
                desc=f"{self.name} {split}",
            )

        reported, *further = self.eval_splits
        samples = {"train": len(train), "eval": len(chosen[reported])}
        samples |= {split: len(chosen[split]) for split in further}
        sizes = {split: len(rows) for split, rows in read.items()}
        parts = {self.train_split: encoded(train, self.train_split)}
        parts |= {split: encoded(rows, split) for split, rows in chosen.items()}
        if held is not None:
            samples["holdout"] = len(held)
            parts["holdout"] = encoded(held, "holdout")
        provenance = with_notes(source.provenance(), size_note(sizes, self.rows))
        rows = {split: part.remove_columns(CUT) for split, part in parts.items()}
        return TaskData(
            train=rows[self.train_split],
            evaluation={split: rows[split] for split in self.eval_splits},
            holdout=rows.get("holdout"),
            num_labels=len(self.label_names),
            label_names=self.label_names,
            metric=Metric(self.metrics[0]),
            collate=PadToLongest(tokenizer),
            measure=Scorer(self.metrics, reported, len(self.label_names)),
            samples=samples,
            provenance=provenance
            | truncation(parts, lengths)
            | wording_entry(self.wording if text == "instruction" else None),
        )

    def _read(self, source: Source, split: str) -> Dataset:
        rows = source.read(self.repo, self.config, split, self.schema)
        check_rows(rows, f"{self.repo}/{self.config}/{split}", self.fields, LABEL, self.label_names)
        return rows
