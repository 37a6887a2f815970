"""`predictions.parquet`: what a run predicted for every evaluation row, so that methods can be compared row by row."""

import base64
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from frod_bench.errors import RequestError
from frod_bench.files import replacing
from frod_bench.reading import LINES, opened

if TYPE_CHECKING:  # a start-up that reads no predictions does without
    import numpy as np

_MOST_ROWS = 20_000_000  # a compressed file can claim any number
_MOST_BYTES = 4 * 2**30  # uncompressed


class Predicted(NamedTuple):
    """One row: `id` is its number in the source's split. `scores` are the probabilities of the classes, or the scores
    of the choices; `text` is the answer that a language model wrote."""

    id: int
    label: int
    prediction: int
    scores: list[float] | None = None
    text: str | None = None


class RowPredictions(NamedTuple):
    """The predictions of one split at one epoch, sorted by id; a prediction of -1 is a text that holds no answer."""

    ids: "np.ndarray"  # [rows] int32
    labels: "np.ndarray"  # [rows] int32
    predictions: "np.ndarray"  # [rows] int32


# {epoch: {split: its rows}}
Epochs = Mapping[int, Mapping[str, Sequence[tuple[Any, ...]]]]


def write_predictions(file: Path, epochs: Epochs) -> None:
    """Write the predictions of one or more epochs; each row has the fields of `Predicted`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, list[Any]] = {name: [] for name in _schema().names}
    for epoch, splits in sorted(epochs.items()):
        for split, rows in splits.items():
            columns["split"] += [split] * len(rows)
            columns["epoch"] += [epoch] * len(rows)
            for name, values in zip(Predicted._fields, zip(*sorted(rows), strict=True), strict=True):
                columns[name] += values
    with replacing(file) as partial:
        pq.write_table(pa.table(columns, schema=_schema()), partial, compression="zstd")


def read_predictions(file: Path, epoch: int, split: str) -> RowPredictions:
    """Return the predictions of one split at one epoch.

    Raises RequestError when the file cannot be read or does not have them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        with opened(file, LINES) as stream:
            parquet = pq.ParquetFile(stream)
            groups = [parquet.metadata.row_group(n) for n in range(parquet.metadata.num_row_groups)]
            if parquet.metadata.num_rows > _MOST_ROWS or sum(g.total_byte_size for g in groups) > _MOST_BYTES:
                raise RequestError(f"{file} is too large to be read: it claims {parquet.metadata.num_rows:,} rows.")
            table = parquet.read(["split", "epoch", "id", "label", "prediction"])
        table = table.cast(pa.schema([_schema().field(name) for name in table.column_names]))
        wanted = table.filter(pc.field("split").cast(pa.string()) == split).filter(pc.field("epoch") == epoch)
        wanted = wanted.sort_by("id")
        found = RowPredictions(*(wanted[name].to_numpy() for name in ("id", "label", "prediction")))
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise RequestError(f"{file} cannot be read as predictions ({str(error).splitlines()[0]:.200}).") from error
    if not len(found.ids):
        raise RequestError(f"{file} has no predictions of epoch {epoch} on {split}.")
    return found


def digest_of(rows: RowPredictions) -> str:
    """Return "sha256:" and a digest of ids, labels and predictions, which an archive keeps without scores and texts."""
    import numpy as np

    digest = hashlib.sha256()
    for column in rows:
        digest.update(np.ascontiguousarray(column, dtype="<i4").tobytes())
    return f"sha256:{digest.hexdigest()}"


def packed(rows: RowPredictions) -> str:
    """Return ids, labels and predictions as text for an archive: base64 of compressed int32 columns."""
    import numpy as np

    columns = [np.diff(rows.ids, prepend=0), rows.labels, rows.predictions]
    return base64.b64encode(zlib.compress(np.stack(columns).astype("<i4").tobytes(), 9)).decode()


def unpacked(text: str) -> RowPredictions:
    """Return what `packed` was given. Raises ValueError for a text that it did not write."""
    import numpy as np

    unzip = zlib.decompressobj()
    try:
        content = unzip.decompress(base64.b64decode(text, validate=True), 12 * _MOST_ROWS)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not unzip.eof:
        raise ValueError("it is cut or too large")
    steps, labels, predictions = np.frombuffer(content, "<i4").reshape(3, -1)
    return RowPredictions(np.cumsum(steps, dtype=np.int32), labels, predictions)


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("split", pa.dictionary(pa.int8(), pa.string())),
            ("epoch", pa.int32()),
            ("id", pa.int32()),
            ("label", pa.int32()),
            ("prediction", pa.int32()),
            ("scores", pa.list_(pa.float32())),
            ("text", pa.string()),
        ]
    )
