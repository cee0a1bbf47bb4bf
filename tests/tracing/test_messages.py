"""What cannot be traced: each message says what stands on the user's line and what to write, and that works."""

import math
import types
from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np
import pytest
from scipy import interpolate, sparse, special

import jacobians as jb

X = np.array([0.3, 0.7])
M = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 4.0]])


SPARSE = sparse.csr_array(M)
HOLDER = types.SimpleNamespace(W=M)


def assigned(x: Any) -> Any:
    y = np.zeros(2)
    y[0] = x[0]
    return y


def assigned_slice(x: Any) -> Any:
    out = np.zeros(2)
    out[:] = x * 2
    return out


def added(x: Any) -> Any:
    y = np.zeros(2)
    y += x
    return y


def rotated(x: Any) -> Any:
    c, s = x
    return np.array([[c, -s], [s, c]])


def written_over_lines(x: Any) -> Any:
    return np.array(
        [x[0],
         x[1]]
    )  # fmt: skip


REFUSED: dict[str, tuple[Callable[[Any], Any], str, Callable[[Any], Any]]] = {
    "assignment": (
        assigned,
        r"^y\[0\] = \.\.\. at test_messages\.py:\d+ puts a traced value into a plain array, which would cut it "
        r"off from its derivative; make y with jb\.zeros\(shape\) in place of np\.zeros\(shape\)",
        lambda x: assign_into(jb.zeros(2), x),
    ),
    "slice": (assigned_slice, r"^out\[:\] = \.\.\. at .*; make out with jb\.zeros", lambda x: x * 2),
    "in place": (added, r"^y \+= x at test_messages\.py:\d+: a plain array cannot hold", lambda x: x),
    "array": (
        rotated,
        r"^np\.array\(\[\[c, -s\], \[s, c\]\]\) at .*; write jb\.array\(\[\[c, -s\], \[s, c\]\]\)$",
        lambda x: jb.array([[x[0], -x[1]], [x[1], x[0]]]),
    ),
    "lines": (
        written_over_lines,
        r"^np\.array\( \[x\[0\], x\[1\]\] \) at .*; write jb\.array\(\[x\[0\], x\[1\]\]\)$",
        lambda x: jb.array([x[0], x[1]]),
    ),
    "stack": (
        lambda x: np.stack([[x[0], -x[1]], [x[1], x[0]]]),
        r"^np\.stack.*; make each list of numbers in it an array with jb\.array\(\[\.\.\.\]\)$",
        lambda x: np.stack([jb.array([x[0], -x[1]]), jb.array([x[1], x[0]])]),
    ),
    "fromiter": (
        lambda x: np.fromiter((v * v for v in x), float),
        r"^np\.fromiter\(.*write jb\.array\(\[\.\.\. for \.\.\. in \.\.\.\]\)$",
        lambda x: jb.array([v * v for v in x]),
    ),
    "vectorize": (
        lambda x: np.vectorize(lambda v: v * v)(x),
        r"^np\.vectorize\(.*call the function with the whole array, or write jb\.array\(\[f\(v\) for v in x\]\)$",
        lambda x: jb.array([v * v for v in x]),
    ),
    "method": (lambda x: M.dot(x), r"^M\.dot\(x\) at .*; write M @ x$", lambda x: M @ x),
    "attribute": (lambda x: HOLDER.W.dot(x), r"; write HOLDER\.W @ x$", lambda x: HOLDER.W @ x),
    "operand": (
        lambda x: (M + 1).dot(x), r"; write \(M \+ 1\) @ x$", lambda x: (M + 1) @ x,
    ),
    "searched": (
        lambda x: M[0].searchsorted(x), r"write np\.searchsorted\(M\[0\], x\)$",
        lambda x: x * np.searchsorted(M[0], x),
    ),
    "asarray": (lambda x: np.asarray(x) * 2, r"leave np\.asarray out: x is an array already", lambda x: x * 2),
    "full": (lambda x: np.full(3, x[0]), r"write jb\.full\(3, x\[0\]\)$", lambda x: jb.full(3, x[0])),
    "float": (lambda x: float(x[0]) * x, r"^float\(x\[0\]\) at .*leave float\(\) out", lambda x: x[0] * x),
    "math": (lambda x: math.atan2(x[0], 2), r"; write np\.atan2\(x\[0\], 2\)$", lambda x: np.atan2(x[0], 2)),
    "lgamma": (
        lambda x: math.lgamma(x[0]), r"; write scipy\.special\.gammaln\(x\[0\]\)$",
        lambda x: special.gammaln(x[0]),
    ),
    "random": (
        lambda x: np.random.default_rng(0).normal(x), r"makes a plain array",
        lambda x: x + np.random.default_rng(0).normal(size=2),
    ),
    "scalar": (
        lambda x: np.float64(x[0]) * 2, r"; leave np\.float64 out, or write x\[0\]\.astype\(\.\.\.\)$",
        lambda x: x[0].astype(np.float64) * 2,
    ),
    "sparse": (
        lambda x: SPARSE @ x, r"^SciPy's __matmul__ at .*write A\.toarray\(\) for the sparse A$",
        lambda x: SPARSE.toarray() @ x,
    ),
    "tolist": (
        lambda x: jb.array([v**2 for v in (x * 2).tolist()]),
        r"^\(x \* 2\)\.tolist\(\) at .*; leave \.tolist\(\) out: an array can be gone through",
        lambda x: jb.array([v**2 for v in (x * 2)]),
    ),
    "item": (lambda x: x[0].item() * x, r"leave \.item\(\) out", lambda x: x[0] * x),
    "arange": (
        lambda x: np.arange(0, x[0], 0.1), r"write start \+ step \* np\.arange\(count\)$",
        lambda x: x[0] / 3 * np.arange(3),
    ),
}  # fmt: skip


