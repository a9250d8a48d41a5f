r"""Bring an answer's text to one spelling: the cheap guard, Unicode, LaTeX dress, wrappers.

After cleaning, a dollar sign is a currency, relations are single characters (``≤ ≥ ≠ ≈ ∈ ∪ ∖``), ``\text{...}``
is the only text command, and thousands that LaTeX separates are joined. Nothing is judged here.

Example: ``$\dfrac{1}{2}\mbox{ cm}.$`` becomes ``\frac{1}{2}\text{ cm}``.
"""

from __future__ import annotations

import re
import unicodedata

from lemma.answers.formulas.names import GREEK_LETTERS
from lemma.answers.plain import MAX_CHARS

MAX_NESTING = 40

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_VULGAR = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5), "⅘": (4, 5),
    "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅐": (1, 7), "⅑": (1, 9),
    "⅒": (1, 10),
}  # fmt: skip
_SIGNS = {
    "−": "-", "–": "-", "—": "-", "‒": "-", "‐": "-", "‑": "-", "﹣": "-", "×": "\\times ", "·": "\\cdot ",
    "⋅": "\\cdot ",
    "∙": "\\cdot ", "∗": "*", "÷": "\\div ", "√": "\\usqrt ", "∛": "\\sqrt[3]", "∜": "\\sqrt[4]", "π": "\\pi ",
    "∞": "\\infty ",
    "±": "\\pm ", "∓": "\\mp ", "°": "^\\circ ", "º": "^\\circ ", "˚": "^\\circ ", "∅": "\\emptyset ",
    "ℝ": "\\mathbb{R}", "ℤ": "\\mathbb{Z}",
    "ℕ": "\\mathbb{N}", "ℚ": "\\mathbb{Q}", "ℂ": "\\mathbb{C}", "…": "...", "“": '"', "”": '"', "„": '"', "‘": "'",
    "’": "'",
    "′": "'", "⁄": "/", "∕": "/", "⟨": "\\langle ", "⟩": "\\rangle ", "⌊": "\\lfloor ", "⌋": "\\rfloor ",
    "⌈": "\\lceil ",
    "⌉": "\\rceil ", "≦": "≤", "≧": "≥", "⩽": "≤", "⩾": "≥", "≃": "≈", "≅": "≈", "∧": " and ", "∨": " or ",
    "⋃": "∪", "∣": "|",
    "％": "%", "＄": "$", "∶": ":", "ⅈ": "i", "ϕ": "\\phi ", "ϵ": "\\epsilon ", "µ": "\\mu ",
    "∠": "\\angle ",
}  # fmt: skip
_GREEK = {letter: f"\\{name} " for letter, name in GREEK_LETTERS.items()}
_REPLACED = str.maketrans({**_SIGNS, **_GREEK})
_RELATIONS = [
    (re.compile(r"\\(?:leqslant|leqq|leq|le)(?![A-Za-z])|<=|=<"), "≤"),
    (re.compile(r"\\(?:geqslant|geqq|geq|ge)(?![A-Za-z])|>="), "≥"),
    (re.compile(r"\\(?:neq|ne)(?![A-Za-z])|!=|\\not\s*="), "≠"),
    (re.compile(r"\\lt(?![A-Za-z])"), "<"),
    (re.compile(r"\\gt(?![A-Za-z])"), ">"),
    (re.compile(r"\\(?:approx|thickapprox|simeq|doteq)(?![A-Za-z])|~="), "≈"),
    (re.compile(r"\\in(?![A-Za-z])"), "∈"),
    (re.compile(r"\\(?:bigcup|cup)(?![A-Za-z])|(?<=[)\]}])\s*U\s*(?=[(\[{\\])"), "∪"),
    (re.compile(r"\\(?:setminus|backslash)(?![A-Za-z])"), "∖"),
    (re.compile(r"={2,3}"), "="),
]
_GROUP = r"\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"
_TEXT = re.compile(r"\\(?:mbox|hbox|textnormal|textrm|textbf|textit|textsf|texttt|textup|emph|text)\s*" + _GROUP)
_ROMAN = re.compile(r"\\(?:mathrm|rm|mathsf|mathtt|operatorname\*?)\s*" + _GROUP)
_DRESS = re.compile(
    r"\\(?:boxed|fbox|framebox|underline|mathbf|mathit|mathcal|mathscr|mathfrak|boldsymbol|bm|bold|vec|ensuremath|"
    r"mathop|mathord|textcolor\s*\{\w+\}|color\s*\{\w+\})\s*" + _GROUP
)
_DROPPED = re.compile(
    r"\\(?:left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|Biggl|Biggr|bigg|Bigg|big|Big|displaystyle|textstyle|scriptstyle|limits|nolimits|"
    r"mathstrut|hfill|noindent|centering|small|large|Large|rm|bf|it)(?![A-Za-z])"
)
_SPACE = re.compile(
    r"\\(?:quad|qquad|thinspace|enspace|space)(?![A-Za-z])|\\hspace\*?\s*\{[^{}]*\}|(?<!\\)\\[,;:>! ]|~"
)
_THOUSANDS = re.compile(r"(?<=\d)\s*(?:\{\s*,\s*\}|,\s*\\!|\\,|\\!|\\;|\\ |')\s*(?=\d{3}(?!\d))")
_THOUSANDS_SPACED = re.compile(r"(?<![\d.,^_/\\}])(?<![\d][ ])\d{1,3}(?: \d{3})+(?![\d])")
_HTML = re.compile(r"</?(?:b|i|em|strong|sup|sub|span|p|br|u|code)\s*/?>", re.IGNORECASE)
_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")


