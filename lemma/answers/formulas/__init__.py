r"""One formula: from its text, in LaTeX or plain, to a tree. Nothing is evaluated.

Example: ``expression.read_expression(r"\frac{x}{2}")`` is ``("mul", ("sym", "x"), ("pow", ("num", 2), ("num", -1)))``.
"""
