"""What NumPy calls functions, by the names of their operations."""

from collections.abc import Iterable

CODES = {
    "exp": "np.exp", "log": "np.log", "tanh": "np.tanh", "sin": "np.sin", "cos": "np.cos", "tan": "np.tan",
    "sign": "np.sign", "absolute": "np.abs", "fabs": "np.abs", "sinh": "np.sinh", "cosh": "np.cosh",
    "arcsin": "np.arcsin", "arccos": "np.arccos", "arctan": "np.arctan", "arcsinh": "np.arcsinh",
    "arccosh": "np.arccosh", "arctanh": "np.arctanh", "floor": "np.floor", "ceil": "np.ceil",
    "log1p": "np.log1p", "expm1": "np.expm1", "exp2": "np.exp2", "log2": "np.log2", "log10": "np.log10",
    "maximum": "np.maximum", "minimum": "np.minimum", "cbrt": "np.cbrt", "arctan2": "np.arctan2",
    "sigmoid": "1 / (1 + np.exp(-{0}))", "relu": "np.maximum({0}, 0)", "expit": "1 / (1 + np.exp(-{0}))",
    "greater": "1.0 * ({0} > {1})", "less": "1.0 * ({0} < {1})", "greater_equal": "1.0 * ({0} >= {1})",
    "less_equal": "1.0 * ({0} <= {1})", "equal": "1.0 * ({0} == {1})", "not_equal": "1.0 * ({0} != {1})",
    "logical_not": "1.0 * np.logical_not({0})", "where": "np.where", "maximum_takes": "1.0 * ({0} >= {1})",
    "minimum_takes": "1.0 * ({0} <= {1})", "share": "np.where({0} == {1}, 0.5, 1.0)",
    "attains": "1.0 * ({0} == {1})", "sum": "np.sum", "max": "np.max", "min": "np.min", "prod": "np.prod",
    "cumprod": "np.cumprod",
    "inside": "1.0 * (({0} >= {1}) & ({0} <= {2}))", "clip": "np.clip", "sinc": "np.sinc",
    "erf": "_erf({0})", "erfc": "(1 - _erf({0}))", "ndtr": "((1 + _erf({0} / np.sqrt(2))) / 2)",
    "gamma": "_gamma({0})", "gammaln": "_gammaln({0})", "digamma": "_digamma({0})",
    **{f"polygamma{n}": f"_polygamma({n}, {{0}})" for n in range(1, 6)},
    "deg2rad": "np.deg2rad", "rad2deg": "np.rad2deg", "radians": "np.radians", "degrees": "np.degrees",
    "heaviside": "np.heaviside", "trunc": "np.trunc", "round": "np.round", "copysign": "np.copysign",
    "fmax": "np.fmax", "fmin": "np.fmin", "logaddexp2": "np.logaddexp2", "logaddexp": "np.logaddexp",
    "logit": "np.log({0} / (1 - {0}))", "log_expit": "-np.logaddexp(0, -{0})",
    "xlogy": "np.where({0} == 0, 0.0, {0} * np.log({1}))",
    "xlog1py": "np.where({0} == 0, 0.0, {0} * np.log1p({1}))",
    "entr": "-{0} * np.log({0})",
}  # fmt: skip


def code_of(name: str, parameters: Iterable[tuple[str, object]]) -> str | None:
    """What NumPy calls an operation with its parameters, None where it has no name."""
    given = dict(parameters)
    if name == "round" and given:
        return f"np.round({{0}}, {given['decimals']})"
    return None if given else CODES.get(name)


def softmax_code(along: str = "") -> str:
    """What computes a softmax without overflow; ``along`` says over which axis."""
    powers = f"np.exp({{0}} - np.max({{0}}{along}))"
    return f"{powers} / np.sum({powers}{along})"
