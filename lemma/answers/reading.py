r"""Read an answer's text as a value.

Example: ``x \in [0, 1) \cup \{3\}`` is read as a ``Region`` of two intervals, ``4:30 p.m.`` as a ``Clock``.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from lemma.answers import exact, regions, units
from lemma.answers.cleaning import clean, is_within_limits
from lemma.answers.expression import Tree, UnreadableError, number, read_expression
from lemma.answers.plain import PLAIN_NUMBER
from lemma.answers.values import (
    Approximate,
    Based,
    Choice,
    Clock,
    Equation,
    Inequalities,
    Interval,
    Items,
    Matrix,
    Ordered,
    Ratio,
    Region,
    Scalar,
    Unread,
    Value,
    Words,
)

_MAX_MEMBERS = 200
_MAX_DEPTH = 12
_THOUSANDS = re.compile(r"(?<![\d.,_^])\d{1,3}(?:,\d{3})+(?!\d|,\d)")
_LETTER = re.compile(r"[(\[{]?\s*(?:\\text\s*\{\s*)?[(\[]?\s*([A-Za-z])\s*[)\]]?\s*\}?\s*[)\]}]?[.:)]?")
_CHOICE = re.compile(r"(?:\(\s*([A-Z])\s*\)|([A-Z])[.):](?=\s)|\\text\s*\{\s*\(?([A-Z])\)\s*\})\s*(?![+\-*/^=,])(\S.*)")
_JOINERS = re.compile(
    r",?\s*\\text\s*\{\s*,?\s*(?:and|or)\s*\}\s*|\s*,?\s+(?:and|or|&)\s+|\s*\\text\s*\{\s*,\s*(?:and|or)?\s*\}\s*|,\s*(?:and|or)\s+|;\s+"
)
_OR = re.compile(r"(?:\s|\})or(?:\s|\\|\})|\{\s*or\s*\}")
_MATRIX = re.compile(
    r"\\begin\s*\{([pbvBV]?matrix|smallmatrix|array)\}(?:\s*\{[lcr| ]*\})?(.*?)\\end\s*\{\1\}", re.DOTALL
)
_CASES = re.compile(r"\\begin\s*\{(cases|aligned|align\*?|gathered)\}(.*)\\end\s*\{\1\}", re.DOTALL)
_NUMERAL = re.compile(
    r"(-?)\s*(?:\\text\s*\{\s*)?([0-9A-Z]*\d[0-9A-Z]*(?:\.\d+)?|[A-Z]{2,12}(?=\}?_))\s*\}?\s*_\s*(?:\{?\s*(\d{1,2})\s*\}?|\{?\s*(?:\\text\s*\{)?\s*(\w+)\s*\}?\s*\}?)"
)
# A list of names or letters that stands in one text command, as \\text{A, B}.
_TEXT_LIST = re.compile(r"\\text\s*\{\s*([\w ]{1,30}(?:,\s*[\w ]{1,30})+)\}")
_HEAD = re.compile(
    r"\\?[A-Za-z]+(?:_\s*(?:\{[^{}]*\}|\w))?'*(?:\s*\(\s*\\?[A-Za-z]+(?:\s*,\s*[A-Za-z])*\s*\)|\s*\^\{-1\}\([a-z]\))?|"
    r"(?:m\s*)?\\(?:angle|triangle|overline|sin|cos|tan)\s*\{?\s*\\?[A-Za-z]+\s*\}?|\\text\s*\{[^{}]*\}|"
    r"[A-Za-z][A-Za-z ]+|"
    r"\|?[A-Z]{2}\|?|\[[A-Z]+\]"
)
_FUNCTION_HEAD = re.compile(
    r"(?:[fghFGHpPqQ](?:_\w)?|[a-zA-Z])\s*(?:\^\{-1\}|\^\{?'\}?|')?\s*\(\s*\\?[a-z]+(?:\s*,\s*[a-z])*\s*\)|y"
)
_REAL = re.compile(
    r"\\mathbb\s*\{?\s*R\s*\}?|\\Re|R|(?:all|any|the set of)?\s*(?:all\s+)?real\s*(?:numbers?|values?)?(?:\s+x)?|"
    r"all reals"
)
_EMPTY = re.compile(r"\\emptyset|\\\{\s*\\\}|\{\s*\}|(?:the )?empty set|null set")
_TRAILING_TEXT = re.compile(
    r"(.*?)\s*(?:\\text\s*\{([^{}]*)\})\s*((?:\^\s*(?:\{\s*\d\s*\}|\d))?(?:\s*/\s*\\text\s*\{([^{}]*)\})?)\s*((?:\\text\s*\{[^{}]*\}\s*)*)",
    re.DOTALL,
)
_TRAILING_WORDS = re.compile(
    r"(.*?[\d)}\]|!]|.*?\\pi)(\s*)((?:sq|cu)\.?\s+[a-zA-Z]+\.?|[a-zA-Z¢][a-zA-Z.¢'-]*(?:\s*/\s*[a-zA-Z]+|\s+[a-zA-Z][a-zA-Z.'-]*)*)(\s*\^\s*(?:\{\s*\d\s*\}|\d))?",
    re.DOTALL,
)
_DEGREES = re.compile(
    r"(.*?)\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))\s*(?:\\text\s*\{\s*([CF])\s*\}|([CF]))?", re.DOTALL
)
_CURRENCY_FIRST = re.compile(r"([+-]?)\s*([$€£¥₹]|USD|EUR|GBP|US\$)\s*(.+)", re.DOTALL)
_CURRENCY_LAST = re.compile(r"(.*\d)\s*([$€£¥₹])", re.DOTALL)
_PERCENT_LAST = re.compile(
    r"(.+?)\s*(%|\\text\s*\{\s*(?:percent|per cent|pct|percentage|\\?%)\s*\}|"
    r"\s*(?:percent|percentage|pct)(?:age)?(?: points?)?)",
    re.DOTALL,
)
_ORDINAL = re.compile(r"(.*\d)\s*(?:\^\s*\{?\s*\\text\s*\{\s*(?:th|st|nd|rd)\s*\}\s*\}?|(?:th|st|nd|rd))")
_SCALED = re.compile(r"(.*\d)\s*(?:\\text\s*\{\s*)?(thousand|million|billion|trillion)\s*\}?(.*)", re.DOTALL)
_KNOWN_WORDS = re.compile(
    r"\\?(?:sin|cos|tan|cot|sec|csc|log|ln|sqrt|pi|oo|inf|arcsin|arccos|arctan|exp|max|min|gcd|lcm|alpha|beta|gamma|theta|phi|lambda|"
    r"infinity|frac|usqrt|cdot|times)(?![a-z])"
)
_SIGN_CHOICE = ("\\pm", "\\mp")
# Letters in a row that are a name or a word, and no product, though a product of symbols would look the same.
_NAME = re.compile(
    r"[A-Z]{2,}|(?i:no|yes|on|off|up|in|out|odd|red|top|low|all|any|new|old|dog|cat|hot|wet|dry|boy|his|her|mon|tue|wed|thu|fri|sat|sun)"
)
_OPTION = re.compile(r"(?:option|choice|answer|statement|part)\s*:?\s*[(\[]?([A-Z])[)\]]?", re.IGNORECASE)
_BASE_WORDS = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "twelve": 12,
    "sixteen": 16,
}
_RELATIONS = "=<>≤≥≠"
_OPEN = {"(": ")", "[": "]", "{": "}"}


@lru_cache(maxsize=4096)
def read(text: str) -> Value | None:
    """Read an answer; None where it is empty or over the limits of the guard. Raises nothing."""
    plain = PLAIN_NUMBER.fullmatch(text.strip())
    if plain:
        return _plain(plain)
    if not is_within_limits(text):
        return None
    cleaned = clean(text)
    if not cleaned or not is_within_limits(cleaned):
        return None
    try:
        return _value(cleaned, 0)
    except (RecursionError, OverflowError):
        return Unread(cleaned)


def canonical(text: str) -> str:
    """The cleaned text without what makes no difference, for comparing what cannot be read."""
    return re.sub(r"\\text\s*\{([^{}]*)\}|[\s{}]", lambda found: (found.group(1) or "").strip(), clean(text)).casefold()


def _plain(found: re.Match[str]) -> Scalar:
    sign, currency, digits = found.groups()
    digits = digits.replace(",", "")
    value = Fraction(digits + "0" if digits.endswith(".") else digits)
    return Scalar(number(-value if sign == "-" else value), units.read_unit("$") if currency else None)


def _value(text: str, depth: int) -> Value:
    """Read cleaned text, trying the kinds from the most particular to the most general."""
    text = _unbraced(text.strip().rstrip(",;").strip())
    plain = PLAIN_NUMBER.fullmatch(text)
    if plain:
        return _plain(plain)
    if depth > _MAX_DEPTH or not text:
        return Unread(text)
    listed = _TEXT_LIST.fullmatch(text)
    if listed:
        return _value(listed.group(1), depth + 1)
    for reader in (
        _letter,
        _named_set,
        _clock,
        _written_number,
        _choice,
        _approximate,
        _list,
        _relation,
        _union,
        _matrix,
        _bracketed,
        _based,
        _ratio,
    ):
        value = reader(text, depth)
        if value is not None:
            return value
    return _scalar(text) or _words(text)


def _letter(text: str, depth: int) -> Value | None:
    if _NAME.fullmatch(text):
        return Words((text.casefold(),))
    found = _LETTER.fullmatch(text) or _OPTION.fullmatch(re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text))
    if not found:
        return None
    letter = found.group(1)
    tree: Tree = ("const", letter) if letter in ("i", "e") else ("sym", letter)
    return Scalar(tree, letter=letter)


def _choice(text: str, depth: int) -> Value | None:
    found = _CHOICE.fullmatch(text)
    if not found:
        return None
    letter, rest = next(group for group in found.groups()[:3] if group), found.group(4)
    if found.group(3) is None and found.group(1) and _operand(rest):
        return None
    return Choice(letter.casefold(), _value(rest, depth + 1))


def _operand(rest: str) -> bool:
    """Whether ``(A) ...`` goes on as a product rather than as an option's text."""
    return rest.startswith(("(", "[", "\\left", "\\cdot", "\\times", "_", "!", "'", "∪", "∈", "<", ">", "≤", "≥"))


