"""The diagnosis is tested by planted mistakes: each is made by hand and must be found, by name.

The right tensors are written out as explicit einsums; no mistake is made by the code under test.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import jacobians as jb
from jacobians.verification.case import NO_SOURCES, Sources, Terms
from jacobians.verification.diagnosis import Map, diagnose, explain_probes
from jacobians.verification.reasoning import Finding
from tests import cases

Array = NDArray[Any]
RANDOM = np.random.default_rng(20250131)
I2, I3, I4 = np.eye(2), np.eye(3), np.eye(4)
B, C = RANDOM.normal(size=(2, 4)), RANDOM.normal(size=(4, 3))
X = RANDOM.normal(size=(4, 3))
S = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
M = RANDOM.normal(size=(3, 3))
Q, v = RANDOM.normal(size=(5, 5)), RANDOM.normal(size=5)
Y = np.linalg.inv(M + 2 * I3)


def diagnose_forward(
    probes: Any, *, out_shape: tuple[int, ...], in_shape: tuple[int, ...], tolerance: float
) -> tuple[Finding, ...]:
    return explain_probes(probes, Map(False, out_shape, in_shape), tolerance, NO_SOURCES)


def diagnose_backward(
    probes: Any, *, out_shape: tuple[int, ...], in_shape: tuple[int, ...], tolerance: float,
    terms: Terms | None = None,
) -> tuple[Finding, ...]:  # fmt: skip
    return explain_probes(probes, Map(True, out_shape, in_shape), tolerance, Sources(terms))


class Right(NamedTuple):
    """A right tensor, how many of its axes are the output's, and the terms of its formula."""

    tensor: Array
    out: int
    terms: tuple[tuple[str, Array], ...] = ()

    def findings(self, claimed: Any, tolerance: Any = None) -> tuple[Finding, ...]:
        if tolerance is None:
            tolerance = 1e-10 * np.abs(self.tensor).max()
        return diagnose(
            claimed,
            self.tensor,
            out_ndim=self.out,
            tolerance=tolerance,
            sources=Sources((lambda: self.terms) if self.terms else None),
        )


def summed(out: int, *terms: tuple[str, Array]) -> Right:
    return Right(sum(array for _, array in terms), out, terms)


TENSORS = {
    "matmul by B": Right(np.einsum("ik,lj->ijkl", I2, C), 2),
    "matmul by C": Right(np.einsum("jl,ik->ijkl", I3, B), 2),
    "layer": Right(np.einsum("ik,l->ikl", I3, v), 1),
    "bilinear": Right(np.outer(v[:3], X[:, 0]), 0),
    "inverse": Right(-np.einsum("ik,lj->ijkl", Y, Y), 2),
    "tanh": Right(np.einsum("ij,ik,jl->ijkl", 1 - np.tanh(X) ** 2, I4, I3), 2),
    "dense": Right(RANDOM.normal(size=(2, 3, 4, 5)), 2),
    "softmax": summed(
        2,
        ("S_ij δ_ik δ_jl", np.einsum("ij,ik,jl->ijkl", S, I4, I3)),
        ("−S_ij S_il δ_ik", -np.einsum("ij,il,ik->ijkl", S, S, I4)),
    ),
    "square": summed(
        2,
        ("δ_ik M_lj", np.einsum("ik,lj->ijkl", I3, M)),
        ("M_ik δ_jl", np.einsum("ik,jl->ijkl", M, I3)),
    ),
    "quadratic": summed(0, ("Σ_r Q_kr v_r", Q @ v), ("Σ_r Q_rk v_r", Q.T @ v)),
    "cube": summed(
        2,
        ("δ_ik (M²)_lj", np.einsum("ik,lj->ijkl", I3, M @ M)),
        ("M_ik M_lj", np.einsum("ik,lj->ijkl", M, M)),
        ("(M²)_ik δ_jl", np.einsum("ik,jl->ijkl", M @ M, I3)),
    ),
}


class Planted(NamedTuple):
    """A mistake: the kind that must be found first, a part of its text, and where it is planted."""

    kind: str
    text: str
    mistake: Callable[[Array], Any]
    tensors: tuple[str, ...]


def put(index: Any, value: Any) -> Callable[[Array], Array]:
    def mistake(tensor: Array) -> Array:
        result = tensor.copy()
        result[index] = value(result[index]) if callable(value) else value
        return result

    return mistake


def shifted(tensor: Array) -> Array:
    result = np.zeros_like(tensor)
    result[..., 1:] = tensor[..., :-1]
    return result


def noise(level: float) -> Callable[[Array], Array]:
    def mistake(tensor: Array) -> Array:
        return tensor * (1 + level * np.random.default_rng(1).normal(size=tensor.shape))

    return mistake


def parts(tensor: Array) -> Array:
    """A broadcast that was not summed: seven parts of the tensor, on a new first axis."""
    weights = np.random.default_rng(2).dirichlet(np.ones(7), size=tensor.shape)
    return np.moveaxis(weights, -1, 0) * tensor


LARGE = ("inverse", "dense", "matmul by B", "softmax")
SOME = ("matmul by B", "layer", "dense", "softmax", "square")
ALL = tuple(TENSORS)

