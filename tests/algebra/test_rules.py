"""Each rule of simplification, in exact rational arithmetic at random points."""

# ruff: noqa: E501 - a rule is a line

from fractions import Fraction
from itertools import product as pairs

import numpy as np
import pytest

from jacobians.algebra.atoms import Expr, Inverse, Leaf
from jacobians.algebra.averages import added
from jacobians.algebra.constants import centring, selection, splitting, triangle, unit
from jacobians.algebra.functions_of import exponential, logarithm, raised, sigmoid
from jacobians.algebra.inverting import det_of, inverse_of
from jacobians.algebra.letter_order import merged
from jacobians.algebra.moments import with_moments
from jacobians.algebra.normal_form import (
    at,
    built,
    expanded,
    function_of,
    multiplied,
    of_atom,
    sum_of,
    transposed,
)
from jacobians.algebra.recognising import recognised
from jacobians.algebra.remaking import without_centring
from jacobians.algebra.reshaping import reshaped, whole_axes
from jacobians.graph.node import NUMPY, apply, input_node
from jacobians.operations import elementwise, piecewise
from jacobians.operations.elementwise import exp as EXP  # noqa: N812
from tests.algebra.exact import Exact, determinant, fractions, inverse, summed
from tests.algebra.exact import exponential as exact_exp
from tests.algebra.exact import logarithm as exact_log
from tests.algebra.exact import power as exact_power

N = 3
SHAPES = {
    "A": (N, N),
    "B": (N, N),
    "S": (N, N),
    "X": (N, N),
    "x": (N,),
    "y": (N,),
    "c": (),
    "M": (2, N),
    "w": (6,),
    "C": (4, 6),
    "u": (4,),
    "T": (2, 2),
    "V": (2, 3),
    "z": (6,),
    "p": (6,),
}
LEAVES = {n: Leaf(n, s, symmetric=n == "S") for n, s in SHAPES.items()}
E = {n: of_atom(leaf, leaf.shape) for n, leaf in LEAVES.items()}


def point(seed: int) -> Exact:
    """Random entries; matrices that are inverted are regular, deviations rational."""
    rng = np.random.default_rng(seed)
    values = {
        n: fractions(rng.integers(1, 9, s)) * Fraction(1, int(rng.integers(1, 4)))
        for n, s in SHAPES.items()
    }
    for n in "ABX":
        values[n] = values[n] + 20 * fractions(np.eye(N, dtype=int))
    values["S"] = values["A"] + values["A"].T
    for n in "xy":
        values[n] = fractions(rng.integers(-3, 4, N)) + 4
    values["c"] = np.asarray(values["c"], dtype=object)
    values["z"] = fractions(rng.choice([-8, -6, -3, 2, 5, 9], 6, replace=False)) / 7
    values["p"] = fractions(rng.choice([1, 2, 3, 6, 8, 10], 6, replace=False)) ** 12
    spread = int(rng.integers(1, 5))
    values["u"] = fractions(rng.permutation([-1, -1, 1, 1]) * spread + int(rng.integers(0, 9)))
    return Exact(values)


def product(*parts: Expr) -> Expr:
    """A matrix product."""
    sizes = dict.fromkeys(range(len(parts) + 1), N)
    return built([(p, (n, n + 1), 1) for n, p in enumerate(parts)], (0, len(parts)), sizes, (N, N))


