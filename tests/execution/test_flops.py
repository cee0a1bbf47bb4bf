"""Predicted operations are those that run: an array that counts them takes the operands' places."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import jacobians as jb
from jacobians.execution import numerics
from jacobians.execution.interpret import program_for
from jacobians.notation.terms import contracted, numbered
from tests.cases import PROBLEMS, Case, problem_name

RNG = np.random.default_rng(3)


class Counting(np.ndarray):
    """Counts what NumPy is asked to compute; a multiply-add is 2 operations."""

    count = 0

    def dot(self, other: Any, out: Any = None) -> Any:
        return np.matmul(self, other, **({} if out is None else {"out": out}))

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **how: Any
    ) -> Any:
        plain = [x.view(np.ndarray) if isinstance(x, Counting) else x for x in inputs]
        into = tuple(x.view(np.ndarray) if isinstance(x, Counting) else x for x in out)
        given = {"out": into} if into else {}
        result = getattr(ufunc, method)(*plain, **given, **how)
        if method == "at":
            Counting.count += np.size(plain[-1])
            return None
        if method == "reduce":
            Counting.count += np.size(plain[0])
        elif ufunc is np.matmul:
            summed = plain[0].shape[-1]
            Counting.count += 2 * summed * np.size(result)
        else:
            Counting.count += np.size(result)
        return out[0] if out else np.asarray(result).view(Counting)


@pytest.fixture
def keep_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strided views of a counting array count too."""
    monkeypatch.setattr(numerics, "as_strided", partial(as_strided, subok=True))


def counted(J: jb.JacobianTensor, tensor: Any, extra: list[Any]) -> int:
    """The operations of a contraction of the terms of J."""
    values = [np.array(v).view(Counting) for v in J.operands.values()]
    upstream = [np.array(x).view(Counting) for x in extra]
    arrays = [*values, *upstream]
    bound = program_for(
        numbered(tensor, (*J.operands, "upstream")), tuple(v.shape for v in arrays),
        tuple(v.dtype for v in arrays), J.dtype,
    )  # fmt: skip
    Counting.count = 0
    bound(arrays)
    return Counting.count


@pytest.mark.usefixtures("keep_counting")
@pytest.mark.parametrize("problem", PROBLEMS, ids=problem_name)
def test_predicted_is_counted(problem: tuple[Case, int]) -> None:
    case, position = problem
    J = jb.ops[case.operation].jacobian(*case.parameters, *case.arrays(), wrt=position)
    if any(f.mask for term in J.terms.terms for f in term.factors):
        pytest.skip("a mask selects, which is no arithmetic")
    cost = J.cost()
    out, inner = range(J.out_ndim), range(J.out_ndim, J.ndim)
    for way, axes, shape in (("vjp", out, J.out_shape), ("jvp", inner, J.in_shape)):
        tensor = contracted(J.terms, "upstream", axes)
        found = counted(J, tensor, [RNG.normal(size=shape)])
        assert getattr(cost, way).flops == found, way
    assert cost.dense.flops == counted(J, J.terms, [])


@pytest.mark.usefixtures("keep_counting")
def test_the_count_counts() -> None:
    B, C = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 5))
    J = jb.ops.matmul.jacobian(B, C, wrt="B")
    tensor = contracted(J.terms, "upstream", range(2))
    assert counted(J, tensor, [RNG.normal(size=(3, 5))]) == 2 * 3 * 4 * 5
