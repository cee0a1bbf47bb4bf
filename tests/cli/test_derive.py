"""``jacobians derive``, ``catalogue`` and the steps on the page of ``explore``."""

import json
from pathlib import Path

import pytest

from jacobians.cli import main


def test_derive_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["derive", "0.5*norm(W @ x - t)**2", "--wrt", "W", "--shape", "W=3x4", "x=4", "t=3"])
        == 0
    )
    out = capsys.readouterr().out
    assert "∂Y/∂W = (W x − t) xᵀ" in out
    assert max(map(len, out.splitlines())) <= 80
    assert main(["derive", "logdet(X)", "--shape", "X=nxn", "--symmetric", "X"]) == 0
    assert "∂Y/∂X = X⁻¹" in capsys.readouterr().out
    assert (
        main(
            [
                "derive",
                "x' @ A @ x",
                "--shape",
                "x=n",
                "A=nxn",
                "--order",
                "2",
                "--layout",
                "numerator",
            ]
        )
        == 0
    )
    assert "A + Aᵀ" in capsys.readouterr().out


def test_derive_in_other_forms(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["derive", "mean(x .* a)", "--shape", "x=n", "a=n"]
    assert main([*given, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {
        "expression",
        "wrt",
        "shapes",
        "steps",
        "index",
        "matrix",
        "conditions",
        "numpy",
        "latex",
    }
    assert found["matrix"] == "a / n"
    assert main([*given, "--numpy"]) == 0
    assert capsys.readouterr().out.startswith("import numpy as np\n")
    assert main([*given, "--latex"]) == 0
    assert capsys.readouterr().out.startswith("\\begin{align*}")


def test_errors_have_a_caret(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["derive", "tr(A @ )"]) == 2
    assert capsys.readouterr().err.endswith("  tr(A @ )\n         ^\n")


def test_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalogue", "MC 49", "--verify"]) == 0
    assert "1 of 1 hold" in capsys.readouterr().out
    assert main(["catalogue", "MC 49", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["matrix"] == "det(X) X⁻ᵀ"
    assert main(["catalogue", "zebra"]) == 2


def test_the_page_has_the_steps(tmp_path: Path) -> None:
    assert main(["explore", "matmul", "-o", str(tmp_path / "page.html")]) == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<summary>coordinate form</summary><pre>A_ij = Σ_r B_ir C_rj</pre>" in text
