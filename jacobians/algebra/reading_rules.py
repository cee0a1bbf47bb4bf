"""How operations that are no products are read: one rule for each, by the operation's name."""

from collections.abc import Callable
from fractions import Fraction
from math import prod

import numpy as np

from jacobians.algebra.atoms import Expr, Function
from jacobians.algebra.constants import triangle
from jacobians.algebra.functions_of import (
    HALF,
    LOG,
    at_mean,
    broadcast,
    exponential,
    logarithm,
    raised,
    sigmoid,
    softmax_over,
    summed,
)
from jacobians.algebra.inverting import det_of, inverse_of
from jacobians.algebra.letter_order import ONE, plain, sizes_of
from jacobians.algebra.normal_form import (
    at,
    built,
    function_of,
    multiplied,
    number,
    of_atom,
    power_of,
    sum_of,
    value_of,
)
from jacobians.algebra.slot_letters import Unread
from jacobians.graph.node import NUMPY, Node
from jacobians.operations.reductions import cumsum, softmax_last

ReadingRule = Callable[[Node, list[Expr]], Expr]
RULES: dict[str, ReadingRule] = {}


def _rule(*names: str) -> Callable[[ReadingRule], ReadingRule]:
    def enter(rule: ReadingRule) -> ReadingRule:
        for name in names:
            RULES[name] = rule
        return rule

    return enter


def _plain_rule(
    *names: str,
) -> Callable[[Callable[[list[Expr]], Expr]], Callable[[list[Expr]], Expr]]:
    """For what depends on the operands only."""

    def enter(rule: Callable[[list[Expr]], Expr]) -> Callable[[list[Expr]], Expr]:
        for name in names:
            RULES[name] = lambda _, operands: rule(operands)
        return rule

    return enter


@_rule("divide", "ratio", "quotient")
def _divide(node: Node, operands: list[Expr]) -> Expr:
    A, B = (broadcast(e, node.shape) for e in operands)
    if A.is_zero:
        return A
    return multiplied([(A, 1), (B, -1)])


@_rule("portion")
def _portion(node: Node, operands: list[Expr]) -> Expr:
    return _divide(node, [operands[0], operands[2]])


@_plain_rule("reciprocal")
def _reciprocal(operands: list[Expr]) -> Expr:
    return multiplied([(operands[0], -1)])


@_rule("cumsum", "suffix_sums")
def _running_sum(node: Node, operands: list[Expr]) -> Expr:
    # The product with the triangle of ones, or with its transpose.
    along: int = dict(node.parameters)["axis"]
    size, letters = node.shape[along], plain(node.shape)
    if size == 1:
        return operands[0]
    row, column = letters[along], node.ndim
    ends = (row, column) if node.operation is cumsum else (column, row)
    reads = (*letters[:along], column, *letters[along + 1 :])
    ones = of_atom(triangle(size), (size, size))
    sizes = {**sizes_of(letters, node.shape), column: size}
    return built([(operands[0], reads, 1), (ones, ends, 1)], letters, sizes, node.shape)


@_plain_rule("square")
def _square(operands: list[Expr]) -> Expr:
    return multiplied([(operands[0], 2)])


@_plain_rule("sqrt", "root")
def _sqrt(operands: list[Expr]) -> Expr:
    return raised(operands[0], HALF)


@_plain_rule("positive", "conjugate", "alias", "astype", "cast", "copy")
def _same(operands: list[Expr]) -> Expr:
    return operands[0]


@_rule("power", "float_power")
def _power(node: Node, operands: list[Expr]) -> Expr:
    return _general_power(node, operands, 0)


def _general_power(node: Node, operands: list[Expr], less: int) -> Expr:
    base, exponent = (broadcast(e, node.shape) for e in operands)
    value = value_of(exponent)
    if value is not None and isinstance(value, Fraction):
        return raised(base, value - less)
    if less:
        minus = at(number(-less), plain(node.shape), node.shape, ())
        exponent = sum_of([exponent, minus])
    return power_of(base, exponent, node.shape)


