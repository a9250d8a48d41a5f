from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lemma.answers import Verdict, compare, explain, extract_answer

_PIECES = st.sampled_from([
        r"\frac", r"\sqrt", r"\pm", r"\mp", r"\left(", r"\right)", r"\{", r"\}", r"\text{", r"\text{cm}",
        r"\text{and}", r"\begin{pmatrix}", r"\end{pmatrix}", r"\\", r"&", r"\cup", r"\infty", r"\le", r"\in", r"\pi",
        r"\sin", r"\log", r"_", r"^", r"^\circ", r"{", r"}", r"(", r")", r"[", r"]", r"|", r",", r";", r":", r".",
        r"!", r"%", r"$", r"\$", r"=", r"<", r">", r"≤", r"≠", r"+", r"-", r"*", r"/", r"**", r"0", r"1", r"2",
        r"3.5", r".5", r"10", r"1,000", r"1e5", r"x", r"y", r"n", r"i", r"e", r"f(x)", r"A", r"B", r"apples", r"cm",
        r"and", r"or", r"five", r"twenty", r"hundred", r"pm", r"4:30", r"½", r"√", r"²", r"∞", r"€", r"\boxed{",
        r"\binom", r"\overline", r"\lfloor", r"\rfloor", r"\choose", r"\approx", r"\mathbb{R}", r"\setminus", r"\!",
        r"\,", r"~", r"'", r'"', r"`", r"**", " ", "  ", "\n", "\0",
])  # fmt: skip
_FORMULAS = st.lists(_PIECES, max_size=14).map("".join)
_SPACED = st.lists(_PIECES, max_size=14).map(" ".join)
_ANSWERS = st.one_of(
    _FORMULAS, _SPACED, st.text(max_size=40), st.integers().map(str), st.fractions().map(str), st.decimals().map(str)
)
_SETTINGS = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_SETTINGS
@given(_ANSWERS, _ANSWERS)
def test_compare_never_raises_and_is_symmetric(left: str, right: str) -> None:
    assert compare(left, right) is compare(right, left)


@_SETTINGS
@given(_ANSWERS)
def test_an_answer_is_never_different_from_itself(answer: str) -> None:
    assert compare(answer, answer) is not Verdict.DIFFERENT


@_SETTINGS
@given(_ANSWERS, _ANSWERS)
def test_explain_agrees_with_compare(left: str, right: str) -> None:
    assert explain(left, right).verdict is compare(left, right)


@_SETTINGS
@given(
    st.lists(
        st.one_of(_PIECES, st.sampled_from(["The answer is ", "#### ", "A: ", "Answer:", "\\boxed{", "**", ". "]))
    ).map("".join)
)
def test_extraction_never_raises(text: str) -> None:
    found = extract_answer(text)
    assert found is None or found.strip() == found != ""


@_SETTINGS
@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6), st.integers(1, 50))
def test_a_fraction_equals_its_unreduced_form_and_no_neighbour(top: int, bottom: int, scale: int) -> None:
    assert compare(rf"\frac{{{top * scale}}}{{{bottom * scale}}}", f"{top}/{bottom}") is Verdict.EQUAL
    assert compare(rf"\frac{{{top}}}{{{bottom}}}", f"{top + 1}/{bottom}") is Verdict.DIFFERENT
