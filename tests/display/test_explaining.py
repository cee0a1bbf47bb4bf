"""Explanations against the dense tensor: every entry of every kind of structure."""

import json
import pickle
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from tests.display.cases import FUNCTIONS, jacobian, random


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_entry_is_explained(name: str) -> None:
    J = jacobian(name)
    D = J.explicit()
    rng = np.random.default_rng(1)
    places = list(np.ndindex(D.shape))
    for n in rng.permutation(len(places))[:60]:
        found = J.explain(*places[n])
        assert found.index == places[n]
        assert found.value == J[places[n]]
        assert found.value == pytest.approx(D[places[n]], rel=1e-12, abs=1e-15)
        assert sum(term.value for term in found.terms) == pytest.approx(found.value, rel=1e-12)
        for term in found.terms:
            zero = not all(delta.value for delta in term.deltas)
            if zero:
                assert (term.value, term.entries, term.contributions) == (0, (), ())
            elif term.count == 1:
                product = term.coefficient * np.prod([entry.value for entry in term.entries])
                assert term.value == pytest.approx(product, rel=1e-12)
            elif term.count <= 3:
                inside = sum(c.value for c in term.contributions)
                product = term.coefficient * np.prod([entry.value for entry in term.entries])
                assert term.value == pytest.approx(product * inside, rel=1e-12)
        assert all(len(line) <= 80 for line in str(found).splitlines())


def test_a_delta_and_an_entry_in_words() -> None:
    B, C = random(2, 3), np.arange(12.0).reshape(3, 4)
    J = jb.ops.matmul.jacobian(B, C, wrt="B")
    assert str(J.explain(1, 2, 0, 1)) == (
        "∂A_ij/∂B_kl at i = 1, j = 2, k = 0, l = 1 is 0\nδ_ik C_lj\n  δ_ik: i = 1, k = 0, so 0"
    )
    assert str(J.explain(1, -1, -1, 1)) == (
        "∂A_ij/∂B_kl at i = 1, j = 3, k = 1, l = 1 is 7\n"
        "δ_ik C_lj\n  δ_ik: i = 1, k = 1, so 1\n  C[1, 3] = 7"
    )
    assert J.explain(1, -1, -1, 1).index == (1, 3, 1, 1)
    assert repr(J.explain(0, 0, 0, 0)) == str(J.explain(0, 0, 0, 0))


def test_positions_that_are_computed_from_letters() -> None:
    text = str(jb.jacobian(lambda x: x[1::2])(random(6)).explain(1, 2))
    assert "δ_(2i+1,k): 2i+1 = 3, k = 2, so 0" in text
    text = str(jb.jacobian(np.ravel)(random(2, 3)).explain(4, 1, 1))
    assert "δ_(i,3k+l): i = 4, 3k+l = 4, so 1" in text
    table = jb.jacobian(lambda x: x[[2, 0, 0, 1]])(random(3))
    assert "δ_(t(i)+2,k): t(i)+2 = 0, k = 1, so 0" in str(table.explain(2, 1))
    assert "δ_(t(i)+2,k): t(i)+2 = 1, k = 1, so 1" in str(table.explain(3, 1))


def test_letters_that_are_no_axis() -> None:
    J = jb.jacobian(lambda x: np.convolve(x, [1.0, 2.0, -1.0]))(random(5))
    text = str(J.explain(3, 2))
    assert "i = 3 for r = 1, k = 2, so 1" in text
    assert "= 2" in text.splitlines()[-1]
    assert "i = 3, which no r gives, so 0" in str(J.explain(3, 4))
    joined = jb.jacobian(lambda x: np.concatenate([x[3:], x[:2] * x[1:3]]))(random(5))
    text = str(joined.explain(3, 2))
    assert "which no r of those gives, so 0" in text
    assert joined.explain(3, 2).terms[1].value == 0 != joined.explain(3, 2).terms[0].value


def test_sums_list_their_largest_contributions() -> None:
    B, C = random(4, 7), random(7, 2)
    B[1, 3] = -9
    J = jb.ops.einsum.jacobian("ij,jk,kl->il", random(3, 4), B, C, wrt=0)
    found = J.explain(2, 1, 2, 1).terms[0]
    products = B[1] * C[:, 1]
    order = np.argsort(-np.abs(products))[:3]
    assert found.count == 7
    assert found.summed == "r = 0…6"
    assert [c.at for c in found.contributions] == [f"r = {n}" for n in order]
    np.testing.assert_allclose([c.value for c in found.contributions], products[order])
    first = found.contributions[0]
    assert [e.name for e in first.entries] == ["B[1, 3]", "C[3, 1]"]
    assert [e.value for e in first.entries] == [B[1, 3], C[3, 1]]
    assert "the largest 3 of 7" in str(J.explain(2, 1, 2, 1))