PLANTED = {
    "sign": Planted("sign", "The sign is wrong.", lambda t: -t, ALL),
    "sign of a row": Planted(
        "sign", "The sign is wrong where i = 1", put(1, np.negative), ("layer", "inverse", "dense")
    ),
    "two": Planted("factor", "It is 2 × the right", lambda t: 2 * t, ALL),
    "half": Planted("factor", "It is ½ × the right", lambda t: t / 2, ALL),
    "minus two": Planted("factor", "The sign is wrong, and it is 2 ×", lambda t: -2 * t, ALL),
    "any factor": Planted("factor", "1.373 × the right derivative", lambda t: 1.3731 * t, ALL),
    "a size": Planted(
        "factor",
        "3 = j, the size of j: a sum over j where a mean is meant",
        lambda t: 3 * t,
        ("matmul by B", "tanh", "dense", "matmul by C"),
    ),
    "mean over j": Planted(
        "mean",
        "1/3 = 1/j, the size of j: a mean over j where a sum is meant",
        lambda t: t / 3,
        ("matmul by B", "tanh", "dense", "matmul by C", "softmax"),
    ),
    "mean over both": Planted(
        "mean", "1/12 = 1/(i·j)", lambda t: t / 12, ("tanh", "softmax")
    ),
    "mean of all inputs": Planted(
        "mean", "1/12 = 1/(k·l), the sizes of k and l", lambda t: t / 12, ("bilinear",)
    ),
    "square root of a size": Planted(
        "factor", "1/√3 = 1/√j", lambda t: t / 3**0.5, ("dense", "tanh")
    ),
    "ddof": Planted(
        "factor", "n/(n − 1) with n = 5, the size of k", lambda t: t * 5 / 4, ("quadratic",)
    ),
    "inputs swapped": Planted(
        "order",
        "Axes k and l are swapped (a transpose).",
        lambda t: t.swapaxes(-1, -2),
        ("matmul by B", "matmul by C", "layer", "bilinear", "inverse", "tanh", "dense", "softmax"),
    ),
    "outputs swapped": Planted(
        "order",
        "Axes i and j are swapped (a transpose).",
        lambda t: t.swapaxes(0, 1),
        ("matmul by B", "matmul by C", "dense", "cube", "softmax"),
    ),
    "swapped and negative": Planted(
        "order",
        "Axes i and j are swapped (a transpose), and the sign is wrong.",
        lambda t: -t.swapaxes(0, 1),
        ("matmul by B", "matmul by C", "dense", "cube"),
    ),
    "swapped and a mean": Planted(
        "order",
        "Axes k and l are swapped (a transpose), and it is 1/3 ×",
        lambda t: t.swapaxes(-1, -2) / 3,
        ("matmul by B", "matmul by C", "dense", "softmax"),
    ),
    "inputs first": Planted(
        "order",
        "the input's axes come first",
        lambda t: t.transpose(2, 3, 0, 1),
        ("dense", "inverse"),
    ),
    "cycled": Planted(
        "order", "in the order (l, i, j, k)", lambda t: t.transpose(3, 0, 1, 2), ("dense",)
    ),
    "one wrong besides a transpose": Planted(
        "order",
        "Axes i and j are swapped (a transpose), and one entry is wrong besides",
        lambda t: put((0, 1, 0, 0), 77.0)(t.swapaxes(0, 1)),
        ("dense", "inverse", "matmul by C"),
    ),
    "flattened by rows": Planted(
        "flattened",
        "The tensor is flattened in row-major order",
        np.ravel,
        ("matmul by B", "layer", "tanh", "dense", "softmax"),
    ),
    "flattened by columns": Planted(
        "flattened",
        "The tensor is flattened in column-major order",
        lambda t: t.ravel(order="F"),
        ("matmul by B", "layer", "tanh", "dense", "softmax"),
    ),
    "a matrix by columns": Planted(
        "flattened",
        "flattened in column-major order: its shape is",
        lambda t: t.reshape(t.shape[0] * t.shape[1], -1, order="F"),
        ("matmul by B", "matmul by C", "tanh", "dense", "softmax"),
    ),
    "a reshape for a transpose": Planted(
        "flattened",
        "a reshape where a transpose is meant",
        lambda t: t.T.reshape(t.shape),
        ("matmul by B", "dense", "softmax", "layer"),
    ),
    "read by columns": Planted(
        "flattened",
        "read in column-major order",
        lambda t: t.ravel().reshape(t.shape, order="F"),
        ("dense",),
    ),
    "an axis of one": Planted(
        "shape", "the numbers are right", lambda t: t[None], ALL
    ),
    "a broadcast axis not summed": Planted(
        "unsummed", "axis number 0 (of size 7) of a broadcast is not summed", parts, ALL
    ),
    "not summed, negative": Planted(
        "unsummed", "is not summed over, and the sign is wrong", lambda t: -parts(t), ALL
    ),
    "not summed at the end": Planted(
        "unsummed",
        "(of size 7) of a broadcast is not summed",
        lambda t: np.moveaxis(parts(t), 0, -1),
        ALL,
    ),
    "outputs summed": Planted(
        "summed",
        "The outputs (i and j) are summed: the gradient of their sum",
        lambda t: t.sum(axis=(0, 1)),
        ("matmul by B", "matmul by C", "inverse", "dense"),
    ),
    "summed and spread": Planted(
        "summed",
        "It is summed over j",
        lambda t: np.broadcast_to(t.sum(axis=1, keepdims=True), t.shape),
        ("matmul by B", "inverse", "dense"),
    ),
    "delta lost": Planted(
        "delta",
        "The delta δ_ik is lost: where i ≠ k, it should be zero and is not",
        lambda t: np.broadcast_to(t.sum(axis=-2, keepdims=True), t.shape),
        ("matmul by B", "layer", "softmax"),
    ),
    "delta lost, negative": Planted(
        "delta",
        "δ_ik is lost: where i ≠ k, it should be zero and is not, and the sign is wrong",
        lambda t: -np.broadcast_to(t.sum(axis=-2, keepdims=True), t.shape),
        ("matmul by B", "layer", "softmax"),
    ),
    "two deltas lost": Planted(
        "delta",
        "The deltas δ_ik and δ_jl are lost",
        lambda t: np.broadcast_to(t.sum(axis=(2, 3), keepdims=True), t.shape),
        ("tanh",),
    ),
    "what stands beside a delta": Planted(
        "delta",
        "δ_ik is lost: this is only what stands beside it, over (l, j)",
        lambda t: t[0, :, 0, :].T,
        ("matmul by B",),
    ),
    "elementwise": Planted(
        "delta", "this is only what stands beside it", lambda t: t.sum(axis=(2, 3)), ("tanh",)
    ),
    "diagonal only": Planted(
        "delta",
        "only the diagonal is right",
        lambda t: t * np.eye(3)[:, None, :],
        ("softmax", "inverse", "square", "cube"),
    ),
    "an entry": Planted(
        "entry",
        "One entry is wrong, (i = 1, j = 2, k = 1, l = 2): it is 77 where",
        put((1, 2, 1, 2), 77.0),
        ("matmul by B", "inverse", "tanh", "dense", "softmax"),
    ),
    "a row": Planted(
        "row",
        "A row is wrong where i = 1",
        put(1, lambda row: row * np.random.default_rng(3).normal(size=row.shape)),
        ("matmul by B", "inverse", "layer", "dense", "softmax", "square"),
    ),
    "a column": Planted(
        "column",
        "A column is wrong where l = 1",
        put((..., 1), lambda part: np.random.default_rng(3).normal(size=part.shape)),
        ("matmul by B", "inverse", "layer", "dense", "softmax", "square", "matmul by C"),
    ),
    "a block": Planted(
        "block",
        "A block is wrong where i = 1 and j = 2",
        put((1, 2), lambda part: np.random.default_rng(3).normal(size=part.shape)),
        ("matmul by B", "inverse", "tanh", "dense", "softmax", "square"),
    ),
    "zeros": Planted("zeros", "It is zero everywhere.", np.zeros_like, ALL),
    "a row of zeros": Planted(
        "zeros",
        "It is zero where i = 1, and should not be",
        put(1, 0),
        ("layer", "dense", "softmax"),
    ),
    "half a matrix": Planted(
        "zeros", "It is zero where k < l", np.tril, ("inverse", "cube")
    ),
    "not a number": Planted(
        "nan",
        "1 of",
        put((1, 2, 1, 2), np.nan),
        ("matmul by B", "inverse", "tanh", "dense", "softmax"),
    ),
    "infinite": Planted("nan", "(inf), where i = 1", put(1, np.inf), ("layer", "dense", "softmax")),
    "single precision": Planted(
        "noise",
        "single precision",
        lambda t: t.astype(np.float32).astype(float),
        ("matmul by B", "inverse", "dense", "softmax", "cube", "layer", "quadratic"),
    ),
    "noise": Planted(
        "noise", "without a pattern, of relative size", noise(1e-4), ALL
    ),
    "coarse noise": Planted("noise", "of relative size", noise(1e-2), ("dense", "inverse", "cube")),
    "absolute": Planted(
        "absolute",
        "the absolute value",
        np.abs,
        ("matmul by B", "dense", "softmax", "cube", "quadratic"),
    ),
    "reciprocal": Planted(
        "pointwise", "one over", lambda t: 1 / t, ("dense", "inverse", "quadratic")
    ),
    "off by one": Planted(
        "shift",
        "The indices of axis l are off by 1: what stands at l belongs to l − 1",
        shifted,
        ("dense", "inverse", "bilinear", "matmul by B", "layer"),
    ),
    "rolled": Planted(
        "shift",
        "off by 1, going round",
        lambda t: np.roll(t, 1, axis=-1),
        ("dense", "inverse", "bilinear", "matmul by B", "layer"),
    ),
    "reversed": Planted(
        "shift",
        "Axis l is reversed",
        lambda t: t[..., ::-1],
        ("dense", "inverse", "bilinear", "layer"),
    ),
    "exchanged": Planted(
        "shift",
        "The slices l = 0 and l = 2 are exchanged",
        lambda t: t[..., [2, 1, 0, *range(3, t.shape[-1])]],
        ("dense", "bilinear", "matmul by B", "layer"),
    ),
    "a factor of one axis": Planted(
        "axis factor",
        "× v_i with v = [0.5, 2, -3",
        lambda t: t * np.array([0.5, 2, -3, 5])[: len(t)].reshape(-1, *(1,) * (t.ndim - 1)),
        ("inverse", "layer", "softmax", "tanh"),
    ),
    "a factor of two axes": Planted(
        "axis factor",
        "depends on i and j alone",
        lambda t: t * np.random.default_rng(4).normal(size=(*t.shape[:2], 1, 1)),
        ("inverse", "dense", "matmul by B"),
    ),
    "a product of factors": Planted(
        "axis factor",
        "v is a factor of i times a factor of l",
        lambda t: t * np.arange(2.0, 2 + len(t))[:, None, None, None] * v[: t.shape[-1]],
        ("inverse", "dense"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("planted", "tensor"), [(name, t) for name, one in PLANTED.items() for t in one.tensors]
)
def test_a_planted_mistake_is_found(planted: str, tensor: str) -> None:
    mistake, right = PLANTED[planted], TENSORS[tensor]
    claimed = mistake.mistake(right.tensor)
    found = right.findings(claimed)
    assert found, "the mistake is within the tolerance"
    assert (found[0].kind, found[0].remaining) == (mistake.kind, 0), found
    assert mistake.text in found[0].text


def test_every_kind_of_mistake_is_planted_on_three_tensors_at_least() -> None:
    kinds: dict[str, set[str]] = {}
    for one in PLANTED.values():
        kinds.setdefault(one.kind, set()).update(one.tensors)
    assert {kind for kind, where in kinds.items() if len(where) < 3} == set()


@pytest.mark.parametrize("tensor", TENSORS)
def test_what_is_right_needs_no_explanation(tensor: str) -> None:
    right = TENSORS[tensor]
    assert right.findings(right.tensor) == ()
    assert right.findings(noise(1e-7)(right.tensor), 1e-5 * np.abs(right.tensor).max()) == ()
    assert right.findings(noise(1e-7)(right.tensor), 1e-5 * np.abs(right.tensor) + 1e-12) == ()


@pytest.mark.parametrize("tensor", ["softmax", "square", "quadratic", "cube"])
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (0, "The term {} is missing."),
        (2, "The term {} is there twice."),
        (-1, "The term {} has the wrong sign."),
        (0.5, "In the term {}, it is ½ × what it should be (a factor 2 is missing)."),
    ],
)
def test_a_term_is_named(tensor: str, which: int, weight: float, said: str) -> None:
    right = TENSORS[tensor]
    text, term = right.terms[which]
    found = right.findings(right.tensor + (weight - 1) * term)
    assert found[0] == Finding("term", said.format(text), 0.0)


