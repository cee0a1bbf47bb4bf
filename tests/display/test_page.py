"""Pages and notebook forms: their numbers, their structure, and that nothing in them can load or run."""

import base64
import hashlib
import json
import math
import re
import tracemalloc
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.display.page import tensor_fragment, tensor_page
from jacobians.graph.node import Node
from jacobians.notation.terms import relabelled
from tests.cases import CASES

RNG = np.random.default_rng(3)
B, C = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 5))
EVIL = "<script>alert('x')</script>\" onload=\"alert(1)&amp;"
VOID = {"br", "meta", "col", "hr", "img"}


class Reader(HTMLParser):
    """Elements with attributes and texts; fails on one that is not closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"{tag} has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def text_in(self, tag: str) -> list[str]:
        return [text for place, text in self.texts if place == tag]

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def facts(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="map-facts">(.*?)</script>', page)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def decoded(data: dict[str, Any]) -> np.ndarray:
    """The map's cells; nan where the structure rules a value out."""
    cells = np.full(data["shape"], np.nan)
    values = iter(data["values"])
    for row, column, length in np.reshape(data["runs"], (-1, 3)):
        for n in range(length):
            cells[row, column + n] = float(next(values))
    assert next(values, None) is None
    return cells


def by_hand(J: jb.JacobianTensor) -> np.ndarray:
    """The tensor as blocks, entry by entry: the last axis of output and of input goes across."""
    dense = J.dense()
    out, inner = J.out_shape, J.in_shape
    across = out[-1] if len(out) > 1 else 1
    wide = inner[-1] if inner else 1
    high = math.prod(inner) // wide
    rows = math.prod(out) // across * high
    cells = np.empty((rows, across * wide))
    for number, place in enumerate(product(*map(range, out))):
        block_row, block_column = divmod(number, across)
        block = dense[place].reshape(high, wide)
        for k, l in product(range(high), range(wide)):
            cells[block_row * high + k, block_column * wide + l] = block[k, l]
    return cells


def tensors() -> dict[str, jb.JacobianTensor]:
    x, t = RNG.normal(size=3), RNG.normal(size=4)
    T, U, V = RNG.normal(size=(6, 5)), RNG.normal(size=(6, 2)), RNG.normal(size=(5, 2))
    return {
        "matmul": jb.ops.matmul.jacobian(B, C, wrt="B"),
        "softmax": jb.ops.softmax.jacobian(RNG.normal(size=7)),
        "inverse": jb.ops.inv.jacobian(RNG.normal(size=(3, 3)) + 3 * np.eye(3)),
        "gradient": jb.jacobian(lambda W: 0.5 * np.sum((W @ x - t) ** 2))(RNG.normal(size=(4, 3))),
        "hessian": jb.hessian(lambda U: 0.5 * np.sum((T - U @ V.T) ** 2))(U),
        "layer": jb.jacobian(lambda W: np.tanh(W @ x))(RNG.normal(size=(4, 3))),
        "batch": jb.jacobian(lambda A: A @ np.ones((2, 3, 4)))(RNG.normal(size=(2, 5, 3))),
        "scalar": jb.jacobian(lambda a: a**3)(2.0),
        "by a number": jb.jacobian(lambda a: a * B)(2.0),
        "float32": jb.jacobian(np.sin)(RNG.normal(size=4).astype(np.float32)),
        "bands": jb.jacobian(lambda x: np.convolve(x, [1.0, 0.0, 3.0]))(RNG.normal(size=9)),
        "far": jb.jacobian(np.exp)(np.array([0.0, 0.1, -0.2, 30.0, 0.3, 0.1, *[0.0] * 20])),
    }


TENSORS = tensors()
EACH = pytest.mark.parametrize("J", TENSORS.values(), ids=TENSORS)


@EACH
def test_the_map_has_the_tensors_entries(J: jb.JacobianTensor) -> None:
    cells, expected = decoded(facts(tensor_page(J))), by_hand(J)
    assert cells.shape == expected.shape
    ruled_out = np.isnan(cells)
    assert ruled_out.sum() == J.size - J.nnz
    assert np.all(expected[ruled_out] == 0)
    assert np.array_equal(cells[~ruled_out].astype(J.dtype), expected[~ruled_out])


