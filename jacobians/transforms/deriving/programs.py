"""One NumPy function that gives a derivative in its full shape, written from its expression."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from textwrap import indent
from typing import Any

import numpy as np

from jacobians.algebra.atoms import (
    Atom,
    AtomAt,
    Det,
    Expr,
    Function,
    Group,
    Inverse,
    Leaf,
    Monomial,
    Number,
    Power,
    Whole,
)
from jacobians.algebra.common_factors import onto
from jacobians.algebra.constants import Fixed, Splitting
from jacobians.algebra.letter_order import components
from jacobians.algebra.moments import Standardised, Std
from jacobians.algebra.recognising import LogSumExp, Softmax
from jacobians.algebra.reshaping import Reordered, Reshaped
from jacobians.display.arranging import Arranger
from jacobians.display.form_products import Had, Mul
from jacobians.display.form_rewriting import replaced, subforms
from jacobians.display.form_sums import Add, Scaled
from jacobians.display.forms import NUMPY, CallForm, Inv, MatrixForm, Name
from jacobians.display.networks import NoForm
from jacobians.display.numpy_names import code_of
from jacobians.transforms.deriving.helpers import helpers_of

_LETTERS = "ijklmnpqrstuvwxyzabcdefghoABCDEFGH"
_LITERAL = 400  # entries of a captured array that is written into the program


def length_in(shapes: Mapping[str, tuple[int, ...]]) -> Callable[[int], str]:
    """What says how many values a letter of a size has: ``x.shape[0]``."""

    def length(size: int) -> str:
        for name, shape in shapes.items():
            if size in shape:
                return f"{name}.shape[{shape.index(size)}]"
        return str(size)

    return length


def leaf_code(leaf: Leaf) -> str:
    """How a leaf is read, axes of size 1 left out."""
    if leaf.code:
        return leaf.code
    if 1 in leaf.shape and leaf.shape != ():
        index = ", ".join("0" if n == 1 else ":" for n in leaf.shape)
        return f"{leaf.name}[{index}]"
    return leaf.name


class Programmer:
    """Writes the function.

    Parameters
    ----------
    shapes : mapping
        The shapes of its arguments and of all other leaves, by name.
    arranger : Arranger
        What gives the forms that are written.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], arranger: Arranger) -> None:
        self._shapes, self._arranger = shapes, arranger
        self._length, self._leaf = arranger.length, leaf_code
        self.shared: list[tuple[str, str]] = []

    def body(self, expr: Expr) -> str:
        """The expression as NumPy; parts that stand twice are in ``shared``."""
        if not expr.terms:
            return f"np.zeros({expr.shape})"
        axes = sum(n != 1 for n in expr.shape)
        pieces: list[tuple[list[MatrixForm], object]] = []
        if axes <= 2:
            try:
                form = self._arranger.form(expr)
                return self._reshaped(self._final([form])[0].write(NUMPY).text, expr, form.ndim)
            except NoForm:
                pass
        terms: list[str] = []
        try:
            for t in expr.terms:
                pieces.append(self._einsum(t))
            flat = self._final([f for forms, _ in pieces for f in forms])
            start = 0
            for t, (forms, subscripts) in zip(expr.terms, pieces, strict=True):
                codes = [f.write(NUMPY).text for f in flat[start : start + len(forms)]]
                start += len(forms)
                terms.append(
                    self._scaled(
                        t, f'np.einsum("{subscripts}", {", ".join(codes)})' if codes else "1.0"
                    )
                )
        except NoForm:
            self.shared.clear()
            terms = [self._general(t, expr.shape) for t in expr.terms]
        return self._reshaped(" + ".join(terms).replace("+ -", "- "), expr, axes)

    @staticmethod
    def _reshaped(code: str, expr: Expr, axes: int) -> str:
        return f"np.reshape({code}, {expr.shape})" if axes < len(expr.shape) else code

    @staticmethod
    def _scaled(t: Monomial, code: str) -> str:
        c = t.coefficient
        if c == 1:
            return code
        if c == -1:
            return f"-{code}"
        return f"{_number(c)} * {code}"

    def _final(self, forms: Sequence[MatrixForm]) -> list[MatrixForm]:
        """The forms with what stands more than once in variables."""
        forms = list(forms)
        taken = set(self._shapes)
        while True:
            counts, repeated = _counted(forms)
            several = [
                f
                for f, n in counts.items()
                if n > 1 and not f.is_row and (f in repeated or isinstance(f, Inv | CallForm | Mul))
            ]
            if not several:
                return forms
            best = min(several, key=lambda f: (len(f.text), f.text))
            name = next(
                n
                for n in (f"p{k}" for k in range(1, 99))
                if n not in taken and n not in {v for v, _ in self.shared}
            )
            self.shared.append((name, best.write(NUMPY).text))
            made = Name(name, best.ndim)
            forms = [replaced(f, {best: made}) for f in forms]

    def _einsum(self, t: Monomial) -> tuple[list[MatrixForm], str]:
        """A term's blocks and the subscripts that place them."""
        axes = [n for n, a in enumerate(t.slots) if a is not None]
        names = {n: _LETTERS[k] for k, n in enumerate(axes)}
        home: dict[int, str] = {}
        forms: list[MatrixForm] = []
        subscripts: list[str] = []
        deltas = []
        for n in axes:
            slot = t.slots[n]
            assert slot is not None
            if slot in home:
                deltas.append((home[slot], names[n], t.sizes[slot]))
            else:
                home[slot] = names[n]
        exponents = dict(t.factors)
        covered: set[int] = set()
        for part in components(exponents, set(range(len(t.sizes)))):
            letters = sorted({a for f in part for a in f.letters if a is not None and a in home})
            if len(letters) > 2:
                raise NoForm("a part has more than two axes")
            forms.append(self._arranger.network_form(letters, [(f, exponents[f]) for f in part], t))
            subscripts.append("".join(home[a] for a in letters))
            covered.update(letters)
        for a, b, size in deltas:
            forms.append(Name("I", 2, f"np.eye({self._length(size)})"))
            subscripts.append(a + b)
        placed = "".join(subscripts)
        for slot, name in home.items():
            if name not in placed:
                forms.append(Name("1", 1, f"np.ones({self._length(t.sizes[slot])})"))
                subscripts.append(name)
        return forms, ",".join(subscripts) + "->" + "".join(names[n] for n in axes)

    # whatever has more axes: factor by factor

    def _general(self, t: Monomial, shape: tuple[int, ...]) -> str:
        axes = [a for a in t.slots if a is not None]
        apart = self._apart(t, axes)
        codes, subscripts = [], []
        for f, e in t.factors:
            if f in apart.values():
                continue
            code = self.array(f.atom)
            codes.append(code if e == 1 else f"({code})**({e})")
            subscripts.append("".join(_LETTERS[a] for a in f.letters if a is not None))
        fresh = iter(_LETTERS[len(t.sizes) :])
        placed: list[str] = []
        for n in axes:
            for a in apart[n].letters[1:] if n in apart else (n,):
                assert a is not None
                name = _LETTERS[a]
                size = self._length(t.sizes[a])
                if name in placed:  # a delta
                    codes.append(f"np.eye({size})")
                    subscripts.append(name + (other := next(fresh)))
                    placed.append(other)
                    continue
                if not any(name in s for s in subscripts):
                    codes.append(f"np.ones({size})")
                    subscripts.append(name)
                placed.append(name)
        text = ",".join(subscripts) + "->" + "".join(placed)
        code = self._scaled(t, f'np.einsum("{text}", {", ".join(codes)})' if codes else "1.0")
        return f"np.reshape({code}, {tuple(n for n in shape if n != 1)})" if apart else code

    @staticmethod
    def _apart(t: Monomial, axes: Sequence[int]) -> dict[int, AtomAt]:
        """Axes that are filled as two, and the splitting that says so."""
        found: dict[int, AtomAt] = {}
        for f, _ in t.factors:
            n = f.letters[0] if isinstance(f.atom, Splitting) else None
            alone = sum(n in g.letters for g, _ in t.factors) == 1
            if n is not None and axes.count(n) == 1 and alone:
                found[n] = f
        return found

    def array(self, atom: Atom) -> str:
        """An atom's array, axes of size 1 left out."""
        if isinstance(atom, Leaf):
            return self._leaf(atom)
        if isinstance(atom, Fixed):
            return atom.code
        if isinstance(atom, Softmax):
            inner = self.expr(atom.of)
            return f"(np.exp({inner}) / np.sum(np.exp({inner}), axis={atom.axes}, keepdims=True))"
        if isinstance(atom, Reordered):
            (a, b, c, d), inner = atom.parts, self.expr(atom.of)
            block = f"np.transpose(np.reshape({inner}, ({a}, {c}, {b}, {d})), (0, 2, 1, 3))"
            return f"np.reshape({block}, {atom.shape})"
        if isinstance(atom, Reshaped):
            return f"np.reshape({self.expr(atom.of)}, {atom.shape})"
        if isinstance(atom, Std):
            inner = self.expr(atom.of)
            if not isinstance(atom, Standardised):
                return f"np.std({inner}, axis=-1)"
            keep = ", axis=-1, keepdims=True"
            return f"((({inner}) - np.mean({inner}{keep})) / np.std({inner}{keep}))"
        if isinstance(atom, LogSumExp):
            return f"np.log(np.sum(np.exp({self.expr(atom.of)})))"
        if isinstance(atom, Inverse):
            return f"np.linalg.inv({self.expr(atom.of)})"
        if isinstance(atom, Det):
            return f"np.linalg.det({self.expr(atom.of)})"
        if isinstance(atom, Group):
            return f"({self.expr(atom.of)})"
        if isinstance(atom, Power):
            return f"({self.expr(atom.base)})**({self.expr(atom.exponent)})"
        assert isinstance(atom, Function | Whole)
        return self._called(atom)

    def _called(self, atom: Function | Whole) -> str:
        """A function, entry by entry or of whole arrays."""
        code = code_of(atom.operation.name, atom.parameters)
        if code is None:
            raise NoForm(f"{atom.operation.name} has no name in NumPy")
        inner_codes = [self.expr(e) for e in atom.arguments]
        if isinstance(atom, Whole) and atom.shape != ():
            if [e.shape[:-1] for e in atom.arguments] != [atom.shape] or 1 in atom.arguments[
                0
            ].shape:
                raise NoForm(
                    f"{atom.operation.name} of {len(atom.shape)} axes has no name in NumPy"
                )
            return f"{code}({inner_codes[0]}, axis=-1)"
        if "{0}" in code:
            return "(" + code.format(*(f"({c})" for c in inner_codes)) + ")"
        return f"{code}({', '.join(inner_codes)})"

    def expr(self, expr: Expr) -> str:
        """An expression's array, axes of size 1 left out."""
        axes = tuple(n for n, size in enumerate(expr.shape) if size != 1)
        reduced = onto(expr, axes)
        if not reduced.terms:
            return "0.0"
        return " + ".join(self._general(t, reduced.shape) for t in reduced.terms)


