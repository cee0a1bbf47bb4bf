"""Products, traces and transposes: multilinear, each declared by its coordinate form."""

from typing import Any

import numpy as np

from jacobians.errors import UnsupportedError
from jacobians.graph.how import ByAdding, ByViews, Transpose
from jacobians.notation.coordinates import ELLIPSIS, Axes, Indexed, Product, instantiate
from jacobians.notation.slots import letter_slot
from jacobians.notation.terms import Factor, Sum, normal, relabelled, total
from jacobians.operations.by_terms import Multilinear
from jacobians.operations.declare import index_map, multilinear
from jacobians.operations.kinds import Shape

matmul = multilinear(
    "matmul", "A_…ij = B_…ir C_…rj", "A_…i = B_…ir C_r", "A_…j = B_r C_…rj", "A = B_r C_r",
    numpy=np.matmul,
)  # fmt: skip
matvec = multilinear("matvec", "y_i = A_ir x_r", value=np.matmul)
inner = multilinear("inner", "s = a_i x_i", value=np.dot)
outer = multilinear("outer", "Y_ij = x_i y_j", value=np.outer)
bilinear = multilinear("bilinear", "s = a_i X_ij b_j", value=lambda a, X, b: a @ X @ b)
quadratic = multilinear(
    "quadratic", "s = x_i A_ij x_j", arguments=("x", "A"), value=lambda x, A: x @ A @ x
)
transpose = multilinear(
    "transpose", "Y_ji = X_ij", value=lambda X: np.swapaxes(X, -1, -2),
    how=lambda _: ByViews((Transpose((1, 0)),)),
)  # fmt: skip
trace = multilinear(
    "trace", "s = X_ii", value=np.trace, notation="tr({0})", latex="\\operatorname{{tr}}({0})"
)
total_sum = multilinear(
    "sum", "s = X_…", value=np.sum, notation="sum({0})", latex="\\operatorname{{sum}}({0})",
    how=lambda node: ByAdding(tuple(range(node.operands[0].ndim))),
)  # fmt: skip


def _kron(A: Shape, B: Shape) -> Sum:
    # (A ⊗ B)[p·i + k, q·j + l] = A[i, j] B[k, l]; the shorter shape is padded in front with 1.
    depth = max(len(A), len(B))
    outer_shape = (1,) * (depth - len(A)) + A
    inner_shape = (1,) * (depth - len(B)) + B
    sizes = outer_shape + inner_shape
    slots = [
        letter_slot(axis, inner_shape[axis])._replace(
            parts=((axis, inner_shape[axis]), (depth + axis, 1))
        )
        for axis in range(depth)
    ]
    factors = [
        Factor(0, tuple(letter_slot(depth - len(A) + n) for n in range(len(A)))),
        Factor(1, tuple(letter_slot(2 * depth - len(B) + n) for n in range(len(B)))),
    ]
    shape = [m * p for m, p in zip(outer_shape, inner_shape, strict=True)]
    return total(shape, [normal(1, sizes, factors, slots)])


kron = index_map(
    "kron",
    ("A", "B"),
    _kron,
    numpy=np.kron,
    notation="{0} ⊗ {1}",
    latex="{0} \\otimes {1}",
    binds=1,
)


_SMALL = 2048  # entries, up to which looking for an order of contraction costs more than it saves


def _einsum(*shapes: Shape, subscripts: str) -> Sum:
    names = [f"operand {number}" for number in range(len(shapes))]
    inputs, result = split_subscripts(subscripts, len(shapes))
    for name, letters, shape in zip(names, inputs, shapes, strict=True):
        if ELLIPSIS in letters and ELLIPSIS not in result and len(shape) >= len(letters):
            raise UnsupportedError(
                f"einsum {subscripts!r}: '...' of {name}, of shape {shape}, is not in the result; "
                "write '...' there, or a letter for each axis that is summed"
            )
    product = Product(1, tuple(Indexed(n, s) for n, s in zip(names, inputs, strict=True)))
    operands = {n: Axes(n, "", shape) for n, shape in zip(names, shapes, strict=True)}
    tensor = instantiate([product], [], operands, f"einsum {subscripts!r}", result=[result])
    return relabelled(tensor, names.index)


def split_subscripts(subscripts: str, count: int) -> tuple[list[str], str]:
    """The letters of each operand and of the result; ``...`` becomes one character.

    Without ``->`` the result has the letters that occur once, in alphabetical order, as in NumPy.
    """
    text = subscripts.replace(" ", "").replace("...", ELLIPSIS)
    left, arrow, result = text.partition("->")
    inputs = left.split(",")
    if not arrow:
        letters = left.replace(",", "").replace(ELLIPSIS, "")
        result = ELLIPSIS if ELLIPSIS in left else ""
        result += "".join(sorted(a for a in set(letters) if letters.count(a) == 1))
    if len(inputs) != count:
        raise UnsupportedError(
            f"einsum {subscripts!r}: the subscripts name {len(inputs)} operands, but {count} were passed"
        )
    strange = {
        a for a in left + result if not (a.isascii() and a.isalpha()) and a not in "," + ELLIPSIS
    }
    repeated = len(set(result)) != len(result)
    missing = set(result) - set(left)
    if strange or repeated or missing:
        raise UnsupportedError(
            f"einsum {subscripts!r}: write letters a to z or A to Z, '...' and commas; each letter of the "
            "result once, and only letters that an operand has"
        )
    return inputs, result


einsum = index_map(
    "einsum", (), _einsum,
    value=lambda *operands, subscripts: np.einsum(
        subscripts, *operands, optimize=len(operands) > 2 or sum(map(np.size, operands)) > _SMALL
    ),
    called=True,
)  # fmt: skip


class _Contraction(Multilinear):
    """What rewrites make: the sum of terms is its only parameter."""

    def structure(self, shapes: tuple[Shape, ...], parameters: tuple[tuple[str, Any], ...]) -> Sum:  # noqa: ARG002
        """The sum of terms itself."""
        tensor: Sum = parameters[0][1]
        return tensor


contraction = index_map("contraction", (), lambda *_, tensor: tensor, real=True, kind=_Contraction)

PUBLIC = (
    matmul, matvec, inner, outer, bilinear, quadratic, transpose, trace, total_sum, kron, einsum,
)  # fmt: skip