def test_several_terms_and_coefficients() -> None:
    X = random(2, 3)
    J = 3 * jb.jacobian(lambda X: X.T @ X)(X)
    found = J.explain(1, 1, 0, 1)
    assert [term.value for term in found.terms] == pytest.approx([3 * X[0, 1]] * 2)
    assert str(found).count("times 3") == 2
    assert str(found).count("the term is") == 2


def test_masks_say_what_they_rule_out() -> None:
    x = np.array([-1.0, 2.0])
    J = jb.jacobian(lambda x: np.where(x > 0, np.log(np.abs(x)), 0))(x)
    lines = str(J.explain(0, 0))
    assert "is False, so 0" in lines
    assert J.explain(0, 0).value == 0
    assert "is True" in str(J.explain(1, 1))
    assert J.explain(1, 1).value == 0.5


def test_nan_and_no_terms() -> None:
    C = random(3, 2)
    C[1, 1] = np.nan
    J = jb.ops.matmul.jacobian(random(2, 3), C, wrt="B")
    assert np.isnan(J.explain(0, 1, 0, 1).value)
    assert "C[1, 1] = nan" in str(J.explain(0, 1, 0, 1))
    assert J.explain(0, 1, 1, 1).value == 0
    assert "it has no terms" in str((J * 0).explain(0, 0, 0, 0))


def test_a_pickled_tensor_explains_the_same() -> None:
    for name in ("hessian", "inverse", "matrix product"):
        J = jacobian(name)
        copy = pickle.loads(pickle.dumps(J))
        place = (1,) * J.ndim
        assert str(copy.explain(*place)) == str(J.explain(*place))


def test_as_fields_and_in_a_notebook() -> None:
    J = jacobian("gram")
    found = J.explain(1, 1, 0, 1)
    fields = json.loads(json.dumps(found.to_dict()))
    assert fields["index"] == [1, 1, 0, 1]
    assert fields["value"] == found.value
    assert [t["value"] for t in fields["terms"]] == [t.value for t in found.terms]
    assert fields["terms"][0]["deltas"][0].keys() == {"name", "reason", "value"}
    assert isinstance(found, jb.Explanation)

    K = jb.jacobian(lambda a: a * a)(random(2))
    named = jb.JacobianTensor(K.terms, 1, K.operands, dtype=float, names=("<b>&", "X"))
    text = named.explain(0, 1)._repr_html_()
    assert "&lt;b&gt;&amp;" in text
    assert "<b>&" not in text
    assert text.count("<li>") == 2


BAD: list[tuple[tuple[Any, ...], str]] = [
    ((1, 2), r"2 indices for a tensor of 4 axes: i \(2\), j \(4\), k \(2\), l \(3\)"),
    ((0, 0, 0, 0, 0), "5 indices for a tensor of 4 axes"),
    ((0, 4, 0, 0), r"index 4 is out of range for axis 1 \(j\) of size 4"),
    ((0, 0, -3, 0), r"index -3 is out of range for axis 2 \(k\) of size 2"),
    ((0, 0, 0, 1.0), r"the index of axis 3 \(l\) of size 3 must be an integer, not float"),
    ((slice(None), 0, 0, 0), r"the index of axis 0 \(i\) of size 2 must be an integer, not slice"),
]


@pytest.mark.parametrize(("index", "message"), BAD)
def test_bad_indices_name_the_axis(index: tuple[Any, ...], message: str) -> None:
    J = jb.ops.matmul.jacobian(random(2, 3), random(3, 4), wrt="B")
    with pytest.raises(jb.ShapeError, match=message):
        J.explain(*index)


def test_explaining_a_large_tensor_makes_no_dense_one() -> None:
    J = jb.ops.matmul.jacobian(random(300, 300), random(300, 300), wrt="B")
    C = random(300, 300)
    assert J.explain(5, 7, 5, 9).value == C[9, 7]
    long = jb.ops.einsum.jacobian("ij,jk,kl->il", random(2, 3), random(3, 9), random(9, 2), wrt=0)
    assert long.explain(0, 0, 0, 0).terms[0].count == 9