def _counted(forms: Sequence[MatrixForm]) -> tuple[Counter[MatrixForm], set[MatrixForm]]:
    """How often each part is written, and which are said several times by one template."""
    counts: Counter[MatrixForm] = Counter()
    repeated: set[MatrixForm] = set()
    for sub in (part for form in forms for part in subforms(form)):
        counts[sub] += 1
        if not isinstance(sub, CallForm):
            continue
        for k, part in enumerate(sub.arguments):
            again = max(sub.code.count(f"{{{k}}}") - 1, 0)
            counts[part] += again
            if again and isinstance(part, Add | Scaled | Had):
                repeated.add(part)
    return counts, repeated


def _number(value: Number) -> str:
    if isinstance(value, Fraction):
        return str(value.numerator) if value.denominator == 1 else f"({value})"
    return str(literal(float(value)))


def literal(value: object) -> str | None:
    """A captured array as text, if it is small."""
    array = np.asarray(value)
    if array.size > _LITERAL or array.dtype.kind not in "fiub":
        return None
    if array.ndim == 0:
        return repr(array.item()) if np.isfinite(array) else f"float('{array.item()}')"
    text = repr(array.tolist()).replace("nan", "np.nan").replace("inf", "np.inf")
    return f"np.array({text})"


def function_text(
    name: str,
    signature: Sequence[str],
    docstring: Sequence[str],
    shared: Sequence[tuple[str, str]],
    result: str,
) -> str:
    """The text of the module that has the function."""
    lines = ['"""' + docstring[0], "", *docstring[1:], '"""']
    body = "\n".join(
        [*lines, *(f"{n} = {code}" if n else code for n, code in shared), f"return {result}"]
    )
    helpers = helpers_of(body)
    return f"import numpy as np\n\n\n{helpers}def {name}({', '.join(signature)}):\n{indent(body, '    ')}\n"


def run_program(text: str) -> Callable[..., Any]:
    """The function that a program of ours defines."""
    space: dict[str, Any] = {}
    exec(compile(text, "<derivation>", "exec"), space)
    found: Callable[..., Any] = space["derivative"]
    return found