def is_within_limits(text: str) -> bool:
    """The guard: whether a text is short and shallow enough to be read at all."""
    if not text or len(text) > MAX_CHARS:
        return False
    depth = 0
    for character in text:
        if character in _OPENING:
            depth += 1
            if depth > MAX_NESTING:
                return False
        elif character in _CLOSING and depth:
            depth -= 1
    return True


def clean(text: str) -> str:
    """Return ``text`` in the one spelling that the readers know. The text has passed the guard."""
    if not text.isascii():
        text = _from_unicode(text)
    text = "".join(c if c.isprintable() else " " for c in text) if not text.isprintable() else text
    if "<" in text:
        text = _HTML.sub(" ", text)
    text = _without_wrappers(text)
    if "\\" in text or "{" in text or "'" in text:
        text = _THOUSANDS.sub("", text)
    if "\\" in text or "~" in text:
        text = _from_latex(text)
    for pattern, sign in _RELATIONS:
        if sign in "≤≥≠≈∪=" or "\\" in text:
            text = pattern.sub(sign, text)
    text = _without_dollars(text)
    text = _THOUSANDS_SPACED.sub(lambda found: found.group().replace(" ", ""), text)
    return _without_wrappers(re.sub(r"\s+", " ", text))


def _from_unicode(text: str) -> str:
    text = re.sub(r"(?<=\d)\s*(mm|cm|km|m|ft|in)(?=[²³])", r"\\text{\1}", text)
    text = "".join(f" \\frac{{{_VULGAR[c][0]}}}{{{_VULGAR[c][1]}}}" if c in _VULGAR else c for c in text)
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+", lambda found: "^{" + found.group().translate(_SUPERSCRIPTS) + "}", text)
    text = re.sub("[₀₁₂₃₄₅₆₇₈₉]+", lambda found: "_{" + found.group().translate(_SUBSCRIPTS) + "}", text)
    text = text.translate(_REPLACED)
    text = unicodedata.normalize("NFKC", text).translate(_REPLACED)
    return text[: 4 * MAX_CHARS]


def _from_latex(text: str) -> str:
    if "\\begin" not in text:
        text = re.sub(r"\\\\(?=[A-Za-z])", r"\\", text)
        text = re.sub(r"\\\\\s*$|\\$", "", text.rstrip())
    text = text.replace("\\$", "\x01").replace("\\%", "%").replace("\\#", "#").replace("\\&", "&amp;")
    text = re.sub(r"\\[dtc]frac(?![A-Za-z])", r"\\frac", text)
    text = re.sub(r"\\[dt]binom(?![A-Za-z])", r"\\binom", text)
    text = re.sub(r"\\phantom\s*(?:\{[^{}]*\}|-)", "", text)
    text = re.sub(r"\\(?:[lc]?dots|dotsc)(?![A-Za-z])", "...", text)
    text = re.sub(r"\\(?:[lr]vert|vert|mid)(?![A-Za-z])", "|", text)
    text = re.sub(r"\{([^{}]*)\\choose(?![A-Za-z])([^{}]*)\}", r"\\binom{\1}{\2}", text)
    text = re.sub(r"\\overline\s*\{\s*([A-Z]{1,3})\s*\}", r"\1", text)
    text = re.sub(r"\\varnothing(?![A-Za-z])", r"\\emptyset", text)
    for _ in range(4):
        before = text
        text = _TEXT.sub(r"\\TEXT{\1}", text)
        text = text.replace("\\TEXT", "\\text")
        text = _ROMAN.sub(_roman, text)
        text = _DRESS.sub(r" \1", text)
        if text == before:
            break
    text = _DROPPED.sub("", text)
    text = re.sub(
        r"\\text\s*\{\s*([$€£%\x01]|cis)\s*\}", lambda found: "\\cis " if found[1] == "cis" else found[1], text
    )
    text = re.sub(r"\\frac\s*\{\s*\\text\s*\{([^{}]*)\}\s*\}\s*\{\s*\\text\s*\{([^{}]*)\}\s*\}", r"\\text{\1/\2}", text)
    text = re.sub(r"(?<=\d),\s*\\!\s*(?=\d{3})", "", text)
    return _SPACE.sub(" ", text)


def _roman(found: re.Match[str]) -> str:
    inside = found.group(1)
    if inside.strip() in ("e", "i", "d") or "operatorname" in found.group():
        return ("\\" + inside if "operatorname" in found.group() and inside.isalpha() else inside) + " "
    return "\\text{" + inside + "}"


def _without_dollars(text: str) -> str:
    r"""Take formula delimiters away; a dollar sign that is left is a currency."""
    text = re.sub(r"\\[()\[\]]", " ", text)
    if "$" in text:
        marks = text.count("$")
        if marks == 1 and re.search(r"\$\s*[\d.]|\d\s*\$", text):
            return text.replace("\x01", "$")
        if marks % 2 and re.search(r"\$\d", text):
            text = re.sub(r"\$(?=\d)", "\x01", text, count=1)
        text = text.replace("$", " ")
    return text.replace("\x01", "$")


def _without_wrappers(text: str) -> str:
    previous = None
    while text != previous:
        previous = text
        text = text.strip().strip("`").rstrip(",;:").strip()
        if text.endswith(".") and not text.endswith("..."):
            text = text.rstrip(".")
        if text.startswith(("**", "__", "*")) or text.endswith("**"):
            text = text.strip("*").removeprefix("__").removesuffix("__")
        if len(text) > 1 and text[0] == text[-1] == '"':
            text = text[1:-1]
        for opener, closer in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
            if len(text) > len(opener) + len(closer) and text.startswith(opener) and text.endswith(closer):
                inner = text[len(opener) : -len(closer)]
                if opener not in inner.replace("\\$", "") and not inner.endswith("\\"):
                    text = inner
                    break
    return text
