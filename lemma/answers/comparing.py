"""Compare two values: by exact arithmetic here, by a worker process where that does not settle it.

Example: ``explain_pair("1/2", "50%")`` says ``equal``, decided by the ``exact`` layer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from lemma.answers import exact, regions
from lemma.answers.expression import Tree, number
from lemma.answers.plain import MAX_CHARS
from lemma.answers.reading import canonical, read, spans_of
from lemma.answers.values import (
    Approximate,
    Based,
    Choice,
    Clock,
    Equation,
    Inequalities,
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
from lemma.answers.verdict import Explanation, Verdict
from lemma.sandbox import Sandbox, SandboxError

DEADLINE_S = 0.6
MEMORY_MB = 512

# None means undecided, throughout.
_VERDICTS = {True: Verdict.EQUAL, False: Verdict.DIFFERENT, None: Verdict.UNDECIDED}


@lru_cache(maxsize=1)
def default_sandbox() -> Sandbox:
    """The workers that ``compare`` uses, shared by all threads; started by the first pair that needs one."""
    return Sandbox("lemma.answers.algebra:settle", deadline_s=DEADLINE_S, memory_mb=MEMORY_MB)


def settle(prediction: str, reference: str, sandbox: Sandbox | None = None) -> Verdict:
    """Compare two answers of any kind; ``compare`` without its short cut for plain numbers. Raises nothing."""
    return _Comparison(sandbox).run(prediction, reference)[0]


def explain_pair(prediction: str, reference: str, sandbox: Sandbox | None = None) -> Explanation:
    """Compare two answers as ``compare`` does, and tell how each was read and which layer decided. Raises nothing."""
    verdict, layer = _Comparison(sandbox).run(prediction, reference)
    return Explanation(
        verdict, layer, *(describe(read(side) if len(side) <= MAX_CHARS else None) for side in (prediction, reference))
    )


def describe(value: Value | None) -> str:
    """A value for people: its kind and what it holds."""
    if value is None:
        return "nothing (empty, or over the limits)"
    if isinstance(value, Scalar):
        unit = f" {value.unit.name}" if value.unit else " percent" if value.is_percent else ""
        exactly = value.rational
        if exactly is not None and exactly.numerator.bit_length() + exactly.denominator.bit_length() < 1000:
            return f"number {exactly}{unit}"
        return f"formula {_shown(value.tree)}{unit}"
    if isinstance(value, Words):
        return "text " + " ".join(value.words)
    if isinstance(value, Unread):
        return f"unread text {value.text[:200]!r}"
    if isinstance(value, (Items, Ordered)):
        kind = "tuple" if isinstance(value, Ordered) else "set" if value.is_set else "list"
        return f"{kind} of {len(value.members)}: " + "; ".join(describe(member) for member in value.members[:20])
    if isinstance(value, Region):
        return f"region of {len(value.intervals)} interval(s)"
    if isinstance(value, Equation) and value.head and value.value:
        return f"{value.head} = {describe(value.value)}"
    if isinstance(value, Choice):
        return f"option {value.letter.upper()}: {describe(value.rest)}"
    if isinstance(value, Based):
        return f"numeral {value.digits} in base {value.base}"
    if isinstance(value, Clock):
        return f"time {value.seconds // 3600}:{value.seconds // 60 % 60:02}:{value.seconds % 60:02}"
    if isinstance(value, Matrix):
        return f"matrix of {len(value.rows)} row(s): " + "; ".join(
            describe(cell) for row in value.rows for cell in row[:20]
        )
    return type(value).__name__.lower()


def _shown(tree: Tree) -> str:
    if tree[0] == "num":
        bits = tree[1].numerator.bit_length() + tree[1].denominator.bit_length()
        return str(tree[1]) if bits < 1000 else f"a number of {bits} bits"
    if len(tree) == 2 and isinstance(tree[1], str):
        return tree[1]
    parts = [part if isinstance(part, str) else _shown(part) for part in tree[1:]]
    return f"{tree[0]}({', '.join(parts)})"[:300]


class _Comparison:
    """One pair's comparison: it holds the time that is left and whether a worker was asked."""

    def __init__(self, sandbox: Sandbox | None) -> None:
        self._sandbox = sandbox
        self._until: float | None = None
        self._asked = False

    def run(self, prediction: str, reference: str) -> tuple[Verdict, str]:
        if len(prediction) > MAX_CHARS or len(reference) > MAX_CHARS:
            return Verdict.UNDECIDED, "guard"
        left, right = read(prediction), read(reference)
        if left is None or right is None:
            return Verdict.UNDECIDED, "guard"
        try:
            same = self.same(left, right)
        except (exact.UnsettledError, RecursionError):
            same = None
        except exact.UndefinedError:
            same = None
        if same is not True and canonical(prediction) == canonical(reference):
            same = True
        return _VERDICTS[same], "algebra" if self._asked else "exact"

    # Kinds

    def same(self, left: Value, right: Value) -> bool | None:
        """Whether two values are the same, for any two kinds."""
        if left is right or left == right:
            return None if isinstance(left, Scalar) and left.is_undefined else True
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return self.scalars(left, right)
        for one, other in ((left, right), (right, left)):
            found = self._by_kind(one, other)
            if found is not NotImplemented:
                return found
        if type(left) is not type(right):
            return self._mixed(left, right)
        return self._alike(left, right)

    def _by_kind(self, one: Value, other: Value) -> bool | None:
        """Kinds that may stand for another kind; NotImplemented where neither does."""
        if isinstance(one, Approximate):
            if isinstance(other, Approximate):
                return self.same(one.value, other.value)
            return _either(self.same(one.value, other), lambda: self.same(one.near, other))
        if isinstance(one, Choice):
            return self._choice(one, other)
        if isinstance(one, Equation) and not isinstance(other, Equation):
            if one.value is not None:
                heads = (
                    [m.head if isinstance(m, Equation) else None for m in other.members]
                    if isinstance(other, Items)
                    else []
                )
                if (
                    isinstance(other, Items)
                    and isinstance(one.value, Ordered)
                    and one.head == f"({','.join(map(str, heads))})"
                ):
                    return self.same(one.value, Ordered(other.members, one.value.opener, one.value.closer))
                if isinstance(other, Items) and not isinstance(one.value, Items):
                    return (
                        False
                        if len(other.members) > 1
                        else self.same(one.value, other.members[0])
                        if other.members
                        else False
                    )
                return self.same(one.value, other)
            return None if isinstance(other, Unread) else False
        if isinstance(one, Region) and not isinstance(other, (Region, Items)):
            region = spans_of(other)
            if region is not None:
                return regions.same_region(one, region)
        if isinstance(one, Region) and isinstance(other, Items) and other.is_set:
            region = spans_of(other)
            return None if region is None else regions.same_region(one, region)
        if isinstance(one, Clock) and isinstance(other, Scalar):
            if one.half is None and other.rational == _as_ratio(one):
                return None  # 1:20 may be a ratio
            hour = one.seconds // 3600
            hours = (hour, hour - 12 if hour > 12 else hour)
            return one.seconds % 3600 == 0 and other.unit is None and other.rational in hours
        if isinstance(one, Clock) and isinstance(other, Ratio):
            ratio = _as_ratio(one)
            if one.half or ratio is None or len(other.parts) != 2:
                return False
            return self.trees(number(ratio), _quotient(other))
        if isinstance(one, Ratio) and isinstance(other, Scalar):
            return self.trees(_quotient(one), other.tree) if len(one.parts) == 2 else False
        if isinstance(one, Based) and isinstance(other, Scalar):
            return self._based_and_scalar(one, other)
        if isinstance(one, Matrix) and isinstance(other, Ordered):
            return self._vector(one, other)
        if isinstance(one, Items) and isinstance(other, Ordered):
            if any(isinstance(member, Ordered) for member in one.members):
                return NotImplemented  # type: ignore[no-any-return]
            if one.is_set or len(one.members) != len(other.members):
                return False
            return self._in_order(one.members, other.members)
        if isinstance(one, Items) and isinstance(other, (Scalar, Based, Clock, Ratio, Matrix)):
            members = one.members
            return self.same(members[0], other) if len(members) == 1 else False
        return NotImplemented  # type: ignore[no-any-return]

    def _alike(self, left: Value, right: Value) -> bool | None:
        """Two values of one kind."""
        if isinstance(left, Words) and isinstance(right, Words):
            return _same_words(left.words, right.words)
        if isinstance(left, Items) and isinstance(right, Items):
            return self._unordered(left.members, right.members)
        if isinstance(left, Ordered) and isinstance(right, Ordered):
            return self._ordered(left, right)
        if isinstance(left, Matrix) and isinstance(right, Matrix):
            if [len(row) for row in left.rows] != [len(row) for row in right.rows]:
                return False
            return self._in_order([c for row in left.rows for c in row], [c for row in right.rows for c in row])
        if isinstance(left, Equation) and isinstance(right, Equation):
            return self._equations(left, right)
        if isinstance(left, Inequalities) and isinstance(right, Inequalities):
            return self._inequalities(left, right)
        if isinstance(left, Region) and isinstance(right, Region):
            return regions.same_region(left, right)
        if isinstance(left, Based) and isinstance(right, Based):
            return (
                False
                if left.base != right.base or left.digits != right.digits
                else left.is_negative == right.is_negative
            )
        if isinstance(left, Clock) and isinstance(right, Clock):
            ratios = _as_ratio(left), _as_ratio(right)
            if left.half is right.half is None and left != right and ratios[0] is not None and ratios[0] == ratios[1]:
                return None  # as ratios they would be equal
            return _same_time(left, right)
        if isinstance(left, Ratio) and isinstance(right, Ratio):
            if len(left.parts) != len(right.parts):
                return False
            a, b = left.parts[0].tree, right.parts[0].tree
            return _all(
                [
                    self.trees(("mul", x.tree, b), ("mul", y.tree, a))
                    for x, y in zip(left.parts, right.parts, strict=True)
                ]
            )
        return None  # two texts that nobody could read

    def _mixed(self, left: Value, right: Value) -> bool | None:
        """Two different kinds, none of which stands for the other."""
        if isinstance(left, Unread) or isinstance(right, Unread):
            return None
        for words, other in ((left, right), (right, left)):
            if isinstance(words, Words):
                if isinstance(other, Items) and not other.members:
                    return None  # "no solution" may be the empty set
                if isinstance(other, Scalar) and other.letter:
                    return words.words == (other.letter.casefold(),)
                told = {word for word in words.words if any(c.isdigit() for c in word)}
                if not told:
                    return False
                value = other.rational if isinstance(other, Scalar) else None
                return None if value is None or str(value) in told else False
        return False

    # Scalars

    def scalars(self, left: Scalar, right: Scalar) -> bool | None:
        """Two formulas with their units: a unit may be missing on one side."""
        if left.letter and right.letter:
            return left.letter.casefold() == right.letter.casefold()
        if left.is_percent != right.is_percent:
            percent, plain = (left, right) if left.is_percent else (right, left)
            if plain.unit is None:
                hundredth = ("mul", percent.tree, number(Fraction(1, 100)))
                return _either(self.trees(percent.tree, plain.tree), lambda: self.trees(hundredth, plain.tree))
            # A percent sign beside another unit: two units that differ; a noun may go with it.
            return None if plain.unit.is_noun and self._values(left, right) is not False else False
        same = self._values(left, right)
        if left.unit is None or right.unit is None:
            for angle, plain in ((left, right), (right, left)):
                # The same angle in degrees and in radians: right as a value, though not in the form that was asked for.
                if (
                    same is False
                    and angle.unit
                    and angle.unit.name == "deg"
                    and self.trees(("deg", angle.tree), plain.tree)
                ):
                    return None
            return same
        if left.unit.name == right.unit.name:
            return same
        one, other = left.unit, right.unit
        pounds = {"pounds", "lb"}, {"pounds", "£"}
        if any({one.name, other.name} <= names for names in pounds):
            return same
        if one.is_noun or other.is_noun:
            alike = set(one.name.split()) & set(other.name.split())
            return same if same is not True or alike else None
        if one.dimension == other.dimension:
            converted = ("mul", left.tree, number(one.size)), ("mul", right.tree, number(other.size))
            return None if self.trees(*converted) is not False else False
        return False

    def _values(self, left: Scalar, right: Scalar) -> bool | None:
        a, b = left.tree, right.tree
        if a[0] == "num" and b[0] == "num":
            return bool(a[1] == b[1])
        infinite = _sign_of_infinity(a), _sign_of_infinity(b)
        if any(infinite):
            return infinite[0] == infinite[1]
        if left.is_undefined or right.is_undefined:
            return False if left.is_undefined != right.is_undefined else None
        if left.form is not None and right.form is not None:
            try:
                settled = exact.equal(left.form, right.form)
            except exact.UnsettledError:
                settled = None
            if settled is not None:
                return settled
        return self.ask(a, b, "value")

    def trees(self, left: Tree, right: Tree) -> bool | None:
        """Whether two formulas have the same value."""
        return self._values(Scalar(left), Scalar(right))

    def ask(self, left: Tree, right: Tree, mode: str) -> bool | None:
        """Ask a worker; None where it did not settle the question in time."""
        now = time.monotonic()
        sandbox = self._sandbox or default_sandbox()
        if self._until is None:
            try:
                sandbox.warm()
            except SandboxError:
                return None
            now = time.monotonic()
            self._until = now + DEADLINE_S
        self._asked = True
        left_s = self._until - now
        if left_s <= 0.005:
            return None
        try:
            request = json.dumps([_portable(left), _portable(right), mode])
            reply = sandbox.run(request, left_s)
        except (SandboxError, ValueError, RecursionError):
            return None
        return reply if isinstance(reply, bool) else None

    # Collections

    def _ordered(self, left: Ordered, right: Ordered) -> bool | None:
        if len(left.members) != len(right.members):
            return False
        if len(left.members) == 2 and (left.opener, left.closer) != (right.opener, right.closer):
            return False
        return self._in_order(left.members, right.members)

    def _in_order(self, left: Sequence[Value], right: Sequence[Value]) -> bool | None:
        return _all([self.same(a, b) for a, b in zip(left, right, strict=True)])

    def _vector(self, matrix: Matrix, ordered: Ordered) -> bool | None:
        if all(isinstance(member, Ordered) for member in ordered.members):
            rows = [member.members for member in ordered.members if isinstance(member, Ordered)]
            return self.same(matrix, Matrix(tuple(rows)))
        if any(len(row) != 1 for row in matrix.rows) and len(matrix.rows) != 1:
            return False
        cells = [cell for row in matrix.rows for cell in row]
        if len(cells) != len(ordered.members):
            return False
        return self._in_order(cells, ordered.members)

    def _unordered(self, left: Sequence[Value], right: Sequence[Value]) -> bool | None:
        named = [[member.head if isinstance(member, Equation) else None for member in side] for side in (left, right)]
        for heads, plain, values in ((named[0], named[1], right), (named[1], named[0], left)):
            # Values of differently named unknowns keep their order where the other side does not name them.
            if all(heads) and len(set(heads)) == len(heads) > 1 and not any(plain):
                other = left if values is right else right
                if len(other) != len(values):
                    return False
                return self._in_order(other, values)
        if len(left) != len(right):
            return False
        unsure, rest = False, list(right)
        for member in left:
            maybe = None
            for position, candidate in enumerate(rest):
                same = self.same(member, candidate)
                if same:
                    del rest[position]
                    break
                if same is None and maybe is None:
                    maybe = position
            else:
                if maybe is None:
                    return False
                unsure = True
        return None if unsure else True

    # Relations

    def _equations(self, left: Equation, right: Equation) -> bool | None:
        if left.value is not None and right.value is not None:
            if left.head == right.head:
                return self.same(left.value, right.value)
            if None in (left.left, right.left, left.right, right.right):
                return False
        if left.left is None or left.right is None or right.left is None or right.right is None:
            return None
        gaps = [("add", side.left, ("mul", number(-1), side.right)) for side in (left, right)]
        try:
            forms = [exact.normal_form(gap) for gap in gaps]
            if exact.proportional(forms[0].top, forms[1].top):
                return True
            if not any(form.is_opaque for form in forms):
                return False
        except (exact.UnsettledError, exact.UndefinedError):
            pass
        return self.ask(gaps[0], gaps[1], "equation")

    def _inequalities(self, left: Inequalities, right: Inequalities) -> bool | None:
        if len(left.links) != len(right.links):
            return False
        rest = list(right.links)
        for link in left.links:
            for position, other in enumerate(rest):
                if self._same_link(link, other):
                    del rest[position]
                    break
            else:
                return False
        return True

    def _same_link(self, one: tuple[Tree, Tree, bool | None], other: tuple[Tree, Tree, bool | None]) -> bool | None:
        if one[2] != other[2]:
            return False
        if self.trees(one[0], other[0]) and self.trees(one[1], other[1]):
            return True
        gaps = [("add", link[1], ("mul", number(-1), link[0])) for link in (one, other)]
        if one[2] is None:
            return self.trees(gaps[0], gaps[1]) or self.trees(gaps[0], ("mul", number(-1), gaps[1]))
        return self.trees(gaps[0], gaps[1])

    # Others

    def _choice(self, one: Choice, other: Value) -> bool | None:
        if isinstance(other, Choice):
            return one.letter == other.letter
        if isinstance(other, Scalar) and other.letter:
            return one.letter == other.letter.casefold()
        if isinstance(other, Words) and len(other.words) == 1 and len(other.words[0]) == 1:
            return one.letter == other.words[0]
        return self.same(one.rest, other)

    def _based_and_scalar(self, one: Based, other: Scalar) -> bool | None:
        if one.number is None or other.form is None or (other.rational is None and other.form.is_opaque):
            return None
        if one.number != other.rational:
            return False
        return True if one.base == 10 else None


