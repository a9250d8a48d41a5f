"""Reads problems, with or without student samples, from files and from the hub.

::

    for one in read_problems(config.data, Decontaminator.load(config.decontaminate), counts := []):
        match one:
            case ReadProblem(problem, given):  ...
            case SetAside():                   ...

A new dataset is one new file with a `parse` function, and its line in `registry.DATASETS`.
"""

from lemma.datasets.base import Dataset, Parsed, ReadProblem, answer_text, look_up, plain, text_of
from lemma.datasets.cleaning import boxed, final_answer, take_out_marks
from lemma.datasets.decontamination import TEST_SETS, Decontaminator
from lemma.datasets.reading import SourceCounts, fingerprint_of, read_problems
from lemma.datasets.registry import DATASETS
from lemma.datasets.rows import Row, SetAside

__all__ = [
    "DATASETS",
    "TEST_SETS",
    "Dataset",
    "Decontaminator",
    "Parsed",
    "ReadProblem",
    "Row",
    "SetAside",
    "SourceCounts",
    "answer_text",
    "boxed",
    "final_answer",
    "fingerprint_of",
    "look_up",
    "plain",
    "read_problems",
    "take_out_marks",
    "text_of",
]