def test_mistakes_within_a_term() -> None:
    right = TENSORS["cube"]
    (_, first), (_, second), (_, third) = right.terms
    found = right.findings(first + second.swapaxes(0, 2) + third)
    assert found[0].text == "In the term M_ik M_lj, axes i and k are swapped (a transpose)."
    right = TENSORS["softmax"]
    (_, first), (_, second) = right.terms
    dense = np.broadcast_to(second.sum(axis=2, keepdims=True), second.shape)
    found = right.findings(first + dense)
    assert found[0].text.startswith("In the term −S_ij S_il δ_ik, the delta δ_ik is lost")


def test_several_terms_at_once() -> None:
    right = TENSORS["cube"]
    (_, first), (_, second), (_, third) = right.terms
    assert right.findings(second)[0].text == (
        "The term δ_ik (M²)_lj is missing, and the term (M²)_ik δ_jl is missing."
    )
    assert right.findings(2 * first - second + third)[0].text == (
        "The term δ_ik (M²)_lj is there twice, and the term M_ik M_lj has the wrong sign."
    )


def test_terms_that_do_not_add_up_are_not_believed() -> None:
    right = TENSORS["square"]
    wrong = [(text, 2 * array) for text, array in right.terms]
    claimed = right.tensor - wrong[0][1]
    found = diagnose(
        claimed, right.tensor, out_ndim=2, tolerance=1e-9, sources=Sources(lambda: wrong)
    )
    assert "term" not in [one.kind for one in found]


