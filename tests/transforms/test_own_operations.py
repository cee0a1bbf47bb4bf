"""A compiled function that uses a user's own operation prints a source that takes it as a parameter."""

from typing import Any

import numpy as np

import jacobians as jb

x = np.array([0.3, -1.2, 2.0])


def run_alone(c: Any, *args: Any) -> Any:
    space: dict[str, Any] = {}
    exec(c.source, space)
    return space["derivative"](*args, **c.constants)


def test_the_function_is_handed_in() -> None:
    def value(X: Any) -> Any:
        return np.logaddexp(0, X)

    softplus = jb.operation("softplus", value=value, X=lambda X, Y: 1 - np.exp(-Y))
    c = jb.grad(lambda x: np.sum(softplus(x) ** 2)).compile(x)
    assert c.constants == {"softplus": value}
    assert c.constants["softplus"] is value
    assert "import numpy as np\n\n\ndef derivative(x, softplus, out=None" in c.source
    wanted = 2 * np.logaddexp(0, x) / (1 + np.exp(-x))
    np.testing.assert_allclose(c(x), wanted)
    np.testing.assert_allclose(run_alone(c, x), wanted)


def test_a_name_that_an_argument_has() -> None:
    double = jb.operation("x", "Y_nm = x(X_nm)", "∂Y_ij/∂X_kl = 2 δ_ik δ_jl", value=lambda X: 2 * X)
    X = np.arange(6.0).reshape(2, 3)
    c = jb.grad(lambda x: np.sum(double(x) * double(x))).compile(X)
    assert list(c.constants) == ["x_"]
    np.testing.assert_allclose(run_alone(c, X), 8 * X)


def test_arrays_beside_it() -> None:
    scale = np.array([1.0, 2.0, 3.0])
    cube = jb.operation("cube", value=lambda X: X**3, X=lambda X, Y: 3 * X**2)
    c = jb.jacobian(lambda x: cube(scale * x)).compile(x)
    assert set(c.constants) >= {"scale"}
    np.testing.assert_allclose(run_alone(c, x), np.diag(3 * scale**3 * x**2))
    np.testing.assert_allclose(c.dense(x), np.diag(3 * scale**3 * x**2))
