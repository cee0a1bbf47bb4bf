"""``jb.check``: right derivatives pass, wrong ones do not, and the report says what is the matter.

Mistakes are planted; what is right comes from closed forms and from the table of operations.
"""

import json
import os
import tracemalloc
from collections.abc import Callable
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from scipy import signal, special

import jacobians as jb
from jacobians.tracing.traced import Traced
from tests.cases import DOMAINS, PROBLEMS, problem_name
from tests.grouping import in_groups
from tests.tracing.functions.test_functions import CASES

RNG = np.random.default_rng(7)
W, X, V = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 5)), RNG.normal(size=4)


def layer(W: Any, x: Any) -> Any:
    return np.tanh(W @ x)


def backward(G: Any, W: Any, x: Any) -> Any:
    return np.outer(G * (1 - np.tanh(W @ x) ** 2), x)


def closed() -> Any:
    """∂layer_i/∂W_kl."""
    return np.einsum("ik,i,l->ikl", np.eye(3), 1 - np.tanh(W @ V) ** 2, V)


def opaque(x: Any) -> Any:
    """x², by means that no traced array survives."""
    return np.array([float(value) ** 2 for value in x.ravel().tolist()]).reshape(x.shape)


# Right derivatives

POINTS = int(os.environ.get("CHECK_POINTS", "1"))
"""For each operation; where there are several, all functions of the table are checked too."""


def drawn(problem: Any, point: int) -> list[Any]:
    case, position = problem
    rng = np.random.default_rng([crc32(case.name.encode()), position, point])
    pairs = zip(case.domains, case.shapes, strict=True)
    return [np.asarray(DOMAINS[domain](rng, shape)) for domain, shape in pairs]


def of_arrays(operation: Any, case: Any) -> Callable[..., Any]:
    return (lambda *arrays: operation(*case.parameters, *arrays)) if case.parameters else operation


@pytest.mark.parametrize("point", range(1, POINTS + 1))
@in_groups("problem", PROBLEMS, problem_name, lambda one: one[0].operation, every=3)
def test_no_false_alarm_over_the_table_of_operations(problem: Any, point: int) -> None:
    """Ours, a full tensor, a backward and a forward, against numbers and against ours."""
    case, position = problem
    arrays, operation = drawn(problem, point), jb.ops[case.operation]
    J = operation.explicit(*case.parameters, *arrays, wrt=position)
    reports = [
        jb.check(of_arrays(operation, case), *arrays, wrt=position),
        jb.check(
            case.function, *arrays, wrt=position, jacobian=J,
            vjp=lambda G, *args: np.tensordot(G, J, G.ndim),
            jvp=lambda dX, *args: np.tensordot(J, dX, dX.ndim),
        ),
    ]  # fmt: skip
    for report in reports:
        report.raise_if_failed()
        for part in report.parts:
            assert part.slope.value is None or part.slope.value > 1.8


@pytest.mark.parametrize("case", CASES[:: 1 if POINTS > 1 else 12], ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore")
def test_no_false_alarm_over_the_table_of_functions(case: Any) -> None:
    for which, array in enumerate(case.arguments):
        if array.dtype.kind == "f" and which in (case.wrt or range(len(case.arguments))):
            J = jb.jacobian(case.function, which)(*case.arguments)
            claims = {"vjp": lambda G, *args, J=J: J.vjp(G)}
            jb.check(case.function, *case.arguments, wrt=which).raise_if_failed()
            jb.check(case.function, *case.arguments, wrt=which, **claims).raise_if_failed()


@in_groups("problem", PROBLEMS, problem_name, lambda one: one[0].operation, every=3)
def test_one_wrong_entry_is_found_in_every_operation(problem: Any) -> None:
    case, position = problem
    arrays, operation = drawn(problem, 2), jb.ops[case.operation]
    J = operation.explicit(*case.parameters, *arrays, wrt=position)
    if not J.size:
        return
    place = tuple(int(np.random.default_rng(J.size).integers(n)) for n in J.shape)
    J[place] += 1e-4 * (np.max(np.abs(J)) or 1.0)
    for against in ("auto", "richardson"):
        report = jb.check(
            of_arrays(operation, case), *arrays, wrt=position, jacobian=J, against=against
        )
        (part,) = report.parts
        assert (report.ok, part.failed, part.worst.index) == (False, 1, place)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (np.abs, [0.0, 1.0]), (np.max, [2.0, 2.0, 1.0]), (np.linalg.norm, [0.0, 0.0, 0.0]),
        (lambda x: np.maximum(x, 0), [0.0, 1e-12, -1.0]), (np.median, [1.0, 2.0, 2.0, 3.0, 9.0]),
        (lambda x: np.clip(x, 0, 1), [0.0, 1.0, 0.5]), (np.sort, [3.0, 1.0, 1.0, 2.0]),
        (np.std, [3.0, 3.0, 3.0]), (lambda x: jb.ops.relu(x), [0.0, 1.0]), (np.prod, [0.0, 0.0, 3.0]),
        (lambda x: x**3, [0.0, 0.0]), (np.sinc, [0.0, 0.5]), (lambda x: x / np.sum(x), [1e-9, 1.0]),
    ],
)  # fmt: skip
def test_no_false_alarm_where_a_function_is_special(f: Any, x: list[float]) -> None:
    assert jb.check(f, np.array(x)).ok