def test_terms_are_not_asked_for_without_need() -> None:
    def terms() -> Any:
        raise AssertionError("not needed")

    right = TENSORS["square"].tensor
    assert diagnose(right, right, out_ndim=2, tolerance=1e-9, sources=Sources(terms)) == ()
    assert (
        diagnose(0 * right, right, out_ndim=2, tolerance=1e-9, sources=Sources(terms))[0].kind
        == "zeros"
    )


def test_a_mask_that_is_missing() -> None:
    mask = np.random.default_rng(5).normal(size=(4, 3)) > 0
    layer = np.einsum("ik,lj->ijkl", I4, C[:3])
    found = diagnose(layer, layer * mask[:, :, None, None], out_ndim=2, tolerance=1e-10)
    assert found[0].kind == "axis factor"
    assert found[0].text.startswith("The right derivative = yours × v_ij with v = [")
    assert "a factor that depends on i and j alone is missing; v is a mask" in found[0].text


def test_complex_conjugates() -> None:
    for name in ("dense", "inverse", "softmax"):
        right = TENSORS[name].tensor * (1 + 2j) + 1j * TENSORS[name].tensor ** 2
        found = diagnose(right.conj(), right, out_ndim=2, tolerance=1e-10)
        assert (found[0].kind, found[0].text) == ("conjugate", "It is the complex conjugate.")


def test_what_is_mathematically_the_same_is_said_both_ways() -> None:
    symmetric = Q + Q.T
    found = diagnose(-symmetric.T, symmetric, out_ndim=0, tolerance=1e-10)
    assert [one.text for one in found] == ["The sign is wrong."], "a transpose of it says nothing"
    layer = TENSORS["layer"]
    found = layer.findings(layer.tensor.swapaxes(1, 2))
    assert found[0].text == "Axes k and l are swapped (a transpose)."
    assert "the input's axes come first" in found[1].text


def test_an_explanation_that_leaves_noise_says_so() -> None:
    for name in ("dense", "inverse", "matmul by B"):
        right = TENSORS[name]
        found = right.findings(noise(1e-4)(-right.tensor.swapaxes(0, 1)))
        assert found[0].kind == "order"
        assert 0 < found[0].remaining < 1e-3
        assert "and the sign is wrong; this leaves less than 0.01 % of the error." in found[0].text


