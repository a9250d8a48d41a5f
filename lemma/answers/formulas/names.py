r"""The names that a formula may hold: Greek letters, functions, constants.

Example: ``\varphi`` is the symbol ``phi``, ``asin`` the function ``arcsin``, ``\infty`` the constant ``inf``.
"""

# ruff: noqa: SIM905 - tables of words are read best as words in long lines
from __future__ import annotations

GREEK_LETTERS = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "ρ": "rho", "σ": "sigma", "τ": "tau",
    "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta",
    "Λ": "Lambda", "Ξ": "Xi", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
"""Letter → name, of those that are symbols: pi is a constant."""
GREEK = frozenset(GREEK_LETTERS.values()) | {"ell", "hbar"}
GREEK_VARIANTS = {"varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi", "varrho": "rho", "varsigma": "sigma"}
TRIGONOMETRIC = frozenset("sin cos tan cot sec csc sinh cosh tanh coth sech csch".split())
_INVERSE = frozenset("arcsin arccos arctan arccot arcsec arccsc arcsinh arccosh arctanh asin acos atan".split())
_OTHER_FUNCTIONS = frozenset("ln log lg exp max min gcd lcm sqrt cbrt abs floor ceil cis".split())
FUNCTIONS = TRIGONOMETRIC | _INVERSE | _OTHER_FUNCTIONS
ALIASES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "log"}
CONSTANTS = {"pi": "pi", "infty": "inf", "oo": "inf", "inf": "inf", "infinity": "inf"}


def longest_name(word: str) -> str | None:
    """A name of several letters that ``word`` begins with, as in ``pir`` or ``sinx``."""
    for length in range(len(word) - 1, 2, -1):
        if word[:length] in FUNCTIONS and word[:length] not in ("min", "max", "abs"):
            return word[:length]
    return "pi" if word.startswith("pi") and len(word) <= 3 else None
