"""Decide equality exactly for what answers are mostly made of, in microseconds and without any algebra system.

A tree becomes a quotient of two polynomials with rational coefficients over *atoms*: symbols, the imaginary
unit, pi, e, roots of primes, powers with a symbol in the exponent. These atoms are independent, so two
quotients are equal if and only if they are equal after cross-multiplication. Whatever else there is (a sine, a
nested root) becomes an *opaque* atom named by its argument's normal form: equal normal forms are then still
equal values, but different ones say nothing.

Example: ``(1+sqrt(2))/2`` is ``{(): 1/2, ((('r', 2), 1/2),): 1/2}`` over ``{(): 1}``.
"""
