"""Writes the fingerprints of a test set that the package ships.

    python scripts/make_fingerprints.py gsm8k-test gsm8k/test.jsonl "openai/grade-school-math, MIT"
    python scripts/make_fingerprints.py math-test math/test.jsonl "hendrycks/math, MIT"

Reads JSON Lines with a `question` or `problem` each; writes lemma/data/fingerprints/NAME.txt (digests
of the questions) and NAME.13grams (of their runs of 13 words).
"""

from __future__ import annotations

import sys
from pathlib import Path

from lemma.datasets.decontamination import NORMALISATION, Fingerprints
from lemma.datasets.lines import input_files, read_rows
from lemma.datasets.overlap import WORDING
from lemma.datasets.rows import Row

FOLDER = Path(__file__).resolve().parent.parent / "lemma" / "data" / "fingerprints"


def main(name: str, path: str, source: str) -> None:
    questions = [
        row.value.get("question") or row.value["problem"]
        for file in input_files(path)
        for row in read_rows(file)
        if isinstance(row, Row)
    ]
    known = Fingerprints.of(questions)
    digests = sorted(known.digests)
    header = [
        f"test set: {name}",
        f"source: {source}",
        f"normalisation: {NORMALISATION}",
        f"wording: {WORDING}",
        f"questions: {len(questions)}, different ones: {len(digests)}",
        f"13-grams: {len(known.grams)}, sorted 8-byte digests in {name}.13grams (lemma/datasets/overlap.py)",
        "each line below: 8-byte BLAKE2b digest of a normalised question (lemma/datasets/decontamination.py)",
    ]
    target = FOLDER / f"{name}.txt"
    target.write_text("\n".join([*header, "", *digests]) + "\n", encoding="ascii")
    target.with_suffix(".13grams").write_bytes(known.grams.to_bytes())
    print(f"{target}: {len(digests)} fingerprints and {len(known.grams)} 13-grams of {len(questions)} questions")


if __name__ == "__main__":
    main(*sys.argv[1:])
