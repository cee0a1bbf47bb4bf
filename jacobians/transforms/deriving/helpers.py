"""Functions that NumPy has not, as text: programs of derivatives that need them bring them along.

Sources: NIST Digital Library of Mathematical Functions, 5.11 (Stirling), 5.15 (polygamma), 7.2 (erf).
"""

import re

HELPERS = {
    "_erf": '''
def _erf(x):
    t, w = np.polynomial.legendre.leggauss(64)
    x = np.clip(np.asarray(x, float), -6, 6)
    inner = np.exp(-((x[..., None] * (t + 1) / 2) ** 2)) @ w
    return x * inner / np.sqrt(np.pi)
''',
    "_gamma": '''
def _gamma(x):
    x = np.asarray(x, float)
    y = x + 16
    series = 1 / (12 * y) - 1 / (360 * y**3) + 1 / (1260 * y**5) - 1 / (1680 * y**7)
    top = (y - 0.5) * np.log(y) - y + np.log(2 * np.pi) / 2 + series
    below = x[..., None] + np.arange(16)
    size = np.exp(top - np.sum(np.log(np.abs(below)), axis=-1))
    return size * np.prod(np.sign(below), axis=-1)
''',
    "_gammaln": '''
def _gammaln(x):
    x = np.asarray(x, float)
    y = x + 16
    series = 1 / (12 * y) - 1 / (360 * y**3) + 1 / (1260 * y**5) - 1 / (1680 * y**7)
    top = (y - 0.5) * np.log(y) - y + np.log(2 * np.pi) / 2 + series
    return top - np.sum(np.log(np.abs(x[..., None] + np.arange(16))), axis=-1)
''',
    "_digamma": '''
def _digamma(x):
    x = np.asarray(x, float)
    y = x + 16
    series = 1 / (12 * y**2) - 1 / (120 * y**4) + 1 / (252 * y**6) - 1 / (240 * y**8)
    return np.log(y) - 1 / (2 * y) - series - np.sum(1 / (x[..., None] + np.arange(16)), axis=-1)
''',
    "_polygamma": '''
def _polygamma(n, x):
    x = np.asarray(x, float)
    y, whole = x + 16, np.prod(np.arange(1.0, n + 1))
    total = 1 / (n * y**n) + 1 / (2 * y ** (n + 1))
    for k, b in ((2, 1 / 6), (4, -1 / 30), (6, 1 / 42), (8, -1 / 30), (10, 5 / 66)):
        rise = np.prod(np.arange(k + 1.0, k + n)) / whole
        total = total + b * rise / y ** (n + k)
    total = total + np.sum(1 / (x[..., None] + np.arange(16)) ** (n + 1), axis=-1)
    return (-1) ** (n + 1) * whole * total
''',
    "_without": '''
def _without(X, count):
    if count == 0:
        return np.prod(X, axis=-1)
    parts = []
    for i in range(X.shape[-1]):
        others = np.array(X)
        others[..., i] = 1
        part = _without(others, count - 1)
        for axis in range(1, count):
            np.moveaxis(part, -axis, 0)[i] = 0
        parts.append(part)
    return np.stack(parts, axis=-count)
''',
    "_products_before": '''
def _products_before(a):
    ones = np.ones_like(a[..., :1])
    return np.cumprod(np.concatenate([ones, a[..., :-1]], axis=-1), axis=-1)
''',
    "_recurrence": '''
def _recurrence(a, b):
    y = np.array(b, dtype=float)
    for i in range(1, y.shape[-1]):
        y[..., i] += a[..., i] * y[..., i - 1]
    return y
''',
    "_transitions": '''
def _transitions(a):
    T = np.zeros(a.shape + a.shape[-1:])
    for i in range(a.shape[-1]):
        T[..., i, :i] = a[..., i, None] * T[..., i - 1, :i]
        T[..., i, i] = 1
    return T
''',
}  # fmt: skip


def helpers_of(text: str) -> str:
    """The definitions of the functions that a program calls, with two empty lines after each."""
    called = [name for name in HELPERS if re.search(rf"(?<![\w.]){name}\(", text)]
    return "".join(HELPERS[name].lstrip("\n") + "\n\n" for name in called)