PICK, TWICE, NEXT = (
    selection([2, 0, 1, 2], N, "t"),
    selection([1, 1], N, "t"),
    selection([1, 2], N, ""),
)
EVERY = selection([0, 2], 4, "")
ROWS, COLUMNS = selection([0, 1, 1, 2, 2, 2], N, "t"), selection([0, 0, 1, 0, 1, 2], N, "u")
SPLIT = splitting(6, (2, 3))
CENTRE = centring(N)
PRODUCTS = {
    "inverse beside its matrix": ([(Inverse(E["A"]), (0, 1), 1), (E["A"], (1, 2), 1), (E["x"], (2,), 1)], (0,), {0: N, 1: N, 2: N}),
    "matrix beside its inverse": ([(E["A"], (0, 1), 1), (Inverse(E["A"]), (1, 2), 1)], (0, 2), {0: N, 1: N, 2: N}),
    "inverse of a sum": ([(inverse_of(sum_of([E["A"], E["B"]])), (0, 1), 1), (sum_of([E["A"], E["B"]]), (1, 2), 1), (E["x"], (2,), 1)], (0,), {0: N, 1: N, 2: N}),
    "inverse in a trace": ([(Inverse(E["A"]), (0, 1), 1), (E["A"], (1, 0), 1)], (), {0: N, 1: N}),
    "powers of one factor": ([(E["x"], (0,), 3), (E["x"], (0,), -2), (E["c"], (), 2)], (0,), {0: N}),
    "a letter that nothing reads": ([(E["x"], (0,), 1)], (0,), {0: N, 1: N}),
    "a sum beside a factor": ([(sum_of([E["x"], E["y"]]), (0,), 1), (E["x"], (0,), 2)], (0,), {0: N}),
    "a quotient of equal sums": ([(sum_of([E["x"], E["y"]]), (0,), 1), (sum_of([E["y"], E["x"]]), (0,), -1)], (0,), {0: N}),
    "scalars that close": ([(E["x"], (0,), 1), (E["y"], (0,), 1), (E["A"], (1, 2), 1)], (1, 2), {0: N, 1: N, 2: N}),
    "symmetric read either way": ([(E["S"], (1, 0), 1), (E["S"], (0, 1), 1)], (0, 1), {0: N, 1: N}),
    "a selection twice": ([(PICK, (0, 1), 1), (PICK, (0, 2), 1), (E["x"], (1,), 1), (E["y"], (2,), -1)], (0,), {0: 4, 1: N, 2: N}),
    "a selection squared": ([(PICK, (0, 1), 2), (E["x"], (1,), 1)], (0,), {0: 4, 1: N}),
    "a selection of all": ([(PICK, (0, 1), 1)], (0,), {0: 4, 1: N}),
    "one that repeats": ([(TWICE, (0, 1), 1), (TWICE, (2, 1), 1)], (0, 2), {0: 2, 1: N, 2: 2}),
    "one that does not": ([(NEXT, (0, 1), 1), (NEXT, (2, 1), 1), (E["x"], (1,), 1)], (0, 2), {0: 2, 1: N, 2: 2}),
    "the places below a diagonal": ([(ROWS, (0, 1), 1), (COLUMNS, (0, 2), 1), (E["x"], (2,), 1)], (1,), {0: 6, 1: N, 2: N}),
    "a selection of a selection": ([(EVERY, (0, 1), 1), (PICK, (1, 2), 1), (E["x"], (2,), 1)], (0,), {0: 2, 1: 4, 2: N}),
    "and summed": ([(EVERY, (0, 1), 1), (PICK, (1, 2), 1), (E["x"], (2,), 1)], (), {0: 2, 1: 4, 2: N}),
    "unit vectors": ([(unit(1, N), (0,), 1), (unit(1, N), (1,), 1), (E["A"], (0, 1), 1)], (), {0: N, 1: N}),
    "a splitting twice": ([(SPLIT, (0, 1, 2), 1), (SPLIT, (0, 3, 4), 1), (E["M"], (1, 2), 1)], (3, 4), {0: 6, 1: 2, 2: 3, 3: 2, 4: 3}),
    "centring twice": ([(CENTRE, (0, 1), 1), (CENTRE, (1, 2), 1), (E["x"], (2,), 1)], (0,), {0: N, 1: N, 2: N}),
    "centring of ones": ([(CENTRE, (0, 1), 1), (E["x"], (0,), 1)], (0,), {0: N, 1: N}),
    "a centred square": ([(built([(CENTRE, (0, 1), 1), (E["x"], (1,), 1)], (0,), {0: N, 1: N}, (N,)), (0,), 2)], (), {0: N}),
    "cumulative sums": ([(triangle(N), (0, 1), 1), (E["x"], (1,), 1)], (0,), {0: N, 1: N}),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name: str, seed: int) -> None:
    pieces, slots, sizes = PRODUCTS[name]
    here = point(seed)
    shape = tuple(sizes[a] for a in slots)
    arrays = [(here.expr(t) if isinstance(t, Expr) else here.atom(t), ls, e) for t, ls, e in pieces]
    want = summed(arrays, slots, sizes, shape)
    assert (here.expr(built(pieces, slots, sizes, shape)) == want).all()


