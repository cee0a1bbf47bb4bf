"""The forms of a compiled derivative that keep its structure: sparse, blocks, diagonal."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import jacobians as jb
from tests.numerical import differences

RNG = np.random.default_rng(7)
X, x = RNG.normal(size=(4, 3)), RNG.normal(size=6)
W = RNG.normal(size=(3, 3))
PAIRS = np.array([[0, 3], [5, 1], [2, 2], [4, 0], [1, 5]])  # one of them twice the same entry
FORMATS = ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")


def stencil(x: Any) -> Any:
    return x[1:-1] ** 2 - x[:-2] * x[2:]


def pairs(x: Any) -> Any:
    return np.stack([x[PAIRS[:, 0]] * x[PAIRS[:, 1]], x[PAIRS[:, 0]] - x[PAIRS[:, 1]]], axis=1)


def twice(x: Any) -> Any:
    """Entries that one term writes several times."""
    return x[np.array([0, 0, 1])] + x[:3] * x[3:]


def windows(x: Any) -> Any:
    return np.convolve(x**2, np.array([1.0, 2.0, 3.0]))


FUNCTIONS: list[tuple[Callable[[Any], Any], Any]] = [
    (stencil, x), (pairs, x), (twice, x), (windows, x),
    (lambda X: np.tanh(X @ W), X), (lambda X: X.T * 2, X), (lambda X: W @ X.T, X),
    (lambda X: np.sum(X**2), X), (lambda x: x[:0], x), (lambda x: np.floor(x), x),
]  # fmt: skip


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
def test_every_format_has_the_numbers_and_nothing_else(number: int, order: Any) -> None:
    f, at = FUNCTIONS[number]
    c = jb.jacobian(f).compile(at)
    for point in (at, 2 - at):
        full = differences(lambda z: np.asarray(f(z)), point)
        ndim = np.ndim(f(point))
        out, inner = full.shape[:ndim], full.shape[ndim:]
        if order == "F":
            full = full.transpose(*reversed(range(ndim)), *reversed(range(ndim, full.ndim)))
        wanted = full.reshape(int(np.prod(out)), int(np.prod(inner)))
        for form in FORMATS:
            if form == "dia" and 0 in wanted.shape:
                continue
            found = c.sparse(point, format=form, order=order)
            assert found.format == form
            assert found.shape == wanted.shape
            np.testing.assert_allclose(found.toarray(), wanted, atol=1e-8, err_msg=form)
    eager = jb.jacobian(f)(at)
    csr = c.sparse(at, order=order)
    csr.check_format(full_check=True)
    assert csr.nnz == eager.nnz
    assert csr.has_canonical_format
    if csr.nnz > 1:
        assert sp.csr_array((csr.data, csr.indices, csr.indptr), csr.shape).has_canonical_format


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("number", range(6))
def test_out_has_only_its_numbers_written(form: str, number: int) -> None:
    f, at = FUNCTIONS[number]
    c = jb.jacobian(f).compile(at)
    first = c.sparse(at, format=form)
    kept, data = first.toarray(), first.data
    second = c.sparse(3 - at, format=form)
    np.testing.assert_array_equal(first.toarray(), kept)
    if form != "dia":
        first.data[:] = np.where(first.data == 0, 0, np.nan)
    assert c.sparse(3 - at, format=form, out=first) is first
    assert first.data is data
    np.testing.assert_array_equal(first.toarray(), second.toarray())
    for name in ("indices", "indptr", "offsets", "row", "col"):
        if hasattr(first, name):
            assert not np.shares_memory(getattr(first, name), getattr(second, name))


def test_what_is_no_result_of_the_plan_is_refused() -> None:
    c, other = (jb.jacobian(stencil).compile(x) for _ in range(2))
    A = c.sparse(x)
    for wrong in (
        other.sparse(x), A.copy(), c.sparse(x, format="csc"), c.sparse(x, order="F"), A.toarray(),
        c.sparse(x).toarray(), 3,
    ):  # fmt: skip
        with pytest.raises(jb.ShapeError, match="must be a sparse array that sparse"):
            c.sparse(x, out=wrong)
    A.data[2] = 0
    A.eliminate_zeros()
    with pytest.raises(jb.ShapeError, match="with its index arrays"):
        c.sparse(x, out=A)
    with pytest.raises(jb.UnsupportedError, match="numbers are Python objects"):
        c.sparse(x, format="lil", out=c.sparse(x, format="lil"))
    with pytest.raises(jb.UnsupportedError, match="no sparse format 'abc'"):
        c.sparse(x, format="abc")
    with pytest.raises(jb.ShapeError, match="order must be"):
        c.sparse(x, order="A")


def test_several_have_the_structure_of_dense() -> None:
    def f(x: Any, y: Any) -> Any:
        return {"a": x * y, "b": [x[1:] - x[:-1] * y[1:]]}

    y = RNG.normal(size=6)
    c = jb.jacobian(f, wrt=(0, 1)).compile(x, y, forms=("sparse", "vjp"))
    dense, found = c.dense(x, y), c.sparse(x, y)
    for name in (0, 1):
        np.testing.assert_array_equal(found["a"][name].toarray(), dense["a"][name])
        np.testing.assert_array_equal(found["b"][0][name].toarray(), dense["b"][0][name])
    assert c.sparse(y, x, out=found) is found
    np.testing.assert_array_equal(found["a"][0].toarray(), np.diag(x))
    with pytest.raises(jb.ShapeError, match="a diagonal needs output and input of one shape"):
        c.diagonal(x, y)
    both = jb.jacobian(lambda x, y: x * y, wrt=(0, 1)).compile(x, y)
    np.testing.assert_array_equal(both.diagonal(x, y), (y, x))
    places = np.empty(6), np.empty(6)
    assert both.diagonal(x, y, out=places) is places
    np.testing.assert_array_equal(places, (y, x))


def test_blocks_and_diagonal() -> None:
    c = jb.jacobian(lambda X: np.tanh(X @ W)).compile(X, forms=["blocks"])
    slope = 1 - np.tanh(X @ W) ** 2
    wanted = np.einsum("bj,lj->bjl", slope, W)
    np.testing.assert_allclose(c.blocks(X), wanted)
    out = np.full(wanted.shape, np.nan)
    assert c.blocks(X, batch_axis=(0, 0), out=out) is out
    np.testing.assert_allclose(out, wanted)
    np.testing.assert_allclose(c.diagonal(X), slope * np.diag(W))
    with pytest.raises(jb.ShapeError, match=r"out= must be an array of shape \(4, 3\)"):
        c.diagonal(X, out=out)
    mixed = jb.jacobian(lambda X: X - X.mean(axis=0)).compile(X, forms=("blocks", "diagonal"))
    np.testing.assert_allclose(mixed.diagonal(X), np.full((4, 3), 0.75))
    with pytest.raises(jb.UnsupportedError, match="samples are coupled"):
        mixed.blocks(X)
    np.testing.assert_allclose(c.blocks(c.blocks(X)[0].copy().repeat(2, 0)[:4] * 0 + X), wanted)


def test_the_call_is_planned_and_forms_as_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from jacobians.execution.numpy_source import NumpyProgram

    planned: list[Any] = []
    before = NumpyProgram.__init__

    def counted(self: Any, program: Any) -> None:
        planned.append(program)
        before(self, program)

    monkeypatch.setattr(NumpyProgram, "__init__", counted)
    for transform in (jb.jacobian, jb.hessian, jb.grad, jb.value_and_grad):
        c = transform(lambda x: np.sum(np.tanh(x) ** 2)).compile(x)
        planned.clear()
        c(x)
        assert not planned
    c = jb.jacobian(stencil).compile(x, forms=("sparse", "vjp"))
    planned.clear()
    c.sparse(x), c.vjp(np.ones(4), x)
    assert not planned
    c.jvp(x, x), c.sparse(x, format="csc")
    assert len(planned) == 2
    used = jb.jacobian(stencil).compile(forms="sparse")
    used(x)
    planned.clear()
    np.testing.assert_allclose(used.sparse(x).toarray(), c.dense(x))
    assert not planned[1:]
    with pytest.raises(jb.UnsupportedError, match="no form 'spare'; there are dense"):
        jb.jacobian(stencil).compile(x, forms=("spare",))


def test_it_is_the_jac_of_scipys_solvers() -> None:
    from scipy.optimize import least_squares

    def residuals(x: Any) -> Any:
        return np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])

    start = np.full(8, 0.5)
    c = jb.jacobian(residuals).compile(start)
    found = least_squares(residuals, start, jac=c.sparse, x_scale="jac", tr_solver="lsmr")
    np.testing.assert_allclose(found.x, np.ones(8), atol=1e-6)


# Randomness

GENERATOR = np.random.default_rng(1)


def noisy(x: Any) -> Any:
    return GENERATOR.normal(size=x.shape)


def draws() -> dict[str, Callable[[Any], Any]]:
    import random

    own, old = np.random.default_rng(2), np.random.RandomState(3)

    class Model:
        def __init__(self) -> None:
            self.generator = np.random.default_rng(4)

        def __call__(self, x: Any) -> Any:
            return np.sum(x * self.generator.normal())

    return {
        "NumPy's global state": lambda x: np.sum(x * np.random.rand()),
        "Python's random": lambda x: np.sum(x * random.random()),
        "a numpy Generator": lambda x: np.sum(x * own.normal(size=6)),
        "a numpy RandomState": lambda x: np.sum(x * old.rand()),
        "numpy Generator": lambda x: np.sum(x * noisy(x)),
        "a numpy G": Model(),
    }


@pytest.mark.parametrize("name", draws())
def test_a_draw_is_refused_and_leaves_nothing(name: str) -> None:
    f = draws()[name]
    before, generator = np.random.get_state()[1].copy(), GENERATOR.bit_generator.state
    with pytest.raises(jb.UnsupportedError, match=rf"{name}.*test_forms\.py:\d+.*draw outside"):
        jb.grad(f).compile(x)
    with pytest.raises(jb.UnsupportedError, match="draw outside and pass the numbers in"):
        jb.grad(f).compile()(x)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert GENERATOR.bit_generator.state == generator
    assert jb.grad(f)(x).shape == (6,)


def test_a_generator_that_is_not_drawn_from_is_fine() -> None:
    def f(x: Any, generator: Any = GENERATOR) -> Any:
        fresh = np.random.default_rng(5).normal(size=6)
        return np.sum(x * fresh) if generator else x

    np.testing.assert_array_equal(jb.grad(f).compile(x)(x), np.random.default_rng(5).normal(size=6))


# Long programs


def test_what_is_long_says_its_size_and_where_to_look() -> None:
    def f(x: Any) -> Any:
        for n in range(250):
            x = np.sin(x) * (1 + n)
        return x

    J = jb.jacobian(f)(x)
    for text in (J.formula(), J.latex(), repr(J), J._repr_latex_()):
        assert "J.explain(i, k)" in text.replace("\n  ", "")
        assert "jb.record(f, *args)" in " ".join(text.split()).replace("\\_", "_")
        assert len(text) < 500
    record = jb.record(f, x)
    assert len(repr(record).splitlines()) == 61
    assert "more lines: print it" in repr(record)
    assert len(str(record).splitlines()) > 500
    c = jb.jacobian(f).compile(x)
    assert "steps to what it is made of" in repr(c)
    assert len(repr(c)) < 300
    assert "δ" in jb.jacobian(lambda x: np.sin(x))(x).formula()


def test_arguments_by_name_are_refused_in_our_words() -> None:
    """As a solver passes them with ``kwargs=``."""
    x = np.ones(3)
    c = jb.jacobian(lambda x, a: a * x**2).compile(x, 2.0)
    for call in (c, c.sparse):
        with pytest.raises(jb.UnsupportedError, match=r"arguments by position, not by name \(a\)"):
            call(x, a=2.0)


def test_an_object_whose_slots_refuse_is_closed_over():
    class Refusing:
        __slots__ = ("numbers", "refuses")

        def __init__(self):
            self.numbers = np.array([1.0, 2.0, 3.0])

        def __getattribute__(self, name):
            if name == "refuses":
                raise TypeError("this descriptor does not apply")
            return object.__getattribute__(self, name)

    held = Refusing()
    c = jb.grad(lambda x: np.sum(held.numbers * x)).compile(np.ones(3))
    np.testing.assert_array_equal(c(np.ones(3)), [1.0, 2.0, 3.0])


@pytest.mark.parametrize("n", [3, 4, 5, 4095, 70_001])
def test_numbers_that_most_entries_have_are_written_once_for_all(n: int) -> None:
    """Beside each other: two diagonals of one number, one of another, and one that is computed."""
    z = np.random.default_rng(n).normal(size=n)

    def f(z: Any) -> Any:
        return z[2:] + z[:-2] - z[1:-1] ** 2

    c = jb.jacobian(f).compile(z, forms=["sparse"])
    A = c.sparse(z)
    A.data[:] = np.nan
    assert c.sparse(z + 1, out=A) is A
    one = np.ones(n - 2)
    wanted = sp.diags_array([one, -2 * (z + 1)[1:-1], one], offsets=[0, 1, 2], shape=(n - 2, n))
    assert abs(A - wanted).max() == 0
    ones = jb.jacobian(lambda z: np.stack([z, z, 2 * z], axis=1)).compile(z, forms=["sparse"])
    B = ones.sparse(z)
    np.testing.assert_array_equal(B.data.reshape(n, 3), np.ones((n, 1)) * [1, 1, 2])


@pytest.mark.parametrize("form", [form for form in FORMATS if form not in ("dok", "lil")])
def test_out_is_overwritten_whole(form: Any) -> None:
    """Padding, too: blocks and diagonals hold numbers that are no entry's."""
    c = jb.jacobian(stencil).compile(x, forms=["sparse"])
    A = c.sparse(x, format=form)
    A.data[...] = np.nan
    c.sparse(x + 1, format=form, out=A)
    np.testing.assert_allclose(A.toarray(), differences(stencil, x + 1), atol=1e-12)
    assert A.nnz == A.copy().nnz


def test_entries_of_several_terms_are_stored_once() -> None:
    found = jb.jacobian(twice)(x).sparse("coo")
    rows = set(zip(*(axis.tolist() for axis in found.coords), strict=True))
    assert len(rows) == found.nnz
    np.testing.assert_allclose(found.toarray(), differences(twice, x), atol=1e-12)