def test_the_choice_at_a_kink_is_free_between_the_slopes_and_is_mentioned() -> None:
    x = np.array([0.0, 2.0, -1.0])
    for slope in (0.0, 0.5, 1.0):
        report = jb.check(jb.ops.relu, x, jacobian=np.diag([slope, 1.0, 0.0]))
        assert report.ok
        assert ("not differentiable here: an entry has another slope" in str(report)) == (slope > 0)
    for slope in (-0.1, 1.1):
        (part,) = jb.check(jb.ops.relu, x, jacobian=np.diag([slope, 1.0, 0.0])).parts
        assert (part.failed, part.kinks, part.worst.index) == (1, 1, (0, 0))


def test_without_any_derivative_nothing_is_decided() -> None:
    report = jb.check(np.floor, np.array([2.0]))
    assert (report.ok, report.verdict) == (False, "undecided")
    with pytest.raises(jb.VerificationError, match="cannot be judged here"):
        report.raise_if_failed()
    report = jb.check(np.cbrt, np.array([0.0, 8.0]))
    assert (report.ok, report.verdict, report.parts[0].undecided) == (False, "undecided", 1)
    assert "cannot be judged here; the others agree" in str(report)


@pytest.mark.parametrize("f", [np.linalg.cholesky, np.linalg.eigvalsh,
                               lambda A: np.linalg.eigvalsh(A) * np.trace(A @ A)])  # fmt: skip
def test_functions_that_read_one_triangle(f: Any) -> None:
    A = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 5.0]])
    report = jb.check(f, A)
    assert report.ok
    assert "reads one triangle" in str(report)
    assert report.parts[0].slope.value == pytest.approx(2, abs=0.1)
    # A transposed product is no matter of triangles.
    wrong = np.einsum("ik,jl->ijkl", np.eye(3), A)
    assert not jb.check(lambda B: B @ A.T, A, jacobian=np.swapaxes(wrong, 2, 3)).ok


def test_ill_conditioned_problems_are_given_the_rounding_they_have() -> None:
    A = np.vander(np.linspace(0, 1, 9))
    assert jb.check(np.linalg.inv, A).ok
    by_solving = -np.einsum(
        "ik,lj->ijkl", np.linalg.solve(A, np.eye(9)), np.linalg.solve(A.T, np.eye(9)).T
    )
    assert jb.check(np.linalg.inv, A, jacobian=by_solving).ok
    assert not jb.check(np.linalg.inv, A, jacobian=1.01 * by_solving).ok


# Wrong ones


def test_each_of_several_claims_has_its_part() -> None:
    report = jb.check(
        layer, W, V, jacobian=closed(), vjp=lambda G, W, x: 2 * backward(G, W, x),
        jvp=lambda dW, W, x: (1 - np.tanh(W @ x) ** 2) * (dW @ x),
    )  # fmt: skip
    assert [(p.kind, p.ok) for p in report.parts] == [
        ("jacobian", True),
        ("vjp", False),
        ("jvp", True),
    ]
    part = report.parts[1]
    assert (part.failed, part.entries) == (12, 36)
    index = part.worst.index
    assert index[0] == index[1]
    assert part.worst.yours == pytest.approx(2 * closed()[index])
    assert part.worst.reference == pytest.approx(closed()[index])
    assert part.worst.absolute == pytest.approx(abs(closed()[index]))
    assert part.worst.relative == pytest.approx(1)
    assert part.findings[0].kind == "factor"
    assert part.findings[0].remaining == pytest.approx(0, abs=1e-6)
    assert report.parts[0].slope.value == pytest.approx(2, abs=0.05)
    assert part.slope.value == pytest.approx(1, abs=0.05)


