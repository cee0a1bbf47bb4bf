"""MathML of formulas: well formed, escaped, and what each form of LaTeX becomes."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

import jacobians as jb
from jacobians.display.mathml import mathml, mathml_terms
from tests.cases import CASES

TAGS = {"math", "mrow", "mi", "mn", "mo", "msub", "msup", "msubsup", "mfrac", "msqrt", "mspace"}
HIDDEN = dict.fromkeys(map(ord, "\u2061\u2062\u2063"))


def parsed(latex: str) -> ET.Element:
    return ET.fromstring(mathml(latex))


def shape(element: ET.Element) -> str:
    """The tree in brief: ``msub(C,lj)``; rows are their contents."""
    inside = [shape(child) for child in element]
    if element.tag in ("math", "mrow"):
        return "".join(inside)
    text = (element.text or "").translate(HIDDEN)
    return f"{element.tag}({','.join(inside)})" if inside else text


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\delta_{ik} C_{lj}", "msub(δ,ik)msub(C,lj)"),
        (r"-(X^{-1})_{ik} (X^{-1})_{lj}", "−msub((msup(X,−1)),ik)msub((msup(X,−1)),lj)"),
        (r"(V^{\top} V)_{jl}", "msub((msup(V,⊤)V),jl)"),
        (r"{X^{-1}}^{\top}", "msup(msup(X,−1),⊤)"),
        (r"\frac{1}{\det(X)}", "mfrac(1,det(X))"),
        (r"\tfrac{1}{2} \lVert y - t \rVert^2", "mfrac(1,2)msup(‖y−t‖,2)"),
        (r"\sqrt{x_{i}}", "msqrt(msub(x,i))"),
        (r"1 - \tanh(X_{ij})^2", "1−tanhmsup((msub(X,ij)),2)"),
        (r"\delta_{2i+1,j} x_{i-1}", "msub(δ,2i+1,j)msub(x,i−1)"),
        (r"x_{ij}^{-3}", "msubsup(x,ij,−3)"),
        (r"A'_{ij} A''_{kl}", "msubsup(A,ij,′)msubsup(A,kl,′′)"),
        (r"\mathrm{my\_name}_{t(i)}", "msub(my_name,t(i))"),
        (r"\frac{\partial A_{ij}}{\partial B_{kl}}", "mfrac(∂msub(A,ij),∂msub(B,kl))"),
        (r"|x_{i}| [x > 0]", "|msub(x,i)|[x>0]"),
        (r"\lambda(X)_{k} \Sigma", "λmsub((X),k)Σ"),
        (r"1e-10 x", "1e−10x"),
        (r"\log |\det(X)|", "log|det(X)|"),
    ],
)
def test_forms(latex: str, expected: str) -> None:
    assert shape(parsed(latex)) == expected


def test_neighbours_are_kept_apart() -> None:
    """A product, the use of a function and two indices have Unicode's invisible operators."""
    product = "".join(parsed("W x").itertext())
    assert product == "W\u2062x"
    assert "".join(parsed(r"\exp(x)").itertext()) == "exp\u2061(x)"
    assert "".join(parsed("C_{lj}").itertext()) == "Cl\u2063j"


@pytest.mark.parametrize(
    ("latex", "seen"),
    [
        ("", ""),
        ("}", ""),
        ("}a}b", "ab"),
        ("a_{", "a"),
        ("a_{b", "ab"),
        (r"\frac{1", "1"),
        (r"\frac", ""),
        ("^2", "2"),
        ("_", ""),
        ("(a", "(a"),
        ("a)", "a)"),
        ("|a", "|a"),
        (r"\lVert a", "‖a"),
        (r"\unknown x", "unknownx"),
        ("\\", "\\"),
        ("a_i_j^k^l", "aijkl"),
    ],
)
def test_what_is_not_balanced_is_shown_as_it_stands(latex: str, seen: str) -> None:
    assert "".join(parsed(latex).itertext()).translate(HIDDEN) == seen


def test_escaped() -> None:
    made = mathml(r"\mathrm{<script>&amp;}_{<b>}")
    assert "<script" not in made
    assert "<b" not in made
    assert "".join(ET.fromstring(made).itertext()).startswith("<script>&amp;")


def test_a_sum_comes_apart_before_its_signs() -> None:
    parts = mathml_terms(r"-a_{i} + b (c - d) - e^{-1}")
    assert [shape(ET.fromstring(part)) for part in parts] == [
        "−msub(a,i)",
        "+b(c−d)",
        "−msup(e,−1)",
    ]
    assert 'form="infix">+' in parts[1]
    assert "infix" not in parts[0]


@pytest.mark.parametrize("name", sorted({case.operation for case in CASES} - {"einsum"}))
def test_every_operation(name: str) -> None:
    """Well formed, and no command or brace of LaTeX is left over."""
    operation = jb.ops[name]
    for argument in operation.arguments:
        root = parsed(operation.latex(argument))
        assert {e.tag for e in root.iter()} <= TAGS
        assert not set("".join(root.itertext())) & set("\\{}_^$")


def test_operations_that_declare_no_latex() -> None:
    """Their notation is translated: words upright, powers raised."""
    A = np.array([[2.0, 1.0], [0.5, 3.0], [1.0, 1.0]])
    latex = jb.jacobian(lambda A: np.linalg.pinv(A))(A).latex()
    assert "(A^{\\top} A)^{-1}" in latex
    assert latex.isascii()
    assert "msup((msup(A,⊤)A),−1)" in shape(parsed(latex))
    S = A[:2] @ A[:2].T
    assert "\\mathrm{" in jb.jacobian(lambda S: np.linalg.svd(S)[0])(S).latex()