@EACH
def test_the_drawing_has_the_sign_of_each_entry(J: jb.JacobianTensor) -> None:
    """Which path covers the middle of a cell says its sign, and whether it can be nonzero."""
    page = tensor_page(J)
    data, expected = facts(page), by_hand(J)
    drawing = re.search(r'<svg viewBox[^>]*role="img".*?</svg>', page)
    assert drawing is not None
    shade = np.full(expected.shape, "", dtype=object)
    middles = [
        [
            n * data["size"][d] + n // data["block"][d] * data["gaps"][d] + data["size"][d] / 2
            for n in range(expected.shape[d])
        ]
        for d in (0, 1)
    ]
    for name, path in re.findall(r'<path class="(\w+)" d="([^"]*)"', drawing[0]):
        for x, y, width, height in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)", path):
            rows = [n for n, at in enumerate(middles[0]) if 0 <= at - int(y) < int(height)]
            columns = [n for n, at in enumerate(middles[1]) if 0 <= at - int(x) < int(width)]
            if name != "beyond":
                shade[np.ix_(rows, columns)] = name[0]
    possible = ~np.isnan(decoded(data))
    names = np.where(expected > 0, "p", np.where(expected < 0, "n", "z"))
    assert np.array_equal(shade, np.where(possible, names, "e"))


def test_what_lies_beyond_the_scale_is_marked() -> None:
    page = tensor_page(TENSORS["far"])
    assert "1 beyond the scale, up to 1.07e+13" in page
    assert page.count('class="beyond"') == 2  # the mark, and its explanation


def test_values_that_are_no_numbers() -> None:
    with np.errstate(all="ignore"):
        J = jb.ops.log.jacobian(np.array([0.0, 1.0, np.nan]))
    page = tensor_page(J)
    assert "1 nan, 1 infinite" in page
    assert facts(page)["values"] == ["inf", 1.0, "nan"]


@EACH
def test_pages_are_sound(J: jb.JacobianTensor) -> None:
    page = tensor_page(J, "f(x)")
    read = Reader(page)
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for _, attributes in read.elements:
        for name in ("aria-labelledby", "aria-describedby", "data-facts", "data-output"):
            assert attributes.get(name) in (None, *ids)
        if "role" in attributes or attributes.get("tabindex"):
            assert "aria-label" in attributes
    assert read.all("html") == [{"lang": "en"}]
    assert read.text_in("title") == [f"f(x): {J.title}"]
    assert [tag for tag, _ in read.elements if re.fullmatch("h[12]", tag)] == ["h1", *["h2"] * 4]
    assert all("scope" in cell for cell in read.all("th"))


@EACH
def test_formulas_are_well_formed(J: jb.JacobianTensor) -> None:
    page = tensor_page(J)
    formulas = [ET.fromstring(text) for text in re.findall("<math.*?</math>", page)]
    assert len(formulas) >= 4
    written = ["".join(formula.itertext()) for formula in formulas]
    hidden = str.maketrans("", "", "\u2061\u2062\u2063 ")
    plain = "".join(written).translate(hidden)
    for letter in set(re.findall(r"[A-ZΑ-Ωα-ω]", J.formula())):
        assert letter in plain