PLANTED: list[tuple[str, Any, Any, Any, str]] = [
    ("transpose", lambda B: B @ W[:, :3], X[:, :3], lambda G, B: G @ W[:, :3], "order"),
    ("sign", layer, (W, V), lambda G, W, x: -backward(G, W, x), "sign"),
    ("mean for sum", lambda x: np.sum(x**2), V, lambda G, x: G * 2 * x / 4, "mean"),
    ("missing term", lambda x: np.exp(x) / np.sum(np.exp(x)), V,
     lambda G, x: G * np.exp(x) / np.sum(np.exp(x)), "term"),
    ("lost delta", np.tanh, V, lambda G, x: np.sum(G) * (1 - np.tanh(x) ** 2), "delta"),
    ("not summed", lambda b: X + b, RNG.normal(size=5), lambda G, b: G, "unsummed"),
    ("flattened", np.sin, X, lambda G, x: (G * np.cos(x)).ravel(), "flattened"),
    ("zeros", np.cos, V, lambda G, x: 0 * G, "zeros"),
    ("nan", np.log, np.abs(V), lambda G, x: G / np.where(x == x.max(), np.nan, x), "nan"),
    ("upstream", np.sin, V, lambda G, x: np.cos(x), "upstream"),
    ("noise", np.sin, V, lambda G, x: np.float16(G * np.cos(x)).astype(float), "noise"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("f", "args", "vjp", "kind"), [p[1:] for p in PLANTED], ids=[p[0] for p in PLANTED]
)
def test_planted_mistakes_are_diagnosed_through_a_backward(
    f: Any, args: Any, vjp: Any, kind: str
) -> None:
    args = args if isinstance(args, tuple) else (args,)
    report = jb.check(f, *args, vjp=vjp)
    assert not report.ok
    assert kind in [finding.kind for finding in report.findings]


def test_a_missing_term_is_named() -> None:
    def f(S: Any) -> Any:
        return jb.ops.softmax(S)

    def forgetful(G: Any, S: Any) -> Any:
        return G * jb.ops.softmax(S)

    text = str(jb.check(f, V, vjp=forgetful))
    term = jb.jacobian(f)(V).formula().split(" − ")[1]
    assert f"−{term}" in " ".join(text.split())
    assert "is missing" in text


@pytest.mark.parametrize(
    "f",
    [
        lambda S: np.exp(S) / np.sum(np.exp(S), axis=-1, keepdims=True),
        lambda S: (
            np.exp(S - S.max(-1, keepdims=True))
            / np.exp(S - S.max(-1, keepdims=True)).sum(-1, keepdims=True)
        ),
    ],
    ids=["plain", "stable"],
)
def test_a_missing_term_of_a_formula_of_numpy_is_named_by_the_result(f: Any) -> None:
    def softmax(S: Any) -> Any:
        return f(S)

    report = jb.check(softmax, X, vjp=lambda G, S: G * softmax(S))
    assert [finding.text for finding in report.findings] == [
        "The term −δ_ik softmax_ij softmax_il is missing."
    ]
    y = softmax(X)
    J = jb.jacobian(softmax)(X)
    assert J.formula() == "δ_ik δ_jl softmax_ij − δ_ik softmax_ij softmax_il"
    right = np.einsum("ik,jl,ij->ijkl", np.eye(2), np.eye(5), y)
    right -= np.einsum("ik,ij,il->ijkl", np.eye(2), y, y)
    np.testing.assert_allclose(J.dense(), right, atol=1e-15)
    np.testing.assert_allclose(J.vjp(X), np.tensordot(X, right, 2), atol=1e-14)


A3, A4 = RNG.normal(size=(3, 3)), RNG.normal(size=(4, 4))
IN_FORMULAS: list[tuple[Any, Any, Any, str]] = [
    (layer, (W, V), lambda G, W, x: np.outer(G, x), "In the derivative of tanh(W @ x) by W @ x, the factor"),
    (np.sin, (X,), lambda G, X: G, "In the derivative of sin(x) by x, the factor cos(x) is forgot"),
    (lambda x: np.log(np.sum(np.exp(x))), (V,), lambda G, x: G * np.exp(x),
     "In the derivative of log(sum(exp(x))) by sum(exp(x)), the fac"),
    (np.linalg.norm, (V,), lambda G, x: G * x, "In the derivative of norm(x) by x, x stands where x / norm(x)"),
    (lambda x: x @ A4 @ x, (V,), lambda G, x: G * (A4 @ x), "The gradient through x in (x @ A4) @ x is missing"),
    (lambda x: x @ A4 @ x, (V,), lambda G, x: G * (x @ A4),
     "The gradient through x @ A4 in (x @ A4) @ x is missing"),
    (lambda X: np.sum((X @ A3) ** 2, axis=1), (A3[:2],), lambda G, X: 2 * G[:, None] * (X @ A3 @ A3),
     "In the derivative of X @ A3 by X, A3 stands transposed."),
    (lambda x: x * np.exp(x), (V,), lambda G, x: G * x * np.exp(x),
     "The gradient through x in x · exp(x) is missing"),
    (lambda x: x * np.exp(x), (V,), lambda G, x: G * np.exp(x),
     "The gradient through exp(x) in x · exp(x) is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("f", "args", "vjp", "text"), IN_FORMULAS)
def test_what_is_forgotten_in_a_formula_is_named(f: Any, args: Any, vjp: Any, text: str) -> None:
    assert jb.check(f, *args, vjp=vjp).findings[0].text.startswith(text)


def test_gradients_in_another_order_are_named() -> None:
    A, B = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))
    matmul = lambda A, B: A @ B  # noqa: E731
    for report in (
        jb.check(matmul, A, B, wrt=(0, 1), vjp=lambda G, A, B: (A.T @ G, G @ B.T)),
        jb.check(matmul, A, W, wrt=("A", "B"), vjp=lambda G, A, B: (A.T @ G, G @ B.T)),
        jb.check(
            matmul, A, W, wrt=(0, 1),
            jacobian=(np.einsum("jl,ik->ijkl", np.eye(4), A), np.einsum("ik,lj->ijkl", np.eye(3), W)),
        ),
    ):  # fmt: skip
        assert [[f.kind for f in part.findings] for part in report.parts] == [["argument"]] * 2
        assert "the derivative by B, where that by A is meant" in report.findings[0].text


@pytest.mark.parametrize("mode", ["valid", "full", "same"])
def test_a_kernel_that_is_turned_round_is_seen(mode: Any) -> None:
    """The gradient of a convolution is a correlation; here a convolution once more."""
    k = RNG.normal(size=3)
    back = {"valid": "full", "full": "valid", "same": "same"}[mode]
    f = lambda x, k: np.convolve(x, k, mode)  # noqa: E731
    x = RNG.normal(size=9)
    report = jb.check(f, x, k, vjp=lambda G, x, k: np.convolve(G, k, back))
    assert any("Axes i and k are both reversed" in found.text for found in report.findings)
    assert jb.check(f, x, k, vjp=lambda G, x, k: np.convolve(G, k[::-1], back)).ok
    if mode == "valid":
        report = jb.check(f, x, k, wrt=1, vjp=lambda G, x, k: np.correlate(x, G, "valid"))
        assert report.findings[0].text == "Axis k is reversed."
        kernel = RNG.normal(size=(2, 3))
        image = RNG.normal(size=(5, 7))
        g = lambda X, K: signal.convolve2d(X, K, "valid")  # noqa: E731
        report = jb.check(g, image, kernel, vjp=lambda G, X, K: signal.convolve2d(G, K))
        assert "Axes i, j, k and l are all reversed" in report.findings[0].text
        vjp = lambda G, X, K: signal.correlate2d(X, G, "valid")  # noqa: E731
        report = jb.check(g, image, kernel, wrt=1, vjp=vjp)
        assert "Axes k and l are both reversed" in report.findings[0].text


def test_where_nothing_is_right_but_zero_the_report_says_so() -> None:
    report = jb.check(lambda x: np.ones(3), V, vjp=lambda G, x: G.sum() * x)
    assert report.findings[-1].text == "It is not zero anywhere, where zero is right everywhere."


def test_a_gradient_may_be_written_out_as_a_list() -> None:
    assert jb.check(layer, W, V, vjp=lambda G, W, x: backward(G, W, x).tolist()).ok
    assert jb.check(lambda x: x[::2], V, vjp=lambda G, x: [G[0], 0, G[1], 0]).ok


def test_a_wrong_shape_is_reported_not_raised() -> None:
    for claim in (
        {"vjp": lambda G, b: G},
        {"jacobian": np.ones((2, 5))},
        {"jvp": lambda db, b: db},
    ):
        report = jb.check(lambda b: X + b, RNG.normal(size=5), **claim)
        assert not report.ok
        assert "wrong shape" in str(report)
        assert "(2, 5, 5)" in str(report)
        assert report.parts[0].worst is None


def test_all_ones_would_not_have_seen_it() -> None:
    """A backward that is right for G = 1 everywhere, and for constant G."""

    def vjp(G: Any, B: Any) -> Any:  # noqa: ARG001
        return np.mean(G) * np.ones_like(G) @ X.T

    B = W[:, :2]
    np.testing.assert_allclose(vjp(np.ones((3, 5)), B), np.ones((3, 5)) @ X.T)
    assert not jb.check(lambda B: B @ X, B, vjp=vjp).ok


@pytest.mark.parametrize(
    "wrap", [np.sign, lambda G: np.clip(G, -5, 5), np.abs, lambda G: G**2, np.ones_like]
)
@pytest.mark.parametrize("size", [1, 3, 400])
def test_a_backward_must_be_linear_in_the_upstream(wrap: Any, size: int) -> None:
    """Each is right for basis upstreams."""
    x = np.linspace(0.1, 1, size)
    report = jb.check(np.exp, x, vjp=lambda G, x: wrap(G) * np.exp(x))
    assert not report.ok
    assert report.findings


# Sizes


def test_a_large_backward_is_asked_at_random_upstreams() -> None:
    upstreams: list[Any] = []
    A, B = RNG.normal(size=(30, 20)), RNG.normal(size=(20, 25))

    def vjp(G: Any, A: Any, B: Any) -> Any:
        upstreams.append(G.copy())
        return (G * (1 - np.tanh(A @ B) ** 2)) @ B.T

    report = jb.check(lambda A, B: np.tanh(A @ B), A, B, vjp=vjp)
    assert report.ok
    assert 2 <= len(upstreams) <= 6
    assert all(len(np.unique(G)) > 700 for G in upstreams)
    (part,) = report.parts
    assert "random upstreams" in part.asked
    assert part.slope.value == pytest.approx(2, abs=0.05)
    wrong = jb.check(lambda A, B: np.tanh(A @ B), A, B, vjp=lambda G, A, B: vjp(G, A, B) + 1e-3 * A)
    assert not wrong.ok
    assert wrong.parts[0].slope.value == pytest.approx(1, abs=0.05)


def test_a_large_backward_that_is_wrong_is_asked_for_every_entry() -> None:
    A, B = RNG.normal(size=(20, 15)), RNG.normal(size=(15, 15))
    right = jb.check(lambda A, B: A @ B, A, B, vjp=lambda G, A, B: G @ B.T)
    assert right.parts[0].asked == "4 random upstreams"
    wrong = jb.check(lambda A, B: A @ B, A, B, vjp=lambda G, A, B: G @ B)
    assert wrong.parts[0].entries == 300 * 300
    assert wrong.findings[0].text == "Axes j and l are swapped (a transpose)."
    B = RNG.normal(size=(15, 150))
    Q = RNG.normal(size=(15, 15))
    wrong = jb.check(lambda A, B: A @ B, A, B, vjp=lambda G, A, B: G @ B.T @ Q)
    assert "no more can be told" in wrong.findings[-1].text
    assert wrong.parts[0].entries == 4 * 300


@pytest.mark.parametrize("kind", ["vjp", "jvp"])
def test_what_is_large_and_cannot_be_traced_is_compared_along_directions(kind: str) -> None:
    x = np.resize(RNG.normal(size=(30, 20)), (60, 20))

    def claim(factor: float) -> dict[str, Any]:
        if kind == "jacobian":
            return {kind: np.diag(factor * 2 * x.ravel()).reshape(60, 20, 60, 20)}
        return {kind: lambda d, x: factor * 2 * d * x}

    assert jb.check(opaque, x, **claim(1)).ok
    report = jb.check(opaque, x, **claim(1.001))
    assert not report.ok
    assert "random direction" in report.parts[0].asked


@pytest.mark.parametrize("kind", ["vjp", "jvp"])
def test_the_choice_at_a_kink_is_free_in_large_problems_too(kind: str) -> None:
    x = np.round(RNG.normal(size=(20, 30)))  # every third entry is 0
    relu = lambda x: np.maximum(x, 0)  # noqa: E731
    for claim in (lambda d, x: d * (x > 0), lambda d, x: d * (x >= 0)):
        assert jb.check(relu, x, **{kind: claim}).ok
    report = jb.check(relu, x, **{kind: lambda d, x: d * (x >= 1.5)})
    assert not report.ok
    assert "not differentiable here" in str(report)


def test_one_wrong_entry_of_many_is_found_and_placed() -> None:
    A, y = RNG.normal(size=(300, 280)) / 10, RNG.normal(size=300)

    def vjp(G: Any, A: Any, y: Any) -> Any:
        found = np.outer(y, G * (1 - np.tanh(y @ A) ** 2))
        found[5, 7] *= 1.01
        return found

    report = jb.check(lambda A, y: np.tanh(y @ A), A, y, vjp=vjp)
    (part,) = report.parts
    assert (report.ok, part.failed) == (False, 4)  # once for each upstream
    assert part.worst.index[1:] == (5, 7)
    assert "k = 5" in part.worst.place
    assert "k = 5" in report.findings[0].text


def test_no_memory_is_taken_for_a_tensor_of_a_wrong_shape_or_a_structured_reference() -> None:
    x = np.linspace(-1, 1, 300_000)  # its Jacobian would take 671 GiB
    tracemalloc.start()
    report = jb.check(np.tanh, x, jacobian=lambda x: x)
    assert "yours (300000,), right is (300000, 300000)" in str(report)
    report = jb.check(np.sin, x, vjp=lambda G, x: G * np.cos(x), against=jb.jacobian(np.sin))
    assert report.ok
    assert "entries of products with ∂sin_i/∂x_k agree" in str(report)
    assert tracemalloc.get_traced_memory()[1] < 1 << 28
    tracemalloc.stop()


def test_a_large_wrong_backward_is_not_asked_of_the_function_for_long() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return np.tanh(x)

    x = np.linspace(0.1, 1, 250_000)
    report = jb.check(f, x, vjp=lambda G, x: -G * (1 - np.tanh(x) ** 2))
    assert report.findings[0].kind == "sign"
    assert len(calls) < 2000


def test_a_structured_tensor_is_never_made_dense_where_it_is_large() -> None:
    B, C = RNG.normal(size=(60, 70)), RNG.normal(size=(70, 80))
    for wrt in (0, (0, 1)):
        J = jb.jacobian(np.matmul, wrt=wrt)(B, C)
        report = jb.check(np.matmul, B, C, wrt=wrt, jacobian=J, against="richardson")
        assert report.ok
        assert "random directions" in report.parts[0].asked
    assert not jb.check(np.matmul, B, C, jacobian=1.001 * J[0]).ok


# References


@pytest.mark.parametrize("against", ["auto", "richardson"])
def test_what_does_not_trace_is_checked_all_the_same(against: str) -> None:
    report = jb.check(opaque, X, vjp=lambda G, x: 2 * G * x, against=against)
    assert report.ok
    assert ("opaque was not traced: x.ravel().tolist()" in str(report)) == (against == "auto")
    assert not jb.check(opaque, X, vjp=lambda G, x: 2.0001 * G * x, against=against).ok


def test_compiled_functions_are_checked() -> None:
    x = np.array([0.2, 0.5, 0.8])

    def density(G: Any, x: Any) -> Any:
        return G * x * (1 - x) ** 2 / special.beta(2, 3)

    f = lambda x: special.betainc(2.0, 3.0, x)  # noqa: E731
    report = jb.check(f, x, vjp=density)
    assert report.ok
    assert "central differences" in report.parts[0].reference
    assert not jb.check(f, x, vjp=lambda G, x: density(G, x) * x).ok


@pytest.mark.parametrize("against", ["auto", "traced", "complex-step", "richardson"])
def test_every_reference_tells_right_from_wrong(against: str) -> None:
    assert jb.check(layer, W, V, vjp=backward, against=against).ok
    wrong = closed()
    wrong[2, 2, 1] *= 1 + 1e-6
    report = jb.check(layer, W, V, jacobian=wrong, against=against)
    assert (report.ok, report.parts[0].failed) == (False, 1)
    assert report.parts[0].worst.index == (2, 2, 1)


def test_a_callable_reference_gets_copies_and_its_name_is_told() -> None:
    def theirs(W: Any, x: Any) -> Any:
        found = np.einsum("ik,i,l->ikl", np.eye(3), 1 - np.tanh(W @ x) ** 2, x)
        W[...] = 0
        return found.tolist()

    before = W.copy()
    report = jb.check(layer, W, V, vjp=backward, against=theirs)
    assert report.ok
    assert report.parts[0].reference == "theirs"
    assert "against changes its argument W in place; it was given a copy" in report.notes
    np.testing.assert_array_equal(W, before)
    with pytest.raises(jb.ShapeError, match=r"against: .*\(3, 4\).*\(3, 3, 4\)"):
        jb.check(layer, W, V, vjp=backward, against=lambda W, x: W)


def test_numbers_overrule_a_traced_derivative_that_is_wrong() -> None:
    """A function that gives traced arrays something else: ours is wrong, and the user's is right."""

    def two_faced(x: Any) -> Any:
        return 3 * x if isinstance(x, Traced) else 2 * x

    assert not jb.check(two_faced, V).ok
    report = jb.check(two_faced, V, jacobian=2 * np.eye(4))
    assert report.ok
    assert "in 4 entries differences of f side with the claim" in str(report)
    assert not jb.check(two_faced, V, jacobian=2 * np.eye(4), against="traced").ok
    assert not jb.check(two_faced, V, jacobian=2.5 * np.eye(4)).ok


def test_complex_step_is_not_believed_where_it_is_wrong() -> None:
    zeros = lambda G, x: 0 * x  # noqa: E731 - what complex step gives through abs
    for against in ("auto", "complex-step"):
        assert not jb.check(lambda x: np.abs(x), V, vjp=zeros, against=against).ok
    with pytest.raises(jb.UnsupportedError, match="takes no complex arrays"):
        jb.check(opaque, X, vjp=zeros, against="complex-step")


# What is handed out


def test_arrays_are_never_changed_and_changes_are_reported() -> None:
    def f(x: Any) -> Any:
        return np.sin(x)

    def vjp(G: Any, x: Any) -> Any:
        np.cos(x, out=x)
        G *= x
        return G

    x = V.copy()
    report = jb.check(f, x, vjp=vjp)
    assert report.verdict == "WRONG"
    assert report.findings[0].text.startswith("vjp writes to its arguments")
    assert set(report.notes) == {
        f"vjp changes its argument {name} in place; it was given a copy" for name in ("G", "x")
    }
    np.testing.assert_array_equal(x, V)


def test_what_the_function_itself_changes_is_reported() -> None:
    def f(x: Any, y: Any) -> Any:
        y *= 2
        return x * y

    y = np.ones(4)
    report = jb.check(f, V, y, vjp=lambda G, x, y: 2 * G * y)
    assert report.ok
    assert "f changes its argument y in place; it was given a copy" in report.notes
    np.testing.assert_array_equal(y, 1)


def test_a_buffer_that_a_backward_uses_again_is_copied() -> None:
    buffer = np.empty(4)

    def vjp(G: Any, x: Any) -> Any:
        return np.multiply(G, np.cos(x), out=buffer)

    assert jb.check(np.sin, V, vjp=vjp).ok


def test_functions_that_differ_from_call_to_call_are_noted() -> None:
    random = np.random.default_rng(0)
    f = lambda x: x + 1e-6 * random.normal(size=4)  # noqa: E731
    for factor in (1, 1.1):
        report = jb.check(f, V, jacobian=factor * np.eye(4), against="richardson")
        assert report.verdict == "undecided"
        assert "is not deterministic" in report.parts[0].open_to


# Precision


def test_claims_that_differ_from_call_to_call_are_noted() -> None:
    random = np.random.default_rng(0)
    report = jb.check(np.sin, V, vjp=lambda G, x: G * np.cos(x) * (1 + random.random(4)))
    assert any("vjp is not deterministic: two calls" in note for note in report.notes)
    assert not jb.check(np.sin, V, vjp=lambda G, x: G * np.cos(x)).notes


def test_float32_is_checked_in_float64_where_the_function_allows_it() -> None:
    single = V.astype(np.float32)
    report = jb.check(np.sin, single, vjp=lambda G, x: G * np.cos(x))
    assert report.ok
    assert report.notes == ("float32 arguments were checked in float64",)
    assert not jb.check(np.sin, single, vjp=lambda G, x: G * np.cos(x) * (1 + 1e-6)).ok
    # A claim in float32 is held to float32.
    assert jb.check(np.sin, single, vjp=lambda G, x: np.float32(G * np.cos(x))).ok


def test_what_computes_in_float32_is_held_to_float32() -> None:
    def f(x: Any) -> Any:
        return np.sin(x.astype(np.float32))

    for x in (V.astype(np.float32), V):
        report = jb.check(f, x, vjp=lambda G, x: G * np.cos(x), against="richardson")
        assert report.ok
        assert not jb.check(f, x, vjp=lambda G, x: 1.01 * G * np.cos(x), against="richardson").ok
        assert any("tolerances are those of float32" in note for note in report.notes)


def test_what_refuses_float64_is_checked_in_float32() -> None:
    def f(x: Any) -> Any:
        if x.dtype != np.float32:
            raise TypeError("expected float32")
        return opaque(x).astype(np.float32)

    report = jb.check(f, V.astype(np.float32), vjp=lambda G, x: 2 * G * x)
    assert report.ok
    assert "f raises TypeError for float64 arguments: the tolerances are those of float32" in (
        report.notes
    )


def test_the_users_tolerances_are_used() -> None:
    off = 1.001 * np.diag(np.cos(V))
    assert not jb.check(np.sin, V, jacobian=off).ok
    assert jb.check(np.sin, V, jacobian=off, rtol=1e-2).ok
    assert jb.check(np.sin, V, jacobian=off, atol=1e-2).ok
    assert not jb.check(np.sin, V, jacobian=off, rtol=1e-4, atol=0).ok


# Structures


def test_several_results_and_several_arguments() -> None:
    def f(x: Any, y: Any, scale: float = 1.0) -> Any:
        return {"a": scale * np.outer(x, y), "b": (np.sum(x), y**2)}

    def vjp(G: Any, x: Any, y: Any, scale: float = 1.0) -> Any:
        dx = scale * G["a"] @ y + G["b"][0]
        return dx, scale * x @ G["a"] + 2 * G["b"][1] * y

    def jvp(dx: Any, dy: Any, x: Any, y: Any, scale: float = 1.0) -> Any:
        a = scale * (np.outer(dx, y) + np.outer(x, dy))
        return {"a": a, "b": (np.sum(dx), 2 * y * dy)}

    x, y, kwargs = V, X[0], {"scale": 3.0}
    jacobian = jb.jacobian(f, wrt=(0, 1))(x, y, **kwargs)
    report = jb.check(f, x, y, wrt=(0, "y"), jacobian=jacobian, vjp=vjp, jvp=jvp, kwargs=kwargs)
    assert report.ok
    assert [(p.kind, p.output, p.wrt) for p in report.parts] == [
        (kind, output, wrt)
        for kind in ("jacobian", "vjp", "jvp")
        for output in ("['a']", "['b'][0]", "['b'][1]")
        for wrt in ("x", "y")
    ]
    report = jb.check(
        f, x, y, wrt=(0, 1), kwargs=kwargs,
        vjp=lambda G, *a, **k: (vjp(G, *a, **k)[0], vjp(G, *a, **k)[1] + G["b"][0]),
    )  # fmt: skip
    assert [(p.output, p.wrt) for p in report.parts if not p.ok] == [("['b'][0]", "y")]


def test_a_backward_may_give_a_gradient_for_each_argument() -> None:
    def vjp(G: Any, W: Any, x: Any) -> Any:
        before = G * (1 - np.tanh(W @ x) ** 2)
        return np.outer(before, x), W.T @ before

    for wrt in (0, 1, "x", (0, 1), (1, 0), ("x",)):
        expected = vjp if wrt != (1, 0) else lambda *a: vjp(*a)[::-1]
        assert jb.check(layer, W, V, wrt=wrt, vjp=expected).ok
    assert not jb.check(layer, W, V, wrt=(1, 0), vjp=vjp).ok


def test_operations_are_checked_by_name() -> None:
    B, C = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 5))
    report = jb.check(jb.ops.matmul, B, C, wrt="C", vjp=lambda G, B, C: B.T @ G)
    assert report.ok
    assert "δ_jl B_ik" in report.parts[0].reference
    J = jb.ops.matmul.jacobian(B, C, wrt="C")
    assert jb.check(np.matmul, B, C, wrt=1, jacobian=J).ok
    assert not jb.check(np.matmul, B, C, wrt=1, jacobian=2 * J).ok


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"against": "numeric"}, jb.JacobiansError, "against='numeric'.*auto, traced"),
        ({"against": np.eye(3)}, jb.UnsupportedError, "against is of type ndarray.*jacobian="),
        ({"against": "traced"}, jb.UnsupportedError, "own Jacobian, and nothing else is claimed"),
        ({"rtol": -1}, jb.JacobiansError, "rtol=-1"),
        ({"atol": "small"}, jb.JacobiansError, "atol='small': it must be a number"),
        ({"seed": -1}, jb.JacobiansError, "seed=-1: it must be an integer, 0 or more"),
        ({"seed": "x"}, jb.JacobiansError, "seed='x'"),
        ({"wrt": ()}, jb.ShapeError, r"layer: wrt=\(\) names no argument"),
        ({"vjp": np.eye(3)}, jb.UnsupportedError, "vjp is of type ndarray"),
        ({"wrt": 5}, jb.ShapeError, "no argument wrt=5; its arguments here are W, x"),
        ({"vjp": lambda G, W, x: None}, jb.UnsupportedError, "vjp: the gradient by W is None"),
        ({"vjp": lambda G, W, x: (W, W, W)}, jb.ShapeError, "vjp gives 3 arrays; .* 2 arguments"),
        ({"wrt": (0, 1), "vjp": lambda G, W, x: W}, jb.ShapeError, "tuple of 2, by W, x, not ndarray"),
        ({"wrt": (0, 1), "jacobian": (W, W, W)}, jb.ShapeError, "tuple of 2, by W, x, not 3 of them"),
        ({"jacobian": 1j * W}, jb.UnsupportedError, "complex"),
    ],
)  # fmt: skip
def test_misuse_is_named(options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        jb.check(layer, W, V, **options)


def test_structures_that_do_not_fit_are_named() -> None:
    f = lambda x: {"a": x, "b": [x, x]}  # noqa: E731
    with pytest.raises(
        jb.ShapeError, match=r"jacobian is of type dict of 1, but .* is a dict of 2"
    ):
        jb.check(f, V, jacobian={"a": np.eye(4)})
    with pytest.raises(jb.ShapeError, match=r"jvp\['b'\] is of type tuple of 1.* list of 2"):
        jb.check(f, V, jvp=lambda d, x: {"a": d, "b": (d,)})


def test_nothing_to_check_is_an_error_with_the_reason() -> None:
    with pytest.raises(
        jb.UnsupportedError, match=r"opaque cannot be traced.*tolist.*jacobian=, vjp="
    ):
        jb.check(opaque, X)
    with pytest.raises(jb.UnsupportedError, match=r"against='traced': opaque cannot be traced"):
        jb.check(opaque, X, vjp=lambda G, x: G, against="traced")


def test_the_users_own_exceptions_pass_through() -> None:
    def broken(*args: Any) -> Any:
        assert len(args) == 3
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        jb.check(layer, W, V, vjp=broken)
    assert caught.value.__notes__ == ["jb.check called vjp(G, W, x), G of shape (3,)"]
    with pytest.raises(ValueError, match="matmul"):
        jb.check(layer, W, V[:2])


# The Taylor remainder


def test_the_slope_is_2_for_right_1_for_wrong_and_a_linear_function_says_so() -> None:
    right = jb.check(layer, W, V, jacobian=closed()).parts[0].slope
    wrong = jb.check(layer, W, V, jacobian=closed() * (1 + 1e-4)).parts[0].slope
    linear = jb.check(lambda W: W @ V, W).parts[0].slope
    assert right.value == pytest.approx(2, abs=0.05)
    assert wrong.value == pytest.approx(1, abs=0.05)
    assert linear.value is None
    assert "exact to rounding" in str(linear)
    assert "linear" in str(linear)


# The report


def a_report() -> jb.Report:
    def f(W: Any, x: Any) -> Any:
        return np.tanh(W @ x), np.maximum(x, 0)

    f.__name__ = "a_function_with_a_name_that_is_rather_long_but_not_too_long_for_a_person"
    A, x = W.astype(np.float32), np.array([0.0, 1, 2, 3], np.float32)
    slopes = 1 - np.tanh(A.astype(float) @ x.astype(float)) ** 2
    J = np.einsum("ik,i,l->ikl", np.eye(3), slopes, x)
    return jb.check(
        f, A, x, wrt=(0, 1), jacobian=((J, np.ones((3, 5))), (np.full((4, 3, 4), np.nan), np.eye(4))),
    )  # fmt: skip


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_the_slope_of_very_small_and_very_large_functions(size: float) -> None:
    for factor, slope in ((2, 2), (3, 1)):
        report = jb.check(lambda x: size * x**2, V, vjp=lambda G, x, n=factor: n * size * x * G)
        assert report.ok == (slope == 2)
        assert report.parts[0].slope.value == pytest.approx(slope, abs=0.05)
        assert f"{2 * size:g}" in report.parts[0].reference


def test_the_report_fits_a_terminal() -> None:
    for report in (a_report(), jb.check(layer, W, V), jb.check(layer, W, V, vjp=backward)):
        lines = str(report).splitlines()
        assert max(map(len, lines)) <= 80
        assert repr(report) == str(report)


def test_the_report_says_what_a_person_needs() -> None:
    wrong = closed()
    wrong[1, 1, 2] = 7.5
    report = jb.check(layer, W, V, jacobian=wrong)
    text = str(report)
    assert text.splitlines()[0].endswith("WRONG")
    right = repr(float(closed()[1, 1, 2]))
    for part in (
        "1 of 36 entries of ∂layer_i/∂W_kl is wrong", "[1, 1, 2], i = 1, k = 1, l = 2",
        "yours        7.5", f"reference    {right}", "is allowed", "diagnosis", "Taylor slope   1.00",
        "the traced Jacobian, δ_ik (1 − tanh((W x)_i)²) x_l", "every entry",
    ):  # fmt: skip
        assert part in text, part


def test_the_report_as_a_dict_is_plain_json() -> None:
    found = a_report().to_dict()
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again == found
    assert found["verdict"] == "WRONG"
    assert [part["verdict"] for part in found["parts"]] == ["right", "WRONG", "WRONG", "right"]
    assert found["parts"][1]["claimed_shape"] == [3, 5]
    assert found["parts"][2]["worst"]["yours"] is None  # nan
    assert set(found["parts"][2]["findings"][0]) == {"kind", "text", "remaining"}


def test_the_report_and_a_comparison_in_latex() -> None:
    def my_f(x: Any) -> Any:
        return x**2

    text = jb.check(my_f, V, vjp=lambda G, x: 3 * G * x)._repr_latex_()
    assert text.startswith("$\\begin{array}{ll}\\text{vjp of my\\_f by x} & \\text{WRONG} \\\\ ")
    assert "\\text{It is 3/2 × the right derivative.}" in text
    assert text.count("{") == text.count("}")
    J = jb.ops.matmul.jacobian(W, W.T, wrt="B")
    text = jb.compare(J, np.ones((3, 3)))._repr_latex_()
    assert "\\text{∂A\\_ij/∂B\\_kl} & \\text{δ\\_ik C\\_lj}" in text
    assert "\\text{contracted} & " in text


def test_a_backward_whose_parts_cancel_is_linear() -> None:
    """Of Q in X = QR: where its derivative is 0, a backward leaves the rounding of what cancels."""
    square = np.random.default_rng(3).uniform(-1, 1, (3, 3))
    q = lambda X: np.linalg.qr(X)[0]  # noqa: E731
    vjp = lambda G, X: jb.jacobian(q)(X).vjp(G)  # noqa: E731
    for scale in (1e-3, 1.0, 1e3):
        jb.testing.assert_jacobian(q, scale * square, vjp=vjp)


def test_the_report_as_html_escapes_what_users_name() -> None:
    def f(x: Any) -> Any:
        return {"<script>alert(1)</script>": x**2}

    html = jb.check(f, V, vjp=lambda G, x: x)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "WRONG" in html
    assert html.count("<table") == html.count("</table>") == 1


def test_the_seed_decides_what_is_random() -> None:
    seen: list[Any] = []

    def vjp(G: Any, x: Any) -> Any:
        seen.append(G.copy())
        return G * np.cos(x)

    x = np.linspace(0, 1, 300)
    for seed in (1, 1, 2):
        assert jb.check(np.sin, x, wrt=0, vjp=vjp, seed=seed).seed == seed
    one, again, other = (seen[n : n + 5] for n in (0, 5, 10))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