def test_nan_does_not_hide_another_mistake() -> None:
    right = TENSORS["dense"]
    claimed = -right.tensor
    claimed[1, 2, 3, 4] = np.nan
    nan, sign = right.findings(claimed)[:2]
    assert nan.text == "1 of 120 entries is not finite (nan), at (i = 1, j = 2, k = 3, l = 4)."
    assert nan.remaining == 1, "not the whole of it"
    assert (sign.kind, sign.text, sign.remaining) == ("sign", "The sign is wrong.", 0)


def test_infinities_that_are_right_and_a_reference_that_is_not_finite() -> None:
    right = TENSORS["dense"].tensor.copy()
    right[0, 0, 0, 0] = np.inf
    assert diagnose(right, right, out_ndim=2, tolerance=1e-9) == ()
    finite = np.nan_to_num(right, posinf=0)
    (found,) = diagnose(finite, right, out_ndim=2, tolerance=1e-9)
    assert found.kind == "nan"
    assert found.text.startswith("The reference is not finite where this is: 1 of 120 entries")
    negative = right.copy()
    negative[0, 0, 0, 0] = -np.inf
    (found,) = diagnose(negative, right, out_ndim=2, tolerance=1e-9)
    assert "not the infinity that is right" in found.text


def random_tensors() -> list[tuple[str, int]]:
    return [(name, seed) for name in TENSORS for seed in range(6)]


@pytest.mark.parametrize(("tensor", "seed"), random_tensors())
@pytest.mark.parametrize("relative", [1e-10, 1e-4])
def test_a_random_tensor_is_not_explained(tensor: str, seed: int, relative: float) -> None:
    right = TENSORS[tensor]
    drawn = np.random.default_rng(100 + seed)
    tolerance = relative * np.abs(right.tensor).max()
    for claimed in (
        drawn.normal(size=right.tensor.shape),
        drawn.normal(size=right.tensor.shape) * (right.tensor != 0),
        right.tensor * (1 + drawn.normal(size=right.tensor.shape)),
        right.tensor + drawn.normal(size=right.tensor.shape),
        drawn.permuted(right.tensor, axis=None)
        if right.tensor.ndim > 2
        else drawn.normal(size=(9,)),
        drawn.normal(size=(*right.tensor.shape[::-1], 2)),
    ):
        found = right.findings(claimed, tolerance)
        assert [one.remaining for one in found] == [1.0], found
        assert found[0].kind in ("unexplained", "shape")


def operations() -> list[tuple[cases.Case, int]]:
    """The largest case of each operation, by each of its arguments."""
    chosen: dict[str, cases.Case] = {}
    for case in cases.CASES:
        best = chosen.get(case.operation)
        if best is None or sum(map(np.prod, case.shapes)) > sum(map(np.prod, best.shapes)):
            chosen[case.operation] = case
    return [(case, k) for case in chosen.values() for k in range(len(case.shapes))]


@pytest.mark.parametrize(
    ("case", "wrt"), operations()[::2], ids=lambda value: getattr(value, "name", str(value))
)
def test_every_operation(case: cases.Case, wrt: int) -> None:
    arguments = case.arrays()
    operation = jb.ops[case.operation]
    tensor = operation.explicit(*case.parameters, *arguments, wrt=wrt)
    right = Right(tensor, np.ndim(operation(*case.parameters, *arguments)))
    if np.count_nonzero(tensor) < 4:
        return  # nothing can be told of so few numbers
    drawn = np.random.default_rng(11)
    planted = {
        "sign": -tensor,
        "factor": 1.7371 * tensor,
        "zeros": 0 * tensor,
        "noise": noise(1e-4)(tensor),
        "entry": put(np.unravel_index(np.abs(tensor).argmax(), tensor.shape), 77.0)(tensor),
        "unsummed": parts(tensor),
    }
    assert {kind: right.findings(claimed)[0].kind for kind, claimed in planted.items()} == {
        kind: kind for kind in planted
    }
    for claimed in (
        drawn.normal(size=tensor.shape),
        drawn.normal(size=tensor.shape) * (tensor != 0),
    ):
        assert [one.kind for one in right.findings(claimed)] == ["unexplained"]


def test_what_is_known_without_an_explanation() -> None:
    right = TENSORS["softmax"]
    drawn = np.random.default_rng(6).normal(size=right.tensor.shape)
    (found,) = right.findings(drawn * (right.tensor != 0))
    assert found.text.startswith(
        "No known mistake explains it: 36 of 144 entries are wrong; the zeros are right; the error"
    )
    (found,) = right.findings(np.ones((5, 2)))
    assert found.text == (
        "The shape is (5, 2), where (4, 3, 4, 3) is meant, and no arrangement or sum of the right "
        "numbers gives what stands there."
    )
    right = TENSORS["dense"]
    claimed = right.tensor + drawn.ravel()[:4].reshape(4, 1)
    claimed[:, :, 3] = right.tensor[:, :, 3]
    assert "; all are where k ≠ 3; the error is" in right.findings(claimed)[0].text


