"""Every example runs to its end; each ends in assertions of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))

LAST_LINES = {
    "identities.py": "every identity holds for every F",
    "loss_behind_one_layer.py": "the contracted tensor is the outer product ∂L/∂y xᵀ",
    "matrix_by_matrix.py": "the tensor is what the definition says",
    "benchmark_your_gradient.py": "the gradient by hand is right, and the wrong one was not timed",
    "network_of_layers.py": "the network fits, with the gradient in the structure of its parameters",
    "sparse_solver.py": "the three solutions agree",
    "single_layer_network.py": (
        "the gradient is (W x − t) xᵀ, and following it solves the least-squares problem"
    ),
    "vector_by_matrix.py": "∂y_i/∂A_kl = δ_ik x_l",
    "your_own_function.py": (
        "the backward pass is right in every entry, and the mistaken one is found"
    ),
}


def test_there_is_a_last_line_for_each_script():
    assert sorted(LAST_LINES) == SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_example_runs_to_its_end(name, tmp_path):
    found = subprocess.run(
        [sys.executable, "-X", "utf8", "-W", "error", str(EXAMPLES / name)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.splitlines()[-1] == LAST_LINES[name]


@pytest.mark.parametrize("name", SCRIPTS)
def test_example_asserts_and_is_described(name):
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert len(re.findall(r"^ *assert ", text, re.MULTILINE)) >= 3
    assert f"`{name}`" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