@EACH
def test_nothing_is_loaded_and_no_other_script_runs(J: jb.JacobianTensor) -> None:
    page = tensor_page(J)
    assert "http:" not in page
    assert "https:" not in page
    assert "url(" not in page
    assert "@import" not in page
    read = Reader(page)
    assert not {"link", "iframe", "img", "object", "embed", "base", "form"} & {
        tag for tag, _ in read.elements
    }
    for _, attributes in read.elements:
        assert not {"src", "href", "srcset", "action"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
    policy = next(m["content"] for m in read.all("meta") if "http-equiv" in m)
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def named(names: tuple[str, str]) -> jb.JacobianTensor:
    J = TENSORS["matmul"]
    return jb.JacobianTensor(J.terms, J.out_ndim, J.operands, dtype=J.dtype, names=names)


@pytest.mark.parametrize("names", [(EVIL, "B"), ("A", EVIL), ("</title><b>", "</script><i>")])
def test_names_are_escaped(names: tuple[str, str]) -> None:
    plain = [tag for tag, _ in Reader(tensor_page(named(("A", "B")), "matmul")).elements]
    page = tensor_page(named(names), EVIL)
    read = Reader(page)
    kinds = {tag for tag, _ in read.elements}
    assert kinds <= set(plain)
    assert len(read.all("script")) == 2
    assert facts(page)["names"] == list(names)
    assert names[0] in "".join(text for _, text in read.texts)
    assert "<script>alert" not in page
    fragment = tensor_fragment(named(names))
    assert {tag for tag, _ in Reader(fragment).elements} <= {*plain, "div"}


def test_the_name_of_an_operand_is_escaped() -> None:
    J = TENSORS["matmul"]
    (node,) = J.operands
    evil = Node(None, (), (), node.shape, node.dtype, name=EVIL)
    made = jb.JacobianTensor(
        relabelled(J.terms, lambda _: evil), 2, {evil: J.operands[node]}, dtype=J.dtype
    )
    assert EVIL in made.formula()
    for text in (tensor_page(made), tensor_fragment(made)):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text
        assert len(Reader(text).all("script")) == (2 if "<main>" in text else 0)


def test_large_tensors_are_shown_by_norms() -> None:
    """Each cell is the root of the sum of squares of the entries that its axes' edges say."""
    X = RNG.normal(size=(5, 37))
    J = jb.ops.softmax.jacobian(X)
    data = facts(tensor_page(J))
    assert not data["exact"]
    cells, dense = decoded(data), J.dense()
    groups = {}
    for letter, edges in [*data["rows"], *data["columns"]]:
        ends = edges if isinstance(edges, list) else list(range(edges + 1))
        groups[letter] = [slice(a, b) for a, b in pairwise(ends)]
    rows = list(product(*(groups[letter] for letter, _ in data["rows"])))
    columns = list(product(*(groups[letter] for letter, _ in data["columns"])))
    assert cells.shape == (len(rows), len(columns))
    assert cells.size < dense.size
    letters = [letter for letter, _ in [*data["rows"], *data["columns"]]]
    for r, row in enumerate(rows[:20]):
        for c, column in enumerate(columns[:20]):
            at = dict(zip(letters, (*row, *column), strict=True))
            expected = np.sqrt(np.sum(dense[tuple(at[letter] for letter in J.axes)] ** 2))
            assert cells[r, c] == pytest.approx(expected, rel=1e-5)


def test_a_huge_tensor_makes_a_small_page_and_no_array_of_its_size() -> None:
    J = jb.ops.matmul.jacobian(RNG.normal(size=(300, 200)), RNG.normal(size=(200, 400)), wrt="B")
    tracemalloc.start()
    page = tensor_page(J)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert J.size * 8 > 5e10
    assert peak < 1e8
    assert len(page.encode()) < 500_000
    assert "7,200,000,000 entries are too many to show one by one" in page
    assert decoded(facts(page)).shape == (100, 100)
    shown = tensor_fragment(J)  # a notebook has a picture of it, by norms of blocks
    assert shown.count("<svg") == 1
    assert len(shown) < 200_000


def test_the_example_is_a_seeded_gradient() -> None:
    page = tensor_page(TENSORS["matmul"])
    G = np.round(np.random.default_rng(0).standard_normal((4, 5)), 2)
    captions = dict(re.findall(r"<caption>(.*?)</caption>(.*?)</table>", page))
    for name, array in (("G, random with seed 0", G), ("∂L/∂B", G @ C.T)):
        cells = re.findall(r"<td>(.*?)</td>", captions[name])
        shown = np.reshape([float(cell.replace("−", "-")) for cell in cells], array.shape)
        assert np.allclose(shown, array, rtol=6e-3)
    assert "The sum over the full tensor, 240 entries, gives the same numbers" in page


def test_the_costs_are_those_of_the_tensor() -> None:
    J = TENSORS["matmul"]
    page, cost = tensor_page(J), J.cost()
    rows = re.findall(r'<tr><th scope="row">(\w+).*?<td>([\d,]+)<', page.partition('id="cost"')[2])
    found = {name: int(flops.replace(",", "")) for name, flops in rows}
    assert found["explicit"] == cost.explicit.flops == 240
    assert found["contracted"] == cost.vjp.flops == 120


def test_no_entries() -> None:
    page = tensor_page(jb.jacobian(lambda x: 2 * x)(np.ones((0, 3))))
    Reader(page)
    assert "There are none: an axis has size 0." in page
    assert Reader(tensor_fragment(jb.jacobian(lambda x: 2 * x)(np.ones((0, 3)))))


@pytest.mark.parametrize("case", CASES[::5], ids=[case.name for case in CASES[::5]])
def test_every_operation_has_a_page(case: Any) -> None:
    operation = jb.ops[case.operation]
    J = operation.jacobian(*case.parameters, *case.arrays(), wrt=0)
    Reader(tensor_page(J))
    Reader(J._repr_html_())


# Files


def test_to_html_writes_utf8_and_returns_the_path(tmp_path: Path) -> None:
    J = TENSORS["matmul"]
    target = tmp_path / "ä.html"
    target.write_text("old")
    assert J.to_html(str(target)) == target
    written = target.read_bytes().decode("utf-8")
    assert written.startswith("<!DOCTYPE html>")
    assert "δ" in written
    assert "\r" not in written
    J.to_html(target, heading="matmul(B, C)")
    assert "matmul(B, C): ∂A_ij/∂B_kl</title>" in target.read_text(encoding="utf-8")


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    J = TENSORS["matmul"]
    with pytest.raises(jb.JacobiansError, match=r"no folder .*missing; make it first"):
        J.to_html(tmp_path / "missing" / "page.html")
    with pytest.raises(jb.JacobiansError, match="cannot be written: Is a directory"):
        J.to_html(tmp_path)
    with pytest.raises(jb.JacobiansError, match="cannot be written: embedded null"):
        J.to_html(tmp_path / "a\0b")
    with pytest.raises(jb.UnsupportedError, match=r"to_html\(\) takes the path of a file, not int"):
        J.to_html(5)  # type: ignore[arg-type]
    J.to_html(tmp_path / "name.html", heading="\udcff")  # a file's name that is no UTF-8
    assert "<title>?: ∂A_ij" in (tmp_path / "name.html").read_text(encoding="utf-8")


# Notebooks


@EACH
def test_notebook_form(J: jb.JacobianTensor) -> None:
    fragment = J._repr_html_()
    read = Reader(fragment)
    assert read.elements[0] == ("div", {"class": "jacobians"})
    assert not read.all("script")
    assert not [a for _, a in read.elements if "id" in a], "cells would share it"
    assert f"{J.nnz:,} of {J.size:,} can be nonzero" in fragment
    assert len(fragment) < 60_000
    style = read.text_in("style")[0]
    for selector in re.findall(r"(?:^|})([^{}@]+){", style.replace("{.jacobians", "{}.jacobians")):
        assert all(".jacobians" in part for part in selector.split(",")), selector


def test_notebook_form_of_a_long_formula() -> None:
    many = [jb.ops.matmul.jacobian(B, RNG.normal(size=(3, 5)), wrt="B") for _ in range(40)]
    J = sum(many[1:], many[0])
    assert J.latex().count("delta") == 40
    assert "∂A_ij/∂B_kl: 40 terms" in J._repr_html_()
    assert J._repr_html_().count("<math") == 0


def test_comparison_in_a_notebook() -> None:
    comparison = jb.compare(TENSORS["matmul"], np.ones((4, 5)))
    made = comparison._repr_html_()
    text = "".join(text for _, text in Reader(made).texts)
    assert "∂A_ij/∂B_kl = δ_ik C_lj" in text
    assert "shortcut: G Cᵀ" in text
    assert "values agree" in text
    evil = comparison._replace(title=EVIL, formula="<b>", shortcut="<i>")._repr_html_()
    assert not {"script", "b", "i"} & {tag for tag, _ in Reader(evil).elements}
    wrong = comparison._replace(largest_difference=1.0)._repr_html_()
    assert "values DIFFER: largest difference 1" in wrong
