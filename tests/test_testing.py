"""``jb.testing``: a right derivative passes, a wrong one fails with the report of ``jb.check``."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import jacobians as jb

RNG = np.random.default_rng(7)
W, V = RNG.normal(size=(3, 4)), RNG.normal(size=4)


def layer(W: Any, x: Any) -> Any:
    return np.tanh(W @ x)


def backward(G: Any, W: Any, x: Any) -> Any:
    return np.outer(G * (1 - np.tanh(W @ x) ** 2), x)


def test_assert_jacobian_passes_and_fails_with_the_report() -> None:
    assert jb.testing.assert_jacobian(layer, W, V, vjp=backward) is None
    with pytest.raises(AssertionError) as caught:
        jb.testing.assert_jacobian(layer, W, V, vjp=lambda G, W, x: -backward(G, W, x))
    assert isinstance(caught.value, jb.VerificationError)
    assert str(caught.value) == str(jb.check(layer, W, V, vjp=lambda G, W, x: -backward(G, W, x)))
    assert "sign" in str(caught.value)


def test_checking_needs_no_pytest() -> None:
    code = (
        "import sys, numpy as np, jacobians as jb\n"
        "jb.testing.assert_jacobian(np.sin, np.ones(3), vjp=lambda G, x: G * np.cos(x))\n"
        "print('pytest' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