def _named_set(text: str, depth: int) -> Value | None:
    bare = re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text).strip()
    if _EMPTY.fullmatch(bare):
        return Items((), is_set=True)
    builder = re.fullmatch(r"\\?\{\s*\\?[A-Za-z]+(?:\s*∈[^|:]*)?\s*[|:](.+?)\\?\}", text)
    if builder:
        holds = _value(builder.group(1), depth + 1)
        return holds if isinstance(holds, (Region, Inequalities)) else Unread(text)
    if _REAL.fullmatch(bare) and len(bare) > 1:
        return Region((regions.REAL_LINE,))
    removed = re.fullmatch(r"(.+?)\s*(?:∖|\\(?=\s*\\\{)|-(?=\s*\\\{))\s*(\\?\{.*\\?\})", text)
    removed = removed or re.fullmatch(r"(.+?),?\s+(?:except(?: for)?|other than|but)\s+(.+)", bare)
    if removed and _REAL.fullmatch(removed.group(1).strip()):
        points = _value(removed.group(2), depth + 1)
        spans = [regions.REAL_LINE]
        for member in points.members if isinstance(points, Items) else (points,):
            if not isinstance(member, Scalar) or member.form is None or regions.approximate(member.form) is None:
                return None
            gap = [Interval(None, member.form, False, False), Interval(member.form, None, False, False)]
            spans = regions.intersect(spans, gap)
        return regions.merged(spans)
    return None


