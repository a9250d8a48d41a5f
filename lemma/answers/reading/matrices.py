r"""Read matrices and sums of their multiples.

Example: ``2 \begin{pmatrix} 1 \\ x \end{pmatrix}`` is a ``Matrix`` of two rows.
"""

from __future__ import annotations

import re

from lemma.answers.formulas.tree import Tree, number
from lemma.answers.reading.parts import PartReader
from lemma.answers.reading.scalars import read_tree
from lemma.answers.values import Matrix, Scalar, Unread, Value

_MATRIX = re.compile(
    r"\\begin\s*\{([pbvBV]?matrix|smallmatrix|array)\}(?:\s*\{[lcr| ]*\})?(.*?)\\end\s*\{\1\}", re.DOTALL
)


def read_matrix(text: str, read_part: PartReader) -> Matrix | None:
    """Read a matrix, or a sum of matrices and of their multiples by a formula."""
    if "\\begin" not in text:
        return None
    total: list[list[Tree]] | None = None
    rest = text
    while rest.strip():
        found = _MATRIX.search(rest)
        if not found:
            return None
        before = re.sub(r"[(\[]\s*$", "", rest[: found.start()]).strip()
        rest = re.sub(r"^\s*[)\]]", "", rest[found.end() :])
        rows = [row for row in found.group(2).split("\\\\") if row.strip()]
        cells = [[_cell(cell, read_part) for cell in row.split("&")] for row in rows]
        if total is None and not before and not rest.strip():
            return Matrix(tuple(tuple(row) for row in cells))
        trees = [[cell.tree if isinstance(cell, Scalar) else None for cell in row] for row in cells]
        sign = -1 if before.startswith("-") else 1
        factor = before.lstrip("+-").strip().removesuffix("\\cdot").strip()
        scale = read_tree(factor) if factor else number(1)
        if (
            scale is None
            or any(tree is None for row in trees for tree in row)
            or (total is not None and before[:1] not in "+-")
        ):
            return None
        scaled = [[("mul", number(sign), scale, tree) for tree in row if tree is not None] for row in trees]
        if total is None:
            total = scaled
        elif not before or [len(row) for row in total] != [len(row) for row in scaled]:
            return None
        else:
            total = [[("add", a, b) for a, b in zip(x, y, strict=True)] for x, y in zip(total, scaled, strict=True)]
    return Matrix(tuple(tuple(Scalar(tree) for tree in row) for row in total or []))


def _cell(cell: str, read_part: PartReader) -> Value:
    return read_part(cell.strip()) if cell.strip() else Unread("")
