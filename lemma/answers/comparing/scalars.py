"""Compare numbers and formulas with their units, percent signs and letters.

Example: ``5 cm`` equals ``5`` and differs from ``5 m``; beside ``50 mm`` it is undecided: it has another form.
"""

from __future__ import annotations

from fractions import Fraction

from lemma.answers.comparing.formulas import Formulas
from lemma.answers.comparing.logic import either
from lemma.answers.formulas.tree import number
from lemma.answers.units import Unit
from lemma.answers.values import Scalar

_POUNDS = {"pounds", "lb"}, {"pounds", "£"}


def same_scalars(left: Scalar, right: Scalar, formulas: Formulas) -> bool | None:
    """Compare two formulas with their units: a unit may be missing on one side."""
    if left.letter and right.letter:
        return left.letter.casefold() == right.letter.casefold()
    if left.is_percent != right.is_percent:
        return _one_percent(left, right, formulas)
    same = formulas.same_values(left, right)
    if left.unit is None or right.unit is None:
        is_other_angle = same is False and (_same_angle(left, right, formulas) or _same_angle(right, left, formulas))
        # The same angle in degrees and in radians: right as a value, though not in the form that was asked for.
        return None if is_other_angle else same
    if _are_one_unit(left.unit, right.unit):
        return same
    if left.unit.is_noun or right.unit.is_noun:
        alike = set(left.unit.name.split()) & set(right.unit.name.split())
        return same if same is not True or alike else None
    if left.unit.dimension == right.unit.dimension:
        converted = ("mul", left.tree, number(left.unit.size)), ("mul", right.tree, number(right.unit.size))
        return None if formulas.same(*converted) is not False else False
    return False


def _one_percent(left: Scalar, right: Scalar, formulas: Formulas) -> bool | None:
    """Compare two of which one has a percent sign: it may be a hundredth, or only say what was counted."""
    percent, plain = (left, right) if left.is_percent else (right, left)
    if plain.unit is None:
        hundredth = ("mul", percent.tree, number(Fraction(1, 100)))
        return either(
            formulas.same(percent.tree, plain.tree),
            lambda: formulas.same(hundredth, plain.tree),
        )
    # A percent sign beside another unit: two units that differ; a noun may go with it.
    return None if plain.unit.is_noun and formulas.same_values(left, right) is not False else False


def _same_angle(angle: Scalar, plain: Scalar, formulas: Formulas) -> bool | None:
    """Whether ``angle`` is in degrees, and ``plain`` is the same angle in radians."""
    return angle.unit is not None and angle.unit.name == "deg" and formulas.same(("deg", angle.tree), plain.tree)


def _are_one_unit(left: Unit, right: Unit) -> bool:
    return left.name == right.name or any({left.name, right.name} <= names for names in _POUNDS)