def _power_slope(order: int) -> ReadingRule:
    def rule(node: Node, operands: list[Expr]) -> Expr:
        exponent = broadcast(operands[1], node.shape)
        pieces = [(_general_power(node, operands, order), Fraction(1))]
        for k in range(order):
            minus = at(number(-k), plain(node.shape), node.shape, ())
            pieces.append((sum_of([exponent, minus]) if k else exponent, Fraction(1)))
        return multiplied(pieces)

    return rule


for _order in range(1, 5):
    RULES[f"power_slope{_order}"] = _power_slope(_order)


@_plain_rule("exp")
def _exp(operands: list[Expr]) -> Expr:
    return exponential(operands[0])


@_plain_rule("log", "nonzero_log")
def _log(operands: list[Expr]) -> Expr:
    return logarithm(operands[0])


@_plain_rule("log1p")
def _log1p(operands: list[Expr]) -> Expr:
    one = at(number(1), plain(operands[0].shape), operands[0].shape, ())
    return logarithm(sum_of([one, operands[0]]))


@_plain_rule("expm1")
def _expm1(operands: list[Expr]) -> Expr:
    one = at(number(1), plain(operands[0].shape), operands[0].shape, ())
    return sum_of([exponential(operands[0]), one], [ONE, -ONE])


@_plain_rule("sigmoid", "expit")
def _sigmoid(operands: list[Expr]) -> Expr:
    return sigmoid(operands[0])


_OPPOSITE = {
    "greater": np.less_equal, "greater_equal": np.less, "less": np.greater_equal, "less_equal": np.greater,
    "equal": np.not_equal, "not_equal": np.equal,
}  # fmt: skip


@_rule("logical_not")
def _not(node: Node, operands: list[Expr]) -> Expr:
    (X,) = operands
    if X.is_zero:
        return at(number(1), plain(X.shape), X.shape, ())
    (t,) = X.terms if len(X.terms) == 1 else (None,)
    if t is not None and t.coefficient == 1 and len(t.factors) == 1:
        ((f, _),) = t.factors
        opposite = _OPPOSITE.get(f.atom.operation.name) if isinstance(f.atom, Function) else None
        if opposite is not None:
            piece = (Function(NUMPY[opposite], f.atom.inner), f.letters, 1)
            return built([piece], t.slots, dict(enumerate(t.sizes)), X.shape)
    return function_of(node.operation, operands, node.shape)


@_rule("attains")
def _attains(node: Node, operands: list[Expr]) -> Expr:
    X, y = operands
    if y.shape != X.shape:  # an extreme entry of each row, or of all
        slots = plain(X.shape)
        y = at(y, slots, X.shape, slots[: len(y.shape)])
    return function_of(NUMPY[np.equal], [X, y], node.shape)


@_rule("share")
def _share(node: Node, operands: list[Expr]) -> Expr:
    M = operands[0]
    if node.operation is not None and node.operation.elementwise:
        return function_of(node.operation, [broadcast(e, node.shape) for e in operands], node.shape)
    return multiplied([(summed(M, tuple(range(len(node.shape), len(M.shape)))), -1)])


@_rule("logaddexp")
def _logaddexp(node: Node, operands: list[Expr]) -> Expr:
    A, B = (broadcast(e, node.shape) for e in operands)
    return logarithm(sum_of([exponential(A), exponential(B)]))


@_rule("hypot")
def _hypot(node: Node, operands: list[Expr]) -> Expr:
    A, B = (broadcast(e, node.shape) for e in operands)
    return raised(sum_of([multiplied([(A, 2)]), multiplied([(B, 2)])]), HALF)


@_plain_rule("fabs")
def _fabs(operands: list[Expr]) -> Expr:
    return function_of(NUMPY[np.absolute], operands, operands[0].shape)


@_plain_rule("p_norm")
def _p_norm(operands: list[Expr]) -> Expr:
    X, p = operands
    order = value_of(p)
    if not isinstance(order, Fraction) or order <= 0:
        raise Unread("a norm of that order")
    sizes = function_of(NUMPY[np.absolute], [X], X.shape)
    return raised(summed(raised(sizes, order), (len(X.shape) - 1,)), 1 / order)