def _clock(text: str, depth: int) -> Value | None:
    bare = re.sub(r"\\text\s*\{([^{}]*)\}", r" \1", text).strip()
    bare = re.sub(r"\s+", " ", bare)
    if bare.lower() in ("noon", "midnight"):
        return Clock(12 * 3600 if bare.lower() == "noon" else 0, "pm" if bare.lower() == "noon" else "am")
    found = re.fullmatch(
        r"(\d{1,2})(?:\s*:\s*(\d\d))?(?:\s*:\s*(\d\d))?\s*(?:([ap])\.?\s?m\b\.?)?", bare, re.IGNORECASE
    )
    if not found or (found.group(2) is None and found.group(4) is None):
        return None
    hour, minute, second = int(found[1]), int(found[2] or 0), int(found[3] or 0)
    if hour > 24 or minute > 59 or second > 59 or (found[4] and not 1 <= hour <= 12):
        return None
    half = {"a": "am", "p": "pm"}.get((found[4] or "").lower())
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return Clock((hour * 60 + minute) * 60 + second, half)


def _written_number(text: str, depth: int) -> Value | None:
    bare = re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text).strip()
    if not bare[:1].isalpha():
        return None
    found = units.read_number_words(bare)
    if found is None:
        return None
    value, rest = found
    if not rest:
        return Scalar(number(value))
    if units.is_percent(rest):
        return Scalar(number(value), is_percent=True)
    if len(rest.split()) > 3 or value in (0, 1) or value.denominator != 1:
        return None  # "one of them" is no number
    return Scalar(number(value), units.read_unit(rest), letter=None)