def test_scalars_are_explained_by_plain_factors_only() -> None:
    kinds = {
        number: diagnose(number, 2.0, out_ndim=0, tolerance=1e-9)[0].kind
        for number in (-2.0, 4.0, 1.0, -4.0, 3.7, 0.0, 6.0, 0.5)
    }
    assert kinds == {
        -2.0: "sign", 4.0: "factor", 1.0: "factor", -4.0: "factor", 3.7: "unexplained",
        0.0: "zeros", 6.0: "unexplained", 0.5: "unexplained",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["sign", "two", "inputs swapped", "mean over j", "delta lost"])
def test_loose_tolerances(name: str) -> None:
    for tensor in set(PLANTED[name].tensors) & {"matmul by B", "dense", "softmax", "layer"}:
        right = TENSORS[tensor]
        claimed = noise(1e-4)(PLANTED[name].mistake(right.tensor)).astype(np.float32)
        found = right.findings(claimed, 1e-3 * np.abs(right.tensor).max())
        assert (found[0].kind, found[0].remaining) == (PLANTED[name].kind, 0)
        assert PLANTED[name].text in found[0].text


@pytest.mark.parametrize("scale", [1e-200, 1e-20, 1e150])
def test_extreme_scales(scale: float) -> None:
    right = TENSORS["dense"].tensor * scale
    for claimed, kind in ((-right, "sign"), (right.swapaxes(2, 3), "order"), (right / 3, "mean")):
        found = diagnose(claimed, right, out_ndim=2, tolerance=1e-12 * scale)
        assert (found[0].kind, found[0].remaining) == (kind, 0)


def test_a_million_entries() -> None:
    drawn = np.random.default_rng(7)
    right = drawn.normal(size=(10, 20, 50, 100))
    for claimed, kind in (
        (right.swapaxes(2, 3), "order"),
        (right.ravel(order="F"), "flattened"),
        (put((3, 4, 5, 6), 77.0)(-right), "sign"),
        (drawn.normal(size=right.shape), "unexplained"),
    ):
        assert diagnose(claimed, right, out_ndim=2, tolerance=1e-10)[0].kind == kind


def test_many_axes() -> None:
    drawn = np.random.default_rng(8)
    right = drawn.normal(size=(2, 3, 1, 2, 3, 2, 1, 2))
    assert diagnose(-right, right, out_ndim=4, tolerance=1e-9)[0].kind == "sign"
    found = diagnose(right.swapaxes(1, 4).swapaxes(0, 3), right, out_ndim=4, tolerance=1e-9)
    assert found[0].remaining in (0, 1)
    deep = drawn.normal(size=(1,) * 58 + (2, 3))
    found = diagnose(put((0,) * 60, 5.0)(deep), deep, out_ndim=30, tolerance=1e-9)
    assert found[0].kind == "entry"


# A hand-written backward and forward

x = np.array([0.3, -1.2, 2.0, 0.7, 1.1])
LAYER = np.einsum("ik,l->ikl", I3, x)  # y = W x by W
BIAS = np.broadcast_to(np.einsum("jk->jk", I4), (6, 4, 4)).copy()  # y_ij = … + b_j by b
TANH = TENSORS["tanh"].tensor
D = 1 - np.tanh(X) ** 2
MATMUL = TENSORS["matmul by B"].tensor  # (2, 3 | 2, 4)


def basis(shape: tuple[int, ...]) -> list[Array]:
    return [row.reshape(shape) for row in np.eye(int(np.prod(shape)))]


def random(shape: tuple[int, ...]) -> list[Array]:
    return list(np.random.default_rng(9).normal(size=(3, *shape)))


def basis_and_random(shape: tuple[int, ...]) -> list[Array]:
    return [*basis(shape)[::-1], *random(shape)]


def backward(
    tensor: Array, out: int, function: Callable[[Array], Any], upstreams: Any
) -> tuple[Finding, ...]:
    out_shape, in_shape = tensor.shape[:out], tensor.shape[out:]
    probes = [(G, function(G), np.tensordot(G, tensor, out)) for G in upstreams(out_shape)]
    return diagnose_backward(probes, out_shape=out_shape, in_shape=in_shape, tolerance=1e-10)


BACKWARDS: dict[str, tuple[Array, int, Callable[[Array], Any], str, str]] = {
    "layer ignores": (LAYER, 1, lambda G: np.outer(np.ones(3), x), "upstream", "G is ignored"),
    "bias ignores": (BIAS, 2, lambda G: np.full(4, 6.0), "upstream", "G is ignored"),
    "tanh ignores": (TANH, 2, lambda G: D, "upstream", "G is ignored"),
    "layer transposed": (LAYER, 1, lambda G: np.outer(x, G), "order", "k and l are swapped"),
    "matmul transposed": (MATMUL, 2, lambda G: C @ G.T, "order", "k and l are swapped"),
    "tanh transposed": (TANH, 2, lambda G: (G * D).T, "order", "k and l are swapped"),
    "layer mean": (LAYER, 1, lambda G: np.outer(G, x) / 3, "mean", "1/3 = 1/i"),
    "bias mean": (BIAS, 2, lambda G: G.mean(axis=0), "mean", "1/6 = 1/i"),
    "tanh mean": (TANH, 2, lambda G: G * D / 12, "mean", "1/12 = 1/(i·j)"),
    "layer negative": (LAYER, 1, lambda G: -np.outer(G, x), "sign", "The sign is wrong."),
    "bias negative": (BIAS, 2, lambda G: -G.sum(axis=0), "sign", "The sign is wrong."),
    "tanh twice": (TANH, 2, lambda G: 2 * G * D, "factor", "It is 2 × the right"),
    "bias not summed": (BIAS, 2, lambda G: G, "unsummed", "(of size 6) of a broadcast"),
    "layer zero": (LAYER, 1, lambda G: np.zeros((3, 5)), "zeros", "It is zero everywhere."),
    "layer nan": (LAYER, 1, lambda G: np.full((3, 5), np.nan), "nan", "every one"),
    "matmul flat": (MATMUL, 2, lambda G: (G @ C.T).ravel(), "flattened", "in row-major order"),
    "matmul by columns": (
        MATMUL, 2, lambda G: (G @ C.T).ravel("F"), "flattened", "column-major order"
    ),
    "tanh shifted": (
        TANH, 2, lambda G: np.roll(G * D, 1, axis=0), "shift", "off by 1, going round"
    ),
}  # fmt: skip