@_plain_rule("norm")
def _norm(operands: list[Expr]) -> Expr:
    (X,) = operands
    return raised(summed(multiplied([(X, 2)]), tuple(range(len(X.shape)))), HALF)


@_plain_rule("row_norm")
def _row_norm(operands: list[Expr]) -> Expr:
    (X,) = operands
    return raised(summed(multiplied([(X, 2)]), (len(X.shape) - 1,)), HALF)


@_plain_rule("squared_error")
def _squared_error(operands: list[Expr]) -> Expr:
    y, t = operands
    both = multiplied([(sum_of([y, t], [ONE, -ONE]), 2)])
    return sum_of([summed(both, tuple(range(len(both.shape))))], [HALF])


@_rule("squares")
def _squares(node: Node, operands: list[Expr]) -> Expr:
    (X,) = operands
    axes = tuple(range(len(node.shape), len(X.shape)))
    count = prod(X.shape[a] for a in axes)
    means = at_mean(X, axes, count)
    return summed(multiplied([(sum_of([X, means], [ONE, -ONE]), 2)]), axes)


@_rule("softmax")
def _softmax(node: Node, operands: list[Expr]) -> Expr:
    (X,) = operands
    last = "…" in repr(getattr(node.operation, "forms", "")) or node.operation is softmax_last
    return softmax_over(X, (len(X.shape) - 1,) if last else tuple(range(len(X.shape))))


@_rule("logsumexp")
def _logsumexp(node: Node, operands: list[Expr]) -> Expr:
    (X,) = operands
    axes = tuple(range(len(node.shape), len(X.shape)))
    return logarithm(summed(exponential(X), axes))


def _matrix_rule(
    name: str,
) -> Callable[[Callable[[list[Expr]], Expr]], Callable[[list[Expr]], Expr]]:
    """For what depends on the operands only, the first of them one matrix."""

    def enter(rule: Callable[[list[Expr]], Expr]) -> Callable[[list[Expr]], Expr]:
        def checked(operands: list[Expr]) -> Expr:
            if len(operands[0].shape) != 2:
                raise Unread("matrices in a batch")
            return rule(operands)

        return _plain_rule(name)(checked)

    return enter


@_matrix_rule("inv")
def _inv(operands: list[Expr]) -> Expr:
    return inverse_of(operands[0])


@_matrix_rule("solve")
def _solve(operands: list[Expr]) -> Expr:
    A, b = operands
    if len(b.shape) > 2:
        raise Unread("matrices in a batch")
    n = A.shape[0]
    top = None if n == 1 else 0
    inner = None if n == 1 else 1
    slots = (top, *((None if m == 1 else 2) for m in b.shape[1:]))
    sizes = {0: n, 1: n, **({2: b.shape[1]} if len(b.shape) > 1 else {})}
    return built(
        [(inverse_of(A), (top, inner), 1), (b, (inner, *slots[1:]), 1)], slots, sizes, b.shape
    )


@_matrix_rule("det")
def _det(operands: list[Expr]) -> Expr:
    return det_of(operands[0])


@_matrix_rule("reciprocal_det")
def _reciprocal_det(operands: list[Expr]) -> Expr:
    return built([(det_of(operands[0]), (), -1)], (), {}, ())


@_matrix_rule("log_abs_det")
def _log_abs_det(operands: list[Expr]) -> Expr:
    return function_of(LOG, [function_of(NUMPY[np.absolute], [det_of(operands[0])], ())], ())


@_matrix_rule("cofactor")
def _cofactor(operands: list[Expr]) -> Expr:
    n = operands[0].shape[0]
    if n == 1:
        return at(number(1), (None, None), operands[0].shape, ())
    return built(
        [(det_of(operands[0]), (), 1), (inverse_of(operands[0]), (1, 0), 1)],
        (0, 1),
        {0: n, 1: n},
        operands[0].shape,
    )
