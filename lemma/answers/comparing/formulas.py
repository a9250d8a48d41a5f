"""Compare formulas by their values: exactly, or by a worker where opaque functions leave that open.

Example: ``sin(2x)`` and ``2 sin(x) cos(x)`` have different exact forms; a worker finds that they are equal.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from lemma.answers.exact.polynomials import UnsettledError
from lemma.answers.exact.quotients import equal
from lemma.answers.formulas.tree import INFINITY, Tree, is_infinite
from lemma.answers.values import Scalar
from lemma.sandbox import Sandbox, SandboxError

DEADLINE_S = 0.6
_LEAST_S = 0.005


class Formulas:
    """Compares the formulas of one pair of answers.

    Args:
        find_sandbox: gives the workers; called when a formula first needs them. They get ``DEADLINE_S`` in all.

    Attributes:
        has_asked: whether a worker was asked.
    """

    def __init__(self, find_sandbox: Callable[[], Sandbox]) -> None:
        self._find_sandbox = find_sandbox
        self._until: float | None = None
        self.has_asked = False

    def same(self, left: Tree, right: Tree) -> bool | None:
        """Whether two formulas have the same value."""
        return self.same_values(Scalar(left), Scalar(right))

    def same_values(self, left: Scalar, right: Scalar) -> bool | None:
        """Whether two formulas have the same value, whatever their units."""
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
                settled = equal(left.form, right.form)
            except UnsettledError:
                settled = None
            if settled is not None:
                return settled
        return self.ask(a, b, "value")

    def ask(self, left: Tree, right: Tree, mode: str) -> bool | None:
        """Ask a worker; None where it did not settle the question in time. The modes are ``algebra.settle``'s."""
        now = time.monotonic()
        sandbox = self._find_sandbox()
        if self._until is None:
            try:
                sandbox.warm()
            except SandboxError:
                return None
            now = time.monotonic()
            self._until = now + DEADLINE_S
        self.has_asked = True
        left_s = self._until - now
        if left_s <= _LEAST_S:
            return None
        try:
            request = json.dumps([_portable(left), _portable(right), mode])
            reply = sandbox.run(request, left_s)
        except (SandboxError, ValueError, RecursionError):
            return None
        return reply if isinstance(reply, bool) else None


def _sign_of_infinity(tree: Tree) -> int:
    """1 or -1 for plus or minus infinity, else 0."""
    if not is_infinite(tree):
        return 0
    return 1 if tree == INFINITY or tree[1][1] > 0 else -1


def _portable(tree: Tree) -> list[object]:
    """A tree as JSON: exact numbers become pairs of hexadecimal strings, which have no length limit."""
    if tree[0] == "num":
        return ["num", hex(tree[1].numerator), hex(tree[1].denominator)]
    return [part if isinstance(part, str) else _portable(part) for part in tree]