def assign_into(y: Any, x: Any) -> Any:
    y[0] = x[0]
    return y


@pytest.mark.parametrize("name", REFUSED)
def test_the_message_says_what_to_write_and_that_works(name: str) -> None:
    function, message, advice = REFUSED[name]
    with pytest.raises(jb.UnsupportedError, match=message) as caught:
        jb.jacobian(function)(X)
    assert "test_messages.py:" in str(caught.value)
    found = jb.jacobian(advice)(X)
    wanted = jb.numerical.jacobian(lambda x: np.asarray(advice(x)), X)
    np.testing.assert_allclose(found.dense(), wanted, atol=1e-8)


def test_weights_are_added_up_in_bins() -> None:
    bins = np.array([2, 0, 2, 4])
    w = np.array([1.0, -2.0, 3.0, 0.5])
    J = jb.jacobian(lambda w: np.bincount(bins, weights=w**2, minlength=6))(w)
    wanted = np.zeros((6, 4))
    wanted[bins, range(4)] = 2 * w
    np.testing.assert_array_equal(J.dense(), wanted)
    with pytest.raises(ValueError, match="same length"):
        jb.grad(lambda w: np.bincount(bins, w[:2]).sum())(w)
    with pytest.raises(
        jb.UnsupportedError, match=r"numpy\.histogram at .*np\.bincount\(bins, weights\)"
    ):
        jb.grad(lambda w: np.histogram(w)[0].sum())(w)


# The line is the user's own


def test_a_library_between_is_not_the_line() -> None:
    """The judge is Python's own line number; SciPy, and installed packages, stand between."""

    def f(x: Any) -> Any:
        return interpolate.CubicSpline([0, 1], x)(0.5)

    line = f.__code__.co_firstlineno + 1
    with pytest.raises(
        jb.UnsupportedError, match=rf"SciPy's CubicSpline at test_messages\.py:{line} "
    ):
        jb.grad(f)(X)


def library(name: str, text: str, folder: Any) -> Any:
    """A module as an installed package would have it."""
    path = folder / "site-packages" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    module = types.ModuleType(name)
    exec(compile(text, str(path), "exec"), vars(module))
    return module


def test_installed_packages_are_not_the_line(tmp_path: Any) -> None:
    frames = library(
        "frames", "import numpy as np\ndef total(x):\n    return np.roots(x)\n", tmp_path
    )
    odd = library(
        "odd", "import numpy as np\ndef wrong(x):\n    return x @ np.ones((3, 3))\n", tmp_path
    )
    made = library("made", "def plain(x):\n    return float(x)\n", tmp_path)
    for function, kind in (
        (lambda x: frames.total(x), jb.UnsupportedError),
        (lambda x: odd.wrong(x), jb.ShapeError),
        (lambda x: made.plain(x[0]), jb.UnsupportedError),
        (lambda x: x * 1j, jb.UnsupportedError),
        (lambda x: x + np.ones(3), jb.ShapeError),
        (lambda x: x[x], jb.UnsupportedError),
    ):
        line = function.__code__.co_firstlineno
        with pytest.raises(kind, match=rf"test_messages\.py:{line}\b"):
            jb.jacobian(function)(X)


@pytest.mark.parametrize(
    ("package", "name"), [("torch._C", "PyTorch"), ("jaxlib.xla", "JAX"), ("numba.core", "Numba")]
)
def test_other_packages_are_named(package: str, name: str) -> None:
    compiled = type("Compiled", (), {"__module__": package, "__call__": staticmethod(index)})()
    with pytest.raises(
        jb.UnsupportedError, match=rf"^compiled at test_messages\.py:\d+ is {name}'s.*jb\.check"
    ):
        jb.jacobian(lambda x: compiled(x * 2))(X)
    with pytest.raises(
        TypeError, match="'str' object cannot"
    ):  # of another value: the user's own error
        jb.jacobian(lambda x: x * compiled("a"))(X)