def _either(first: bool | None, second: object) -> bool | None:
    """True if either is; None if either is open. The second is only computed if needed."""
    if first:
        return True
    other = second() if callable(second) else second
    if other:
        return True
    return None if first is None or other is None else False


def _all(found: Sequence[bool | None]) -> bool | None:
    if any(same is False for same in found):
        return False
    return None if any(same is None for same in found) else True


def _sign_of_infinity(tree: Tree) -> int:
    """1 or -1 for plus or minus infinity, else 0."""
    if tree == ("const", "inf"):
        return 1
    if tree[0] == "mul" and len(tree) == 3 and tree[1][0] == "num" and tree[2] == ("const", "inf"):
        return 1 if tree[1][1] > 0 else -1
    return 0


def _as_ratio(clock: Clock) -> Fraction | None:
    """What a time without a half of the day would be as a ratio."""
    hours, minutes, seconds = clock.seconds // 3600, clock.seconds // 60 % 60, clock.seconds % 60
    return Fraction(hours, minutes) if minutes and hours and not seconds else None


def _quotient(ratio: Ratio) -> Tree:
    return ("mul", ratio.parts[0].tree, ("pow", ratio.parts[1].tree, number(-1)))


def _same_time(left: Clock, right: Clock) -> bool:
    if left.half is None or right.half is None:
        if left.seconds == right.seconds:
            return True
        said = left if left.half else right
        other = right if left.half else left
        return said.half is not None and other.seconds <= 12 * 3600 and said.seconds % 43200 == other.seconds % 43200
    return left.seconds == right.seconds


def _same_words(left: tuple[str, ...], right: tuple[str, ...]) -> bool | None:
    one, other = (
        [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in side] for side in (left, right)
    )
    if left == right:
        return True
    if len(left) == len(right) == 1 and len(left[0]) == 2 and sorted(left[0]) == sorted(right[0]):
        return None  # "AB" and "BA" are one segment, but two names
    if set(one) <= set(other) or set(other) <= set(one):
        return None
    return False


def _portable(tree: Tree) -> list[object]:
    """A tree as JSON: exact numbers become pairs of hexadecimal strings, which have no length limit."""
    if tree[0] == "num":
        return ["num", hex(tree[1].numerator), hex(tree[1].denominator)]
    return [part if isinstance(part, str) else _portable(part) for part in tree]