def _expressions() -> dict[str, Expr]:
    mean = built([(E["x"], (1,), 1)], (0,), {0: N, 1: N}, (N,))
    centred = sum_of(
        [E["u"], built([(E["u"], (1,), 1)], (0,), {0: 4, 1: 4}, (4,))],
        [Fraction(1), Fraction(-1, 4)],
    )
    variance = built([(centred, (0,), 2)], (), {0: 4}, (), Fraction(1, 4))
    exps = function_of(EXP, [E["x"]], (N,))
    total = at(built([(exps, (0,), 1)], (), {0: N}, ()), (0,), (N,), ())
    ones = built([], (0,), {0: N}, (N,))
    logistic = multiplied([(exps, 1), (sum_of([ones, exps]), -1)])
    split = built(
        [
            (LEAVES["C"], (0, 1), 1),
            (splitting(4, (2, 2)), (0, 2, 3), 1),
            (SPLIT_C, (1, 4, 5), 1),
            (LEAVES["V"], (3, 5), 1),
        ],
        (2, 4),
        {0: 4, 1: 6, 2: 2, 3: 2, 4: 2, 5: 3},
        (2, 2),
    )
    return {
        "x less its mean": sum_of([E["x"], mean], [Fraction(1), Fraction(-1, N)]),
        "standardised": built([(centred, (0,), 1), (variance, (), Fraction(-1, 2))], (0,), {0: 4}, (4,)),
        "standardised twice": built([(centred, (0,), 1), (centred, (1,), 1), (variance, (), Fraction(-3, 2))], (0, 1), {0: 4, 1: 4}, (4, 4)),
        "softmax": multiplied([(exps, 1), (total, -1)]),
        "softmax times its mean": built([(exps, (0,), 1), (exps, (1,), 1), (E["x"], (1,), 1), (built([(exps, (0,), 1)], (), {0: N}, ()), (), -2)], (0,), {0: N, 1: N}, (N,)),
        "logistic": logistic,
        "logistic slope": multiplied([(logistic, 1), (sum_of([ones, logistic], [1, -1]), 1)]),
        "exponential of a sum": exponential(sum_of([E["x"], E["y"]], [Fraction(2), Fraction(-3)])),
        "a square of a sum": expanded(multiplied([(sum_of([E["x"], E["y"]]), 2)])),
        "unvec": built([(LEAVES["w"], (0,), 1), (SPLIT, (0, 1, 2), 1), (E["x"], (2,), 1)], (1,), {0: 6, 1: 2, 2: 3}, (2,)),
        "vec": built([(LEAVES["M"], (1, 2), 1), (SPLIT, (0, 1, 2), 1)], (0,), {0: 6, 1: 2, 2: 3}, (6,)),
        "blocks": split,
    }  # fmt: skip


SPLIT_C = splitting(6, (2, 3))
EXPRESSIONS = _expressions()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "rewrite", [recognised, with_moments, reshaped, expanded, without_centring]
)
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_rewrites(name: str, rewrite, seed: int) -> None:
    expr, here = EXPRESSIONS[name], point(seed)
    assert (here.expr(rewrite(expr)) == here.expr(expr)).all()
    assert (here.expr(rewrite(recognised(expr))) == here.expr(expr)).all()


@pytest.mark.parametrize("seed", range(3))
def test_functions(seed: int) -> None:
    here = point(seed)
    exact = np.vectorize(exact_exp, otypes=[object])
    x, y = here.leaves["x"], here.leaves["y"]
    both = sum_of([E["x"], E["y"]], [Fraction(2), Fraction(-1)])
    assert (here.expr(exponential(both)) == exact(2 * x - y)).all()
    assert (here.expr(sigmoid(sum_of([E["x"]], [Fraction(-1)]))) == 1 / (1 + exact(x))).all()


@pytest.mark.parametrize("power", [(2, 0), (4, 0), (-2, 0), (0, 1), (1, 1), (2, 3), (-2, 1)])
def test_logarithms_of_what_may_be_negative(power: tuple[int, int]) -> None:
    here = point(4)
    expr = multiplied([(E["z"], power[0]), (E["p"], power[1])])
    if power[0] % 2:
        expr = multiplied([(expr, 1), (E["z"], 1)])
    log = np.vectorize(exact_log, otypes=[object])
    assert (here.expr(logarithm(expr)) == log(here.expr(expr))).all()


@pytest.mark.parametrize(
    "exponent", [Fraction(1, 2), Fraction(3, 2), Fraction(-1, 2), Fraction(1, 4), Fraction(-3, 4)]
)
@pytest.mark.parametrize("power", [(4, 0), (-4, 0), (0, 1), (4, 1), (8, -1)])
def test_roots_of_what_may_be_negative(power: tuple[int, int], exponent: Fraction) -> None:
    here = point(1)
    expr = multiplied([(E["z"], power[0]), (E["p"], power[1])], Fraction(16))
    root = np.vectorize(lambda v: exact_power(v, exponent), otypes=[object])
    assert (here.expr(raised(expr, exponent)) == root(here.expr(expr))).all()