def _approximate(text: str, depth: int) -> Value | None:
    if "≈" not in text:
        return None
    parts = [part for part in text.split("≈") if part.strip()]
    if not parts:
        return None
    if len(parts) == 1:
        return _value(parts[0], depth + 1)
    first = _value(parts[0], depth + 1)
    if isinstance(first, Scalar) and first.letter:
        return _value(parts[-1], depth + 1)
    return Approximate(first, _value(parts[-1], depth + 1)) if parts else None


def split_top(text: str, separators: str) -> list[str]:
    """Split at any of ``separators`` that stands outside of all brackets."""
    parts, depth, start, position = [], 0, 0, 0
    while position < len(text):
        character = text[position]
        if character == "\\" and text[position + 1 : position + 2] in ("{", "}"):
            depth += 1 if text[position + 1] == "{" else -1
            position += 2
            continue
        if text.startswith(("\\langle", "\\rangle"), position):
            depth += 1 if text[position + 1] == "l" else -1
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth = max(0, depth - 1)
        elif character in separators and depth <= 0:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    parts.append(text[start:])
    return parts


def _list(text: str, depth: int) -> Value | None:
    if "\\begin" in text:
        cases = _CASES.fullmatch(text)
        if not cases:
            return None
        lines = [line.replace("&", " ") for line in cases.group(2).split("\\\\") if line.strip()]
        return Items(tuple(_value(line, depth + 1) for line in lines[:_MAX_MEMBERS]))
    if "," not in text and " and" not in text and " or" not in text and "{" not in text and ";" not in text:
        return _signed_list(text, depth)
    commas = (
        _JOINERS.sub(", ", text)
        if _JOINERS.search(text) and len(split_top(_JOINERS.sub("\x02", text), "\x02")) > 1
        else text
    )
    if commas is text and _THOUSANDS.search(text):
        commas = _joined_thousands(text)
    parts = [part for part in split_top(commas, ",;") if part.strip()]
    if len(parts) < 2 or len(parts) > _MAX_MEMBERS:
        return _signed_list(text, depth)
    if _has_words(parts):
        return None
    members = [_value(part, depth + 1) for part in parts]
    spans = [_spans(member) for member in members]
    if all(spans) and any(isinstance(m, Region) for m in members):
        combined = _combined(text, [found for found in spans if found])
        if combined:
            return combined
    # "n = 1, 2, 3" names the list, not its first member.
    first = members[0]
    if (
        isinstance(first, Equation)
        and first.head
        and first.value
        and not any(isinstance(m, Equation) for m in members[1:])
    ):
        members[0] = first.value
    return Items(tuple(_flattened(members)))


def _combined(text: str, spans: list[tuple[Interval, ...]]) -> Region | None:
    """Join conditions: "or" is a union, "and" an intersection, and so are several ``x ≠ a``."""
    if _OR.search(text):
        return regions.merged([span for found in spans for span in found])
    if not re.search(r"(?:\s|\{)and(?:\s|\})", text) and "≠" not in text:
        return None
    common: list[Interval] = [regions.REAL_LINE]
    for found in spans:
        common = regions.intersect(common, found)
    return regions.merged(common) if common else None


def _has_words(parts: list[str]) -> bool:
    """Whether the parts are a sentence's, not a list's."""
    return any(len(re.findall(r"[A-Za-z]{2,}", part)) > 5 and "\\" not in part for part in parts)


def _joined_thousands(text: str) -> str:
    return _THOUSANDS.sub(lambda found: found.group().replace(",", ""), text)


def _flattened(members: list[Value]) -> list[Value]:
    flat: list[Value] = []
    for member in members:
        flat.extend(member.members if isinstance(member, Items) and not member.is_set else [member])
    return flat


