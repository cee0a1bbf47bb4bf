"""Shaded cells, and what ``jacobians show`` prints of them."""

import io
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest

import jacobians as jb
from jacobians.cli import main
from jacobians.display.shading import ASCII, UNICODE, shaded
from tests.display.cases import FUNCTIONS, jacobian, random


def product(C: Sequence[Sequence[float]], rows: int = 2) -> jb.JacobianTensor:
    return jb.ops.matmul.jacobian(np.ones((rows, len(C))), np.array(C), wrt="B")


def test_shades_and_signs_block_by_block() -> None:
    J = product([[1.0, -0.3], [0.6, 0.0], [-1.0, 0.1]])
    assert shaded(J) == [
        "██ is 1, −█ is −1, blank is 0",
        "every entry, 2×2 blocks of 2×3",
        "down: blocks i (2), rows k (2); across: blocks j (2), columns l (3)",
        "",
        "██▓▓−█│−▒  ░░",
        "      │",
        "──────┼──────",
        "      │",
        "██▓▓−█│−▒  ░░",
    ]
    assert shaded(J, shades=ASCII)[4:7] == ["##oo-#|-:  ..", "      |", "------+------"]


def test_nan_infinities_and_clipped_values() -> None:
    C = [[np.nan, 1.0, 0.5], [np.inf, -np.inf, 0.2]] + [[0.5, 0.7, 0.9]] * 9 + [[1e5, 1.0, 1.0]]
    lines = shaded(product(C, rows=1), width=200)
    assert lines[0] == (
        "██ is 1, blank is 0, ◆◆ is beyond that, up to 1e+05, ?? is nan, +∞ is infinite"
    )
    assert lines[-1].startswith("??+∞▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓◆◆│██−∞")
    assert shaded(product(C, rows=1), width=200, shades=ASCII)[-1].startswith("??+!oo")


@pytest.mark.parametrize("shades", [UNICODE, ASCII])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_pictures_fit(name: str, shades: object) -> None:
    for width, height in ((80, 24), (30, 9)):
        lines = shaded(jacobian(name), width=width, height=height, shades=shades)  # type: ignore[arg-type]
        body = lines[lines.index("") + 1 :]
        assert 0 < len(body) <= height
        assert max(map(len, body)) <= width


def test_what_is_left_out_is_counted() -> None:
    lines = shaded(jb.ops.matmul.jacobian(random(6, 7), random(7, 9), wrt="B"))
    assert lines[1] == "every entry, 3×3 of 6×9 blocks of 6×7"
    lines = shaded(jb.ops.matmul.jacobian(random(300, 200), random(200, 50), wrt="B"))
    assert lines[1] == "block norms, 24×40 groups of up to 13×2 of 300×50 blocks of 300×200"
    empty = shaded(jb.ops.matmul.jacobian(np.ones((0, 3)), random(3, 2), wrt="B"))
    assert empty == ["no entries: an axis has size 0"]


def test_show_draws_what_is_too_large_to_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "matmul", "--shape", "B=6x7", "C=7x9"]) == 0
    out = capsys.readouterr().out
    assert "every entry, 2×3 of 6×9 blocks of 6×7" in out
    assert out.index("picture: ██ is") < out.index("entries: ")
    assert max(map(len, out.splitlines())) <= 80
    assert main(["show", "matmul", "--shape", "B=2x3", "C=3x5"]) == 0
    assert "picture:" not in capsys.readouterr().out


def test_show_in_a_terminal_without_shades(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["show", "matmul", "--shape", "B=6x7", "C=7x9"]) == 0
    stream.flush()
    text = stream.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "picture: ## is" in text
    assert "-----+-----" in text


def test_show_imports_no_plots() -> None:
    code = (
        "import sys; from jacobians.cli import main\n"
        "main(['show', 'matmul', '--shape', 'B=6x7', 'C=7x9'])\n"
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_latex_for_notebooks() -> None:
    J = product([[1.0, 2.0], [3.0, 4.0]])
    assert J._repr_latex_() == (
        "$\\displaystyle \\frac{\\partial A_{ij}}{\\partial B_{kl}} = \\delta_{ik} C_{lj}$"
    )

    def my_loss(W: object) -> object:
        return np.sum(np.tanh(W) ** 2)  # type: ignore[call-overload]

    H = jb.hessian(my_loss)(random(2, 3))
    assert H._repr_latex_().startswith(
        "$\\displaystyle \\frac{\\partial (\\partial \\mathrm{my\\_loss}/\\partial W)_{ij}}{\\partial W_{kl}} = "
    )
    many = jb.jacobian(lambda x: np.concatenate([np.sin(x[: n + 1]) for n in range(14)]))(
        random(14)
    )
    assert len(many.terms.terms) > 12
    count = len(many.terms.terms)
    assert many._repr_latex_().endswith(f"= \\text{{{count} terms}}$")