SIGN, ABSOLUTE = elementwise.sign, NUMPY[np.absolute]


@pytest.mark.parametrize(
    "powers", [*pairs((-3, -2, -1, 0, 1, 2), (-2, -1, 0, 1, 2, 3), (0, 1, 2, 3))], ids=str
)
def test_signs_and_absolute_values(powers: tuple[int, int, int]) -> None:
    here = point(2)
    functions = [E["z"], *(function_of(f, [E["z"]], (6,)) for f in (ABSOLUTE, SIGN))]
    expr = multiplied(list(zip(functions, powers, strict=True)))
    short = recognised(expr)
    assert (here.expr(short) == here.expr(expr)).all()
    plain, absolute, sign = powers
    odd, degree = (plain + sign) % 2, plain + absolute
    two = odd and degree % 2 == 0 and degree != 0  # x |x|
    assert sum(len(t.factors) for t in short.terms) == (0 if not odd and not degree else 1 + two)


@pytest.mark.parametrize("clip", ["relu", "maximum", "tied"])
def test_what_is_0_where_an_indicator_is(clip: str) -> None:
    here = point(2)
    here.leaves["z"] = here.leaves["z"] * fractions([1, 1, 0, 1, 1, 1])
    zero = Expr((6,), ())
    if clip == "relu":
        clipped = function_of(elementwise.relu, [E["z"]], (6,))
        where = [function_of(NUMPY[np.greater], [E["z"], zero], (6,))]
    else:
        clipped = function_of(NUMPY[np.maximum], [zero, E["z"]], (6,))
        takes = piecewise.maximum.where["M"](*_nodes()).operation
        where = [function_of(takes, [E["z"], zero], (6,))]
        where += [function_of(piecewise.share, [zero, E["z"]], (6,))] * (clip == "tied")
    expr = multiplied([(clipped, 2), *((w, 1) for w in where), (E["p"], 1)])
    short = recognised(expr)
    assert (here.expr(short) == here.expr(expr)).all()
    assert len(short.terms[0].factors) == 2
    other = multiplied([(clipped, 1), (function_of(NUMPY[np.greater], [zero, E["z"]], (6,)), 1)])
    assert (here.expr(recognised(other)) == here.expr(other)).all()


def _nodes():
    leaves = [input_node(n, (6,)) for n in "AB"]
    return (*leaves, apply(piecewise.maximum, leaves))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "expr",
    [
        product(E["A"], E["B"]), product(E["A"], transposed(E["B"])), product(E["A"], inverse_of(E["B"])),
        sum_of([E["A"]], [Fraction(3)]), transposed(E["A"]), built([(E["c"], (), 1), (E["A"], (0, 1), 1)], (0, 1), {0: N, 1: N}, (N, N)),
        sum_of([E["A"], E["B"]]), built([(E["x"], (0,), 1)], (0, 0), {0: N}, (N, N)), inverse_of(E["A"]),
    ],
    ids=lambda e: e.key[:30],
)  # fmt: skip
def test_inverses_and_determinants(expr: Expr, seed: int) -> None:
    here = point(seed)
    assert (here.expr(inverse_of(expr)) == inverse(here.expr(expr))).all()
    assert here.expr(det_of(expr)) == determinant(here.expr(expr))


@pytest.mark.parametrize("seed", range(3))
def test_sums_are_merged_and_means_taken_away(seed: int) -> None:
    here = point(seed)
    terms = [t for name in ("x less its mean",) for t in without_centring(EXPRESSIONS[name]).terms]
    assert len(terms) == 2
    assert len(added((N,), terms).terms) == 1
    assert (here.expr(added((N,), terms)) == here.expr(merged((N,), terms))).all()


@pytest.mark.parametrize("seed", range(3))
def test_axes_that_are_one_or_two(seed: int) -> None:
    here = point(seed)
    expr = built(
        [(SPLIT, (0, 1, 2), 1), (E["x"], (2,), 1), (E["M"], (1, 3), 1)],
        (0, 3),
        {0: 6, 1: 2, 2: 3, 3: 3},
        (6, 3),
    )
    found, out = whole_axes(expr, 1)
    assert (found.shape, out) == ((2, 3, 3), 2)
    assert (here.expr(found).reshape(6, 3) == here.expr(expr)).all()