@pytest.mark.parametrize("upstreams", [basis, basis_and_random, random])
@pytest.mark.parametrize("name", BACKWARDS)
def test_a_wrong_backward_is_explained(name: str, upstreams: Any) -> None:
    tensor, out, function, kind, text = BACKWARDS[name]
    found = backward(tensor, out, function, upstreams)
    assert (found[0].kind, found[0].remaining) == (kind, 0), found
    assert text in found[0].text


@pytest.mark.parametrize("upstreams", [basis, basis_and_random, random])
def test_a_right_backward_needs_no_explanation(upstreams: Any) -> None:
    assert backward(LAYER, 1, lambda G: np.outer(G, x), upstreams) == ()
    assert backward(BIAS, 2, lambda G: G.sum(axis=0), upstreams) == ()
    assert backward(TANH, 2, lambda G: G * D, upstreams) == ()


MISUSED: dict[str, tuple[Callable[[Array, Callable[[Array], Array]], Array], str]] = {
    "sum": (lambda G, f: G.sum() * f(np.ones_like(G)), "Only the sum of the upstream gradient G"),
    "square": (lambda G, f: f(G * G), "enters squared: it is multiplied in twice"),
    "absolute": (lambda G, f: f(abs(G)), "The absolute value of the upstream gradient G is used"),
    "sign": (lambda G, f: f(np.sign(G)), "Only the sign of the upstream gradient G"),
    "added": (lambda G, f: f(G) + 1, "Something is added that does not depend on"),
    "clipped": (lambda G, f: f(np.clip(G, -0.3, 0.3)), "not linear in the upstream gradient G"),
}


@pytest.mark.parametrize("misuse", MISUSED)
@pytest.mark.parametrize(
    ("tensor", "out", "right"),
    [
        (LAYER, 1, lambda G: np.outer(G, x)),
        (MATMUL, 2, lambda G: G @ C.T),
        (TANH, 2, lambda G: G * D),
    ],
    ids=["layer", "matmul", "tanh"],
)
def test_an_upstream_that_is_misused(misuse: str, tensor: Array, out: int, right: Any) -> None:
    function, text = MISUSED[misuse]
    found = backward(tensor, out, lambda G: function(G, right), basis_and_random)
    assert found[0].kind == "upstream"
    assert text in found[0].text


def test_random_upstreams_alone_show_misuse_too() -> None:
    def combined(shape: tuple[int, ...]) -> list[Array]:
        first, second, third = random(shape)
        return [first, second, third, 2 * first - second]

    def scaled(shape: tuple[int, ...]) -> list[Array]:
        return [random(shape)[0], 3 * random(shape)[0]]

    squared = backward(TANH, 2, lambda G: D * G * G, random)
    assert "enters squared" in squared[0].text
    assert "not linear" in backward(MATMUL, 2, lambda G: (G * G) @ C.T, combined)[0].text
    found = backward(MATMUL, 2, lambda G: (G * G) @ C.T, scaled)
    assert found[0].text == (
        "The result grows with the square of the upstream gradient G: it is multiplied in twice."
    )
    assert found[0].remaining == 0
    missing = backward(TANH, 2, lambda G: G, random)
    assert (missing[0].kind, missing[0].remaining) == ("axis factor", 0)
    assert "a factor that depends on k and l alone is missing" in missing[0].text


def test_a_scalar_output_is_not_taken_for_a_sum() -> None:
    gradient = np.array([1.0, -2.0, 3.0])
    for factor, kind in ((-1, "sign"), (2, "factor"), (1 / 3, "mean")):
        probes = [(G, factor * G * gradient, G * gradient) for G in (1.0, 2.5, -0.7)]
        found = diagnose_backward(probes, out_shape=(), in_shape=(3,), tolerance=1e-10)
        assert found[0].kind == kind
    probes = [(G, gradient, G * gradient) for G in (1.0, 2.5, -0.7)]
    found = diagnose_backward(probes, out_shape=(), in_shape=(3,), tolerance=1e-10)
    assert found[0].text.startswith("The upstream gradient G is ignored")


def test_a_part_of_the_sum_that_is_missing_is_no_constant() -> None:
    centred = np.eye(5) - 1 / 5
    terms = [("δ_ik", np.eye(5)), ("−1/n", np.full((5, 5), -1 / 5))]
    probes = [(G, G, G @ centred) for G in np.eye(5)]
    found = diagnose_backward(
        probes, out_shape=(5,), in_shape=(5,), tolerance=1e-10, terms=lambda: terms
    )
    assert found[0].text == "The term −1/n is missing."


