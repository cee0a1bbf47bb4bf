"""Products over letters as networks of matrices and columns.

Two on one summed letter meet in a matrix product, a column between two matrices is a diagonal matrix, what
closes is a trace or a scalar, what shares free letters a Hadamard product.
"""

from collections.abc import Callable, Sequence

from jacobians.display.entrywise import had
from jacobians.display.form_products import DiagonalOf, Mul, mul
from jacobians.display.form_statistics import Centred, CentringForm
from jacobians.display.forms import CallForm, Diag, Eye, MatrixForm, Ones, turned, upright

Item = tuple[MatrixForm, tuple[int, ...]]
_LAST = 6  # how hard it is to sum where a row sum is the only way
_TOO_MANY = 99  # where more than two matrices share a letter


class NoForm(Exception):
    """There is no matrix notation for it; the text says why."""


class Network:
    """Forms over letters, which are multiplied and summed.

    Parameters
    ----------
    length : callable
        What says in NumPy how many values a letter of this size has.
    sizes : sequence of int
        Of the letters.
    """

    def __init__(self, length: Callable[[int], str], sizes: Sequence[int]) -> None:
        self._length, self._sizes = length, sizes

    def _ones(self, letter: int) -> Ones:
        return Ones(self._length(self._sizes[letter]))

    def form(
        self, items: list[Item], axes: list[int], above: list[MatrixForm]
    ) -> MatrixForm | None:
        """What the items are, with these free axes; scalars that close go to ``above``."""
        free = set(axes)
        items = list(items)
        while summed := {a for _, ls in items for a in ls} - free:
            self._eliminate(items, summed, above)
        distinct = list(dict.fromkeys(axes))
        if len(distinct) == 2:
            return self._matrix(items, distinct)
        if not distinct:
            return None
        (letter,) = distinct
        one = had([f for f, _ in items], 1) if items else None
        if len(axes) == 2:
            return Diag(one) if one is not None else Eye(self._length(self._sizes[letter]))
        return one if one is not None else self._ones(letter)

    def _matrix(self, items: list[Item], axes: list[int]) -> MatrixForm:
        row, column = axes
        matrices = [f if ls == (row, column) else turned(f) for f, ls in items if len(ls) == 2]
        left = [f for f, ls in items if ls == (row,)]
        right = [f for f, ls in items if ls == (column,)]
        if matrices:
            front = [Diag(had(left, 1))] if left else []
            back = [Diag(had(right, 1))] if right else []
            scaled = mul(*front, had(matrices, 2), *back)
            if not left or not right:
                return scaled
            outer = had([mul(had(left, 1), turned(had(right, 1))), *matrices], 2)
            return min(scaled, outer, key=lambda f: (f.cost[0], len(f.text)))
        first = had(left, 1) if left else self._ones(row)
        second = had(right, 1) if right else self._ones(column)
        return mul(first, turned(second))

    def _eliminate(self, items: list[Item], summed: set[int], above: list[MatrixForm]) -> None:
        """Sum over the letter for which that is the easiest."""
        rank, a = min((_rank(a, items, summed), a) for a in sorted(summed))
        vectors = [it for it in items if it[1] == (a,)]
        matrices = [it for it in items if len(it[1]) == 2 and a in it[1]]
        if rank >= _TOO_MANY:
            _merge_pair(items, matrices)
            return
        for it in (*vectors, *matrices):
            items.remove(it)
        forms = [f for f, _ in vectors]
        if not matrices:
            above.append(_inner(forms))
        elif len(matrices) == 1:
            self._applied(items, matrices[0], forms, a, summed, above)
        else:
            self._multiplied(items, matrices, forms, a, summed, above)

    def _applied(
        self, items: list[Item], matrix: Item, forms: list[MatrixForm], a: int, summed: set[int],
        above: list[MatrixForm],
    ) -> None:  # fmt: skip
        """A matrix and columns on one letter."""
        m, ls = matrix
        other = ls[0] if ls[1] == a else ls[1]
        if not forms and other in summed and not any(other in ks for _, ks in items):
            above.append(CallForm("sum", (upright(m),), 0, "\\operatorname{sum}", "np.sum"))
            return
        column = had(forms, 1) if forms else self._ones(a)
        items.append((_times(m if ls[1] == a else turned(m), column), (other,)))

    def _multiplied(
        self, items: list[Item], matrices: list[Item], forms: list[MatrixForm], a: int, summed: set[int],
        above: list[MatrixForm],
    ) -> None:  # fmt: skip
        """Two matrices, and columns between them, on one letter."""
        (m, ls), (n, ks) = matrices
        left = ls[0] if ls[1] == a else ls[1]
        right = ks[1] if ks[0] == a else ks[0]
        m = m if ls[1] == a else turned(m)
        n = n if ks[0] == a else turned(n)
        middle = (Diag(had(forms, 1)),) if forms else ()
        if left != right:
            items.append((mul(m, *middle, n), (left, right)))
        elif left in summed and not any(left in ls for _, ls in items):
            above.append(_trace(mul(m, *middle, n)))
        elif forms or m == turned(n):
            column = had(forms, 1) if forms else self._ones(a)
            items.append((mul(had([m, turned(n)], 2), column), (left,)))
        else:
            items.append((DiagonalOf(m, n), (left,)))