def _signed_list(text: str, depth: int) -> Value | None:
    r"""``a \pm b`` stands for both of its values."""
    if ("≠" in text or text.startswith("(")) and "\\pm" in text:
        both_texts = [text.replace("\\pm", a).replace("\\mp", b) for a, b in (("+", "-"), ("-", "+"))]
        values = [_value(one, depth + 1) for one in both_texts]
        if "≠" in text and all(isinstance(value, Region) for value in values):
            return _combined("≠", [value.intervals for value in values if isinstance(value, Region)])
        return Items(tuple(values)) if all(isinstance(value, Ordered) for value in values) else None
    if not any(mark in text for mark in _SIGN_CHOICE) or split_top(text, _RELATIONS + "∪∈") != [text]:
        return None
    if text.startswith(("(", "[", "\\{")) and len(split_top(_inside(text) or "", ",")) > 1:
        return None
    scalar = _scalar(text)
    if not isinstance(scalar, Scalar):
        return None
    both = [Scalar(_with_sign(scalar.tree, sign), scalar.unit, scalar.is_percent) for sign in (1, -1)]
    return Items(tuple(both))


def _with_sign(tree: Tree, sign: int) -> Tree:
    if tree[0] in ("num", "sym", "const"):
        return tree
    if tree[0] in ("pm", "mp"):
        inner = _with_sign(tree[1], sign)
        turned = sign if tree[0] == "pm" else -sign
        return inner if turned > 0 else ("mul", number(-1), inner)
    start = 2 if tree[0] == "fn" else 1
    return (*tree[:start], *(_with_sign(part, sign) for part in tree[start:]))


def _relation(text: str, depth: int) -> Value | None:
    membership = split_top(text, "∈")
    if len(membership) == 2 and re.fullmatch(r"\s*\\?[A-Za-z]+(?:_\{?\w+\}?)?\s*", membership[0]):
        return _value(membership[1], depth + 1)
    sides = split_top(text, _RELATIONS)
    if len(sides) < 2 or len(sides) > 12:
        return None
    signs, position = [], 0
    for side in sides[:-1]:
        position += len(side)
        signs.append(text[position])
        position += 1
    sides = [side.strip() for side in sides]
    if not sides[0] and len(sides) == 2 and signs == ["="]:
        return _value(sides[1], depth + 1)
    if not all(sides):
        return Unread(text)
    if set(signs) == {"="}:
        return _equation(sides, depth)
    return _inequality(sides, signs)


def _equation(sides: list[str], depth: int) -> Value:
    left, right = sides[0], sides[-1]
    trees = [_tree(left), _tree(right)]
    head = _head(left)
    if head is None and len(sides) == 2 and _head(right) and _is_constant(trees[0]):
        left, right, head = right, left, _head(right)
        trees.reverse()
    if (
        head is None
        and left.startswith(("(", "[", "\\langle"))
        and re.fullmatch(r"[(\[\\a-z]*(?:\s*\\?[A-Za-z]\w*\s*,)+\s*\\?[A-Za-z]\w*\s*[)\]\\a-z]*", left)
    ):
        head = re.sub(r"\s", "", left)
    if head is None and (trees[0] is None or (_is_constant(trees[0]) and (len(sides) > 2 or _is_constant(trees[1])))):
        return _value(right, depth + 1)  # a sum that is worked out: its last value counts
    value = _value(right, depth + 1) if head else None
    return Equation(trees[0], trees[1], head, value)


def _head(text: str) -> str | None:
    """The name that an equation gives a value to, or None."""
    bare = text.strip()
    if not _HEAD.fullmatch(bare) or (bare in ("e", "i", "\\pi", "π")):
        return None
    return "y" if _FUNCTION_HEAD.fullmatch(bare) else re.sub(r"\\text|[\s{}\\]", "", bare)


def _tree(text: str) -> Tree | None:
    scalar = _scalar(_joined_thousands(text))
    return scalar.tree if isinstance(scalar, Scalar) else None


def _is_constant(tree: Tree | None) -> bool:
    if tree is None:
        return False
    form = Scalar(tree).form
    return form is not None and not form.is_opaque and not exact.has_variables(form)