def test_results_of_several_shapes_or_of_none() -> None:
    probes = [(G, np.ones(n + 1), np.outer(G, x)) for n, G in enumerate(basis((3,)))]
    (found,) = diagnose_backward(probes, out_shape=(3,), in_shape=(3, 5), tolerance=1e-10)
    assert found.text == "The shape of the result depends on the argument: (1,), (2,), (3,)."
    assert diagnose_backward([], out_shape=(3,), in_shape=(3, 5), tolerance=1e-10) == ()


def test_only_some_results_are_wrong() -> None:
    tensor = RANDOM.normal(size=(2, 3, 4, 5))
    probes = [[G, np.tensordot(G, tensor, 2), np.tensordot(G, tensor, 2)] for G in random((2, 3))]
    probes[1][1] = RANDOM.normal(size=(4, 5))
    (found,) = diagnose_backward(probes, out_shape=(2, 3), in_shape=(4, 5), tolerance=1e-10)
    assert (found.kind, found.text) == ("results", "Only some results are wrong, where probe = 1.")


@pytest.mark.parametrize("directions", [basis, basis_and_random, random])
def test_a_wrong_forward_is_explained(directions: Any) -> None:
    cases: list[tuple[Callable[[Array], Array], str, str]] = [
        (lambda d: -(d @ C), "sign", "The sign is wrong."),
        (lambda d: (d @ C).T, "order", "Axes i and j are swapped (a transpose)."),
        (lambda d: d @ C / 8, "mean", "1/8 = 1/(k·l)"),
        (lambda d: np.ones((2, 4)) @ C, "direction", "The direction dX is ignored"),
        (lambda d: (d @ C).ravel(), "flattened", "in row-major order"),
        (lambda d: (d @ C) * [1, 0, 1], "zeros", "It is zero where j = 1"),
    ]
    for function, kind, text in cases:
        probes = [(d, function(d), d @ C) for d in directions((2, 4))]
        found = diagnose_forward(probes, out_shape=(2, 3), in_shape=(2, 4), tolerance=1e-10)
        assert (found[0].kind, found[0].remaining) == (kind, 0), found
        assert text in found[0].text
    probes = [(d, d @ C, d @ C) for d in directions((2, 4))]
    assert diagnose_forward(probes, out_shape=(2, 3), in_shape=(2, 4), tolerance=1e-10) == ()


# It never raises

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
NUMBERS = st.one_of(
    st.floats(width=64),
    st.sampled_from([0.0, 1.0, -1.0, 2.0, np.nan, np.inf, -np.inf, 1e308, 5e-324]),
)


def arrays(shape: Any = SHAPES) -> st.SearchStrategy[Array]:
    return st.one_of(
        hnp.arrays(np.float64, shape, elements=NUMBERS),
        hnp.arrays(np.float64, shape, elements=st.integers(-2, 2).map(float)),
        hnp.arrays(np.float32, shape, elements=st.floats(width=32)),
        hnp.arrays(np.int64, shape),
        hnp.arrays(bool, shape),
        hnp.arrays(np.complex128, shape),
    )


def sound(found: tuple[Finding, ...]) -> None:
    for one in found:
        assert one.kind
        assert one.text.endswith(".")
        assert 0 <= one.remaining <= 1


@given(st.data(), st.integers(-1, 5), st.sampled_from([0.0, 1e-6, 1.0, np.inf, np.nan]))
def test_diagnose_never_raises(data: st.DataObject, out: int, tolerance: float) -> None:
    expected = data.draw(arrays())
    shape = st.one_of(st.just(expected.shape), st.just(expected.shape[::-1]), SHAPES)
    claimed = data.draw(arrays(data.draw(shape)))
    array = data.draw(st.one_of(st.just(tolerance), arrays()))
    with np.errstate(all="ignore"):
        half = expected.astype(complex) / 2
    found = diagnose(
        claimed,
        expected,
        out_ndim=out,
        tolerance=array,
        sources=Sources(lambda: [("a", half), ("b", half)]),
    )
    sound(found)
    if claimed.shape != expected.shape:
        assert found


@given(st.data())
def test_diagnose_of_a_rearranged_tensor_never_raises(data: st.DataObject) -> None:
    expected = data.draw(arrays())
    order = data.draw(st.permutations(range(expected.ndim)))
    factor = data.draw(st.sampled_from([1.0, -1.0, 2.0, 1e300]))
    with np.errstate(all="ignore"):
        claimed = expected.transpose(order) * factor
    sound(diagnose(claimed, expected, out_ndim=expected.ndim // 2, tolerance=1e-9))


def test_a_probe_whose_square_is_too_large() -> None:
    probes = [
        (np.array(1.0), np.array(1.0), np.array(0.0)),
        (np.array(1.4e154), np.zeros(()), np.zeros(())),
    ]
    found = diagnose_forward(probes, out_shape=(), in_shape=(), tolerance=1e-9)
    assert any("is not linear in the direction dX" in one.text for one in found)


@given(st.data(), st.booleans())
def test_probes_never_raise(data: st.DataObject, is_backward: bool) -> None:
    small = hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3)
    given_shape, result_shape = data.draw(small), data.draw(small)
    got_shape = data.draw(st.one_of(st.just(result_shape), small))
    count = data.draw(st.integers(0, 4))
    probes = [
        tuple(data.draw(arrays(shape)) for shape in (given_shape, got_shape, result_shape))
        for _ in range(count)
    ]
    shapes = (given_shape, result_shape) if is_backward else (result_shape, given_shape)
    function = diagnose_backward if is_backward else diagnose_forward
    sound(function(probes, out_shape=shapes[0], in_shape=shapes[1], tolerance=1e-9))
