from __future__ import annotations

import hashlib
import random

import pytest

from lemma.exports.near import NearCopies, Twin, numbers_in, tokens_in
from tests.exports.builders import HOSTILE

TEXT = """First we find how many rolls a tray holds, which is 3 dozen and a half, so 42 rolls.
On a weekday the bakery sells 12 trays, that is 12 * 42 = 504 rolls, and it does so 5 times: 2520 rolls.
On Saturday it sells half of that, so 504 / 2 = 252 rolls.
Altogether the bakery sells 2520 + 252 = 2772 rolls in a week. The answer is: 2772"""


def kept(*texts: str, threshold: float = 0.65) -> NearCopies:
    near = NearCopies(threshold)
    for number, text in enumerate(texts):
        near.add(near.sketch(text), f"r-{number}")
    return near


def twin(near: NearCopies, text: str, context: str = "") -> Twin | None:
    return near.twin_of(near.sketch(text, context))


@pytest.mark.parametrize(
    "copy",
    [
        TEXT,
        TEXT.upper().replace("\n", "   "),
        "\n".join(TEXT.split("\n")[i] for i in (1, 0, 2, 3)),
        TEXT.replace("First we find", "Let us see first").replace("Altogether", "In total"),
        TEXT.replace("2772 rolls", "2,772 rolls").replace("252 rolls", "252.00 rolls"),
    ],
)
def test_the_same_numbers_in_nearly_the_same_words_are_a_copy(copy: str) -> None:
    found = twin(kept("Something else, with 2 numbers: 7.", TEXT), copy)
    assert found is not None
    assert found.name == "r-1"
    assert 0.65 <= found.similarity <= 1


def test_another_number_makes_another_text_however_alike_the_words() -> None:
    near = kept(TEXT)
    assert twin(near, TEXT.replace("2772", "2773")) is None
    assert twin(near, TEXT.replace("5 times", "five times")) is None


def test_the_numbers_of_the_question_count_and_its_words_do_not() -> None:
    near = NearCopies(0.65)
    near.add(near.sketch(TEXT, "A week has 7 days."), "r-0")
    assert twin(near, TEXT, "7 days are a week, of which this is about.") == Twin("r-0", 1.0)
    assert twin(near, TEXT, "A week has 6 days.") is None


def test_the_threshold_decides() -> None:
    half = TEXT.replace("the bakery", "Mr Lind").replace("rolls", "loaves of bread")
    assert twin(kept(TEXT, threshold=0.3), half) is not None
    assert twin(kept(TEXT, threshold=0.95), half) is None
    assert twin(kept(TEXT, threshold=1), TEXT) == Twin("r-0", 1.0)


def test_the_first_kept_is_named() -> None:
    found = twin(kept(TEXT, TEXT + " That is all.", TEXT), TEXT)
    assert found is not None
    assert found.name == "r-0"


def test_numbers_are_read_as_values() -> None:
    assert numbers_in(tokens_in("1,450,000 and 1450000, 16.0, 3.50; 007 x2 10 100 1,2")) == {
        "1450000", "16", "3.5", "007", "2", "10", "100", "1",
    }  # fmt: skip


def test_ideographs_are_words_each() -> None:
    assert tokens_in("小明有3个") == ["小", "明", "有", "3", "个"]
    assert tokens_in("Größe naïve_x²") == ["grösse", "naïve", "x²"]


@pytest.mark.parametrize("text", [*HOSTILE, "", " ", "7", "\ud800", "a" * 100_000, "1," * 50_000, "9" * 100_000])
def test_any_text_can_be_sketched(text: str) -> None:
    assert twin(kept(text), text) == Twin("r-0", 1.0)


def test_sketches_are_the_same_on_every_machine_and_with_every_version() -> None:
    sketch = NearCopies(0.65).sketch(TEXT)
    digest = hashlib.sha256(sketch.low.tobytes() + repr(sketch.keys).encode()).hexdigest()
    assert digest[:16] == "3463ebf4203a4957"


def test_among_thousands_each_copy_finds_its_own() -> None:
    draw = random.Random(1)
    words = [f"w{draw.randrange(10**6)}" for _ in range(300)]
    texts = [" ".join(draw.choices(words, k=40)) + f" {number % 10}" for number in range(3000)]
    near = kept(*texts)
    for number in draw.sample(range(3000), 100):
        first, second, *rest = texts[number].split()
        assert (found := twin(near, " ".join([second, first, *rest]))) is not None
        assert found.name == f"r-{number}"
    assert all(twin(near, " ".join(draw.choices(words, k=40)) + " 3") is None for _ in range(100))