def _inequality(sides: list[str], signs: list[str]) -> Value:
    trees = [_endpoint(side) for side in sides]
    if any(tree is None for tree in trees) or "=" in signs:
        return Unread("".join(a + b for a, b in zip(sides, [*signs, ""], strict=True)))
    links: list[tuple[Tree, Tree, bool | None]] = []
    spans: list[Interval] | None = [regions.REAL_LINE]
    for left, right, sign in zip(trees[:-1], trees[1:], signs, strict=True):
        assert left is not None
        assert right is not None
        if sign in ">≥":
            left, right = right, left
        strict = None if sign == "≠" else sign in "<>"
        if _is_infinite(left) or _is_infinite(right):
            continue
        links.append((left, right, strict))
        forms = [Scalar(side).form for side in (left, right)]
        solved = None if None in forms else regions.solve(forms[0], forms[1], strict)  # type: ignore[arg-type]
        spans = None if spans is None or solved is None else regions.intersect(spans, solved)
    names = {name for tree in trees if tree for name in _symbols(tree)}
    if spans is not None and len(names) == 1:
        region = regions.merged(spans)
        if region is not None:
            return region
    return Inequalities(tuple(links))


def _symbols(tree: Tree) -> set[str]:
    if tree[0] == "sym":
        return {tree[1]}
    return {name for part in tree[1:] if isinstance(part, tuple) for name in _symbols(part)}


def _is_infinite(tree: Tree) -> bool:
    if tree[0] == "mul" and len(tree) == 3 and tree[1][0] == "num":
        tree = tree[2]
    return tree == ("const", "inf")


def _endpoint(side: str) -> Tree | None:
    value = _value(side, _MAX_DEPTH - 1)
    return value.tree if isinstance(value, Scalar) else None


def _spans(value: Value) -> tuple[Interval, ...] | None:
    """The intervals that a value stands for, if it can stand for a part of the real line."""
    if isinstance(value, Region):
        return value.intervals
    if isinstance(value, Ordered) and len(value.members) == 2 and value.opener in "([" and value.closer in ")]":
        ends = [_end(member) for member in value.members]
        if all(end is not None for end in ends):
            (low, low_sign), (high, high_sign) = (end for end in ends if end is not None)
            if (
                low_sign <= 0
                and high_sign >= 0
                and not (low is None and low_sign == 0)
                and not (high is None and high_sign == 0)
            ):
                return (
                    Interval(
                        low, high, value.opener == "[" and low is not None, value.closer == "]" and high is not None
                    ),
                )
    if isinstance(value, Items) and value.is_set:
        found = [member.form for member in value.members if isinstance(member, Scalar) and member.form is not None]
        if len(found) == len(value.members) and all(regions.approximate(form) is not None for form in found):
            return tuple(regions.point(form) for form in found)
    return None


def spans_of(value: Value) -> Region | None:
    """The region that a value can be read as: an interval for a pair in brackets, a region for itself."""
    if isinstance(value, Region):
        return value
    spans = _spans(value)
    return regions.merged(spans) if spans else None


def _end(member: Value) -> tuple[exact.Quotient | None, int] | None:
    """An endpoint and, for an infinite one, its sign."""
    if not isinstance(member, Scalar):
        return None
    if member.tree[0] == "const" and member.tree[1] == "inf":
        return None, 1
    if member.tree[0] == "mul" and _is_infinite(member.tree):
        return None, -1 if member.tree[1][1] < 0 else 1
    if member.form is None or regions.approximate(member.form) is None:
        return None
    return member.form, 0


def _union(text: str, depth: int) -> Value | None:
    if "∪" not in text:
        return None
    parts = split_top(text, "∪")
    if len(parts) < 2 or len(parts) > _MAX_MEMBERS:
        return None
    spans: list[Interval] = []
    for part in parts:
        value = _value(part, depth + 1)
        if isinstance(value, Scalar) and value.form and part.strip().startswith(("{", "\\{")):
            value = Items((value,), is_set=True)
        found = _spans(value)
        if found is None:
            return Unread(text)
        spans.extend(found)
    return regions.merged(spans) or Unread(text)


def _matrix(text: str, depth: int) -> Value | None:
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
        cells = [[_cell(cell, depth) for cell in row.split("&")] for row in rows]
        if total is None and not before and not rest.strip():
            return Matrix(tuple(tuple(row) for row in cells))
        trees = [[cell.tree if isinstance(cell, Scalar) else None for cell in row] for row in cells]
        sign = -1 if before.startswith("-") else 1
        factor = before.lstrip("+-").strip().removesuffix("\\cdot").strip()
        scale = read_scalar_tree(factor) if factor else number(1)
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


def _cell(cell: str, depth: int) -> Value:
    return _value(cell.strip(), depth + 1) if cell.strip() else Unread("")