def test_without_a_source_the_line_is_named() -> None:
    scope: dict[str, Any] = {"np": np}
    exec(compile("def f(x):\n    return np.array([x[0]])\n", "nowhere.py", "exec"), scope)
    with pytest.raises(
        jb.UnsupportedError, match=r"made a plain array at nowhere\.py:2.*jb\.array\(\[\.\.\.\]\)"
    ):
        jb.jacobian(scope["f"])(X)


def test_functions_that_nobody_knows_are_called_by_their_names() -> None:
    with pytest.raises(
        jb.UnsupportedError,
        match=r"^scipy\.special\.jv at .*jb\.operation.*jb\.numerical\.jacobian$",
    ):
        jb.jacobian(lambda x: special.jv(0, x))(X)
    found = jb.numerical.jacobian(lambda x: special.jv(0, x), X)
    np.testing.assert_allclose(np.diag(found), -special.j1(X), atol=1e-8)
    erfi = jb.operation(
        "erfi", value=special.erfi, x=lambda x, y: 2 / np.sqrt(np.pi) * np.exp(x**2)
    )
    np.testing.assert_allclose(erfi.jacobian(X).diagonal(), 2 / np.sqrt(np.pi) * np.exp(X**2))


# Slips


@pytest.mark.parametrize("name", ["jacobian", "grad", "hessian", "value_and_grad"])
def test_arguments_in_the_place_of_wrt(name: str) -> None:
    transform = getattr(jb, name)

    def loss(W: Any, x: Any) -> Any:
        return np.sum((W @ x) ** 2)

    write = rf"write jb\.{name}\(loss\)\(x"
    for given in ((X,), ([1.0, 2.0],), (2.0,)):
        with pytest.raises(jb.UnsupportedError, match=rf"{write}\); its second argument wrt"):
            transform(loss, *given)
    with pytest.raises(jb.UnsupportedError, match=rf"{write}, y\).*ndarray of shape \(3, 2\)"):
        transform(loss, M, X)
    with pytest.raises(
        jb.UnsupportedError, match=rf"jb\.{name}: the first argument is the function, not a"
    ):
        transform(X)
    transform(loss, 1)(M, X), transform(loss, ("x", 0))(M, X), transform(loss, wrt="x")(M, X)
    transform(f=loss, wrt=np.int64(1))(M, X)


# After the trace


def test_a_traced_array_is_of_its_trace() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept[:] = [x, 2 * x, x[0], jb.zeros(2)]
        return np.sum(x**2)

    jb.grad(f)(X)
    for use in (lambda a: a + 1, np.sin, np.asarray, lambda a: a @ a, lambda a: np.stack([a, a])):
        with pytest.raises(
            jb.UnsupportedError,
            match=r"array of f is used at test_messages\.py:\d+ after its trace",
        ):
            use(kept[1])
    with pytest.raises(jb.UnsupportedError, match="after its trace is over"):
        float(kept[2])
    with pytest.raises(jb.UnsupportedError, match="after its trace is over"):
        jb.grad(lambda x: np.sum(x * kept[0]))(X)
    assert "0.3" in repr(kept[0])


def test_a_traced_array_of_an_inner_trace() -> None:
    kept: list[Any] = []

    def outer(x: Any) -> Any:
        jb.grad(lambda y: kept.append(y * 2) or np.sum(x * y**2))(x)
        return np.sum(kept[-1] * x)

    with pytest.raises(jb.UnsupportedError, match="after its trace is over"):
        jb.grad(outer)(X)

    def lawful(x: Any) -> Any:  # what is of the outer function only is kept by the inner one
        jb.grad(lambda y: kept.append(x * 3) or np.sum(y**2))(x)
        return np.sum(kept[-1] * x)

    np.testing.assert_allclose(jb.grad(lawful)(X), 6 * X)


# Names


def test_nearest_names() -> None:
    for wrong, near in (("matmull", "matmul"), ("Softmax", "softmax"), ("logsumexpp", "logsumexp")):
        with pytest.raises(
            jb.JacobiansError, match=rf"^there is no operation '{wrong}'; did you mean .*{near}"
        ):
            jb.ops[wrong]
    with pytest.raises(
        jb.JacobiansError, match=r"^there is no operation 'zzz'; there are absolute, add"
    ):
        jb.ops["zzz"]


def test_dir_shows_the_public_names() -> None:
    assert dir(jb) == sorted(jb.__all__)
    assert all(hasattr(jb, name) for name in jb.__all__)
