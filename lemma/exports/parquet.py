"""``train.parquet``: the columns of `TrainingRow`, `spans` as a struct of three pairs of offsets.

Apache Parquet by pyarrow, in groups of 1,000 rows, so that memory stays bounded whatever the size. The bytes depend
on the rows and on pyarrow's version (which the file names itself), on nothing else.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from lemma.exports.base import ExportFormat
from lemma.records import TrainingRow

ROWS_PER_GROUP = 1000


class _Outlet(io.RawIOBase):
    """The file, until it is shut: pyarrow's writer cannot be dropped without its footer, so that has to go nowhere."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file: BinaryIO | None = file

    def shut(self) -> None:
        self._file = None

    def writable(self) -> bool:
        return True

    def write(self, chunk: Any) -> int:
        return self._file.write(chunk) if self._file else len(chunk)


class Parquet:
    """Writes row groups as they fill."""

    def __init__(self, file: BinaryIO) -> None:
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        text = pa.string()
        pair = pa.list_(pa.int64())
        spans = pa.struct([(name, pair) for name in ("prefix", "reflection", "continuation")])
        self._schema = pa.schema(
            [
                (name, spans if name == "spans" else text)  # in the order of the records
                for name in TrainingRow.model_fields
            ]
        )
        self._to_table = pa.Table.from_pylist
        self._outlet = _Outlet(file)
        self._writer = pq.ParquetWriter(self._outlet, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, row: TrainingRow) -> None:
        """Takes a row; every thousandth writes a group."""
        self._rows.append(row.model_dump())
        if len(self._rows) == ROWS_PER_GROUP:
            self._write_group()

    def finish(self) -> None:
        """Writes the last group and the footer."""
        if self._rows:
            self._write_group()
        self._writer.close()

    def abandon(self) -> None:
        """Closes pyarrow's writer without touching the file."""
        self._outlet.shut()
        self._writer.close()

    def _write_group(self) -> None:
        self._writer.write_table(self._to_table(self._rows, schema=self._schema))
        self._rows = []


PARQUET = ExportFormat("train.parquet", "validation.parquet", Parquet, "as train.jsonl, in columns", is_json=False)