def read_scalar_tree(text: str) -> Tree | None:
    """Read a formula without unit; None where it is none."""
    try:
        return read_expression(text)
    except UnreadableError:
        return None


def _inside(text: str) -> str | None:
    """What stands between the outermost brackets, where they span the whole text."""
    if text.startswith("\\langle") and text.endswith("\\rangle"):
        return text[7:-7]
    if text.startswith("\\{") and text.endswith("\\}"):
        return text[2:-2] if _spans_whole(text[1:-2] + "}") else None
    if text[:1] in _OPEN and text[-1:] in ")]}" and _spans_whole(text):
        return text[1:-1]
    return None


def _spans_whole(text: str) -> bool:
    depth = 0
    for position, character in enumerate(text):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0:
                return position == len(text) - 1
    return False


def _bracketed(text: str, depth: int) -> Value | None:
    inside = _inside(text)
    if inside is None:
        return None
    if re.search(r",\s", inside) and _THOUSANDS.search(inside):
        inside = _joined_thousands(inside)
    parts = split_top(inside, ",;") if inside.strip() else []
    is_set = text.startswith("\\{") or (text[0] == "{" and len(parts) > 1)
    if len(parts) > _MAX_MEMBERS or (is_set and re.search(r"\||:|≤|<", inside)):
        return Unread(text)
    if not is_set and len(parts) == 1:
        if (text[0] == "(" and text[-1] == ")") or text[0] == "{":
            return _value(inside, depth + 1) if not _is_factor(inside) else None
        return Ordered((_value(inside, depth + 1),), text[0], text[-1])
    if _JOINERS.search(inside) and is_set:
        parts = split_top(_JOINERS.sub(", ", inside), ",")
    members = [_value(part, depth + 1) for part in parts if part.strip()]
    if is_set:
        return Items(tuple(_flattened(members)), is_set=True)
    if text.startswith("\\langle"):
        return Ordered(tuple(members), "(", ")")
    if not members:
        return Ordered((), text[0], text[-1])
    return Ordered(tuple(members), text[0], text[-1])


def _is_factor(inside: str) -> bool:
    return not inside.strip()


def _based(text: str, depth: int) -> Value | None:
    if "_" not in text:
        return None
    found = _NUMERAL.fullmatch(text)
    if not found:
        return None
    sign, digits, base, name = found.groups()
    value = int(base) if base else _BASE_WORDS.get((name or "").lower(), 0)
    if name and name.isdigit():
        value = int(name)
    if not 2 <= value <= 36:
        return None
    return Based(digits.upper().lstrip("0") or "0", value, bool(sign))


def _ratio(text: str, depth: int) -> Value | None:
    to = re.fullmatch(r"(-?[\d.]+)\s+to\s+(-?[\d.]+)", text.replace("\\text{ to }", " to "))
    sides = [to.group(1), to.group(2)] if to else split_top(text, ":") if ":" in text else []
    if not 2 <= len(sides) <= 8:
        return None
    parts = [_scalar(side.strip()) for side in sides]
    scalars = tuple(part for part in parts if isinstance(part, Scalar))
    return Ratio(scalars) if len(scalars) == len(parts) else None


def _scalar(text: str) -> Scalar | None:
    """Read a formula with what stands around it: currency, percent, degrees, unit."""
    text = _unbraced(_joined_thousands(text.strip()))
    text = re.sub(r"^\\text\s*\{\s*(-?[\d.,/]+)\s*\}$", r"\1", text)
    plain = PLAIN_NUMBER.fullmatch(text)
    if plain:
        return _plain(plain)
    for pattern, reader in _DRESSED:
        found = pattern.fullmatch(text)
        if found:
            scalar = reader(found)
            if scalar is not None:
                return scalar
    if "\\text" in text or "$" in text:
        return None
    tree = read_scalar_tree(text)
    if tree is None:
        return None
    return Scalar(tree) if tree[0] != "deg" else Scalar(tree[1], units.read_unit("°"))


def _from_currency_first(found: re.Match[str]) -> Scalar | None:
    inner = _scalar(found.group(3))
    if inner is None or (inner.unit and not inner.unit.is_noun and inner.unit.name not in ("$", "month")):
        return None
    tree = ("mul", number(-1), inner.tree) if found.group(1) == "-" else inner.tree
    if tree[0] == "mul" and inner.tree[0] == "num" and found.group(1) == "-":
        tree = number(-inner.tree[1])
    return Scalar(tree, units.read_unit(found.group(2).replace("US$", "$")))


