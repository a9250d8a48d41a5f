"""Compare equations and inequalities, as given or turned around.

Example: ``2x + y = 4`` equals ``y = 4 - 2x``, and ``x + y > 1`` equals ``1 - x < y``.
"""

from __future__ import annotations

from lemma.answers.comparing.formulas import Formulas
from lemma.answers.comparing.members import Same
from lemma.answers.exact.normal import normal_form
from lemma.answers.exact.polynomials import UndefinedError, UnsettledError, proportional
from lemma.answers.formulas.tree import Tree, difference, number
from lemma.answers.values import Equation, Inequalities


def equations(left: Equation, right: Equation, same: Same, formulas: Formulas) -> bool | None:
    """Compare two equations: by the values they give to one name, else by the curve that they describe."""
    if left.value is not None and right.value is not None:
        if left.head == right.head:
            return same(left.value, right.value)
        if None in (left.left, right.left, left.right, right.right):
            return False
    if left.left is None or left.right is None or right.left is None or right.right is None:
        return None
    gaps = difference(left.left, left.right), difference(right.left, right.right)
    try:
        forms = [normal_form(gap) for gap in gaps]
        if proportional(forms[0].top, forms[1].top):
            return True
        if not any(form.is_opaque for form in forms):
            return False
    except (UnsettledError, UndefinedError):
        pass
    return formulas.ask(*gaps, "equation")


def inequalities(left: Inequalities, right: Inequalities, formulas: Formulas) -> bool:
    """Compare two chains that are no intervals, link by link, in any order."""
    if len(left.links) != len(right.links):
        return False
    rest = list(right.links)
    for link in left.links:
        for position, other in enumerate(rest):
            if _same_link(link, other, formulas):
                del rest[position]
                break
        else:
            return False
    return True


def _same_link(
    one: tuple[Tree, Tree, bool | None], other: tuple[Tree, Tree, bool | None], formulas: Formulas
) -> bool | None:
    if one[2] != other[2]:
        return False
    if formulas.same(one[0], other[0]) and formulas.same(one[1], other[1]):
        return True
    gaps = difference(one[1], one[0]), difference(other[1], other[0])
    if one[2] is None:
        return formulas.same(*gaps) or formulas.same(gaps[0], ("mul", number(-1), gaps[1]))
    return formulas.same(*gaps)