def _rank(a: int, items: Sequence[Item], summed: set[int]) -> int:
    """How hard it is to sum over a letter."""
    ones = sum(ls == (a,) for _, ls in items)
    both = [set(ls) for _, ls in items if len(ls) == 2 and a in ls]
    if (ones, len(both)) == (0, 2) and both[0] == both[1] and not both[0] <= summed:
        return _LAST
    rest = _LAST // 2 + len(both) + ones if len(both) < 3 else _TOO_MANY
    return {(0, 2): 1, (1, 1): 0, (2, 0): 2}.get((ones, len(both)), rest)


def _merge_pair(items: list[Item], matrices: list[Item]) -> None:
    """Two matrices over the same letters as their Hadamard product; raises NoForm where there are none."""
    for n, (m, ls) in enumerate(matrices):
        for other, ks in matrices[n + 1 :]:
            if set(ls) == set(ks):
                items.remove((m, ls))
                items.remove((other, ks))
                items.append((had([m, other if ls == ks else turned(other)], 2), ls))
                return
    raise NoForm("a letter is shared by more than two matrices")


def _inner(forms: list[MatrixForm]) -> MatrixForm:
    if len(forms) == 1 and isinstance(forms[0], CallForm) and forms[0].name == "dg":
        return CallForm("tr", forms[0].arguments, 0, "\\operatorname{tr}", "np.trace")
    if len(forms) == 1:
        return CallForm("sum", tuple(forms), 0, "\\operatorname{sum}", "np.sum")
    forms = sorted(forms, key=lambda f: (isinstance(f, Mul), f.text))
    if len(forms) > 2:
        forms = [forms[0], had(forms[1:], 1)]
    a, b = forms
    if Centred(a) == b or Centred(b) == a:  # xᵀ C x = ‖C x‖²
        a = b = a if isinstance(a, Centred) else b
    ways = [mul(turned(a), b), mul(turned(b), a)]
    return min(ways, key=lambda f: (f.text.count("ᵀ"), len(f.text), f.text))


def _trace(form: MatrixForm) -> MatrixForm:
    parts = form.parts if isinstance(form, Mul) else (form,)
    ways = []
    for k in range(len(parts)):
        rotated = mul(*parts[k:], *parts[:k])
        ways += [rotated, turned(rotated)]
    best = min(ways, key=lambda f: (f.text.count("ᵀ"), len(f.text), f.text))
    return CallForm("tr", (best,), 0, "\\operatorname{tr}", "np.trace")


def _times(m: MatrixForm, column: MatrixForm) -> MatrixForm:
    """A matrix times a column; the centring matrix takes the mean away."""
    *front, last = m.parts if isinstance(m, Mul) else (m,)
    if not isinstance(last, CentringForm):
        return mul(m, column)
    return mul(*front, Centred(column)) if front else Centred(column)