def _from_currency_last(found: re.Match[str]) -> Scalar | None:
    inner = _scalar(found.group(1))
    return Scalar(inner.tree, units.read_unit(found.group(2))) if inner and inner.unit is None else None


def _from_percent(found: re.Match[str]) -> Scalar | None:
    inner = _scalar(found.group(1))
    return Scalar(inner.tree, None, is_percent=True) if inner and not inner.is_percent and inner.unit is None else None


def _from_degrees(found: re.Match[str]) -> Scalar | None:
    if "\\circ" in found.group(1) or not found.group(1).strip():
        return None
    inner = _scalar(found.group(1))
    if inner is None or inner.unit is not None or re.search(r"(?:sin|cos|tan|cot|sec|csc|cis)", found.group(1)):
        return None
    return Scalar(inner.tree, units.read_unit("°" + (found.group(2) or found.group(3) or "")))


def _from_ordinal(found: re.Match[str]) -> Scalar | None:
    inner = _scalar(found.group(1))
    return inner if inner is not None and inner.unit is None else None


def _from_scale(found: re.Match[str]) -> Scalar | None:
    inner = _scalar(found.group(1))
    if inner is None or inner.rational is None:
        return None
    rest = found.group(3).strip()
    unit = units.read_unit(re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", rest)) if rest else inner.unit
    return Scalar(number(inner.rational * units.SCALES[found.group(2)]), unit)


def _from_text(found: re.Match[str]) -> Scalar | None:
    before, text, power, below, more = found.groups()
    if not before.strip():
        return None
    if re.search(r"\b(?:and|or|if|where|for|when)\b", text):
        return None
    words = text + re.sub(r"[{}\s]|\\text|/.*", "", power or "") + (" / " + below if below else "")
    words += " " + re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", more or "")
    inner = _scalar(before)
    if inner is None:
        return None
    if units.is_percent(words):
        return Scalar(inner.tree, None, is_percent=True)
    return Scalar(inner.tree, inner.unit or units.read_unit(words), inner.is_percent)


def _from_words(found: re.Match[str]) -> Scalar | None:
    before, gap, words, power = found.groups()
    if (_KNOWN_WORDS.match(words) and not units.is_measure(words)) or re.search(
        r"\b(?:and|or|if|where|for|when|to|is|than|x)\b", words
    ):
        return None
    bare = words.strip()
    full = bare + re.sub(r"[{}\s]", "", power or "")
    if units.is_percent(bare):
        inner = _scalar(before)
        return Scalar(inner.tree, None, is_percent=True) if inner else None
    if not units.is_measure(full):
        # Unknown words are nouns; short ones without a gap, or with a power, are symbols.
        if power or any(len(word.strip(".")) < 3 for word in bare.split()) or not re.fullmatch(r"[A-Za-z.' -]+", bare):
            return None
    elif len(bare) < 2 and not gap:
        return None
    inner = _scalar(before)
    return Scalar(inner.tree, inner.unit or units.read_unit(full), inner.is_percent) if inner else None


_DRESSED = [
    (_CURRENCY_FIRST, _from_currency_first),
    (_CURRENCY_LAST, _from_currency_last),
    (_PERCENT_LAST, _from_percent),
    (_DEGREES, _from_degrees),
    (_ORDINAL, _from_ordinal),
    (_SCALED, _from_scale),
    (_TRAILING_TEXT, _from_text),
    (_TRAILING_WORDS, _from_words),
]


def _unbraced(text: str) -> str:
    while len(text) > 2 and text[0] == "{" and text[-1] == "}" and _spans_whole(text) and "," not in text:
        text = text[1:-1].strip()
    return text


def _words(text: str) -> Value:
    bare = re.sub(r"\\(?:text|overline)\s*\{([^{}]*)\}", r"\1", text)
    bare = re.sub(r"^(?:the|an?)\s+", "", bare.strip(), flags=re.IGNORECASE)
    if re.search(r"[\\^_=<>≤≥≠∪∈+*/|]", bare) or not re.search(r"[A-Za-z]", bare):
        return Unread(text)
    found = re.findall(r"[a-z0-9']+", bare.casefold())
    return Words(tuple(found)) if found else Unread(text)
