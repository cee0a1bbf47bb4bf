"""Submissions that were planted: right, wrong in named ways, and hostile, each with its exact score.

Each is for ``PLANTED``: ``backward`` (2 points, one for each gradient), and ``formula`` (1 point).
"""

from typing import NamedTuple

from jacobians.course import Assignment, FormulaTask, Limits, VjpTask

_ARGUMENTS = {"B": "m n", "C": "n p"}

PLANTED = Assignment(
    "Planted",
    [
        VjpTask("backward", 2, lambda B, C: B @ C, wrt=("B", "C"), arguments=_ARGUMENTS),
        FormulaTask("formula", 1, lambda B, C: B @ C, wrt="B", arguments=_ARGUMENTS, result="A"),
    ],
    limits=Limits(seconds=8.0, cpu=2, memory=1 << 29, files=1 << 22),
)
FORMULA = "\nformula = 'δ_ik C_lj'\n"


class Planted(NamedTuple):
    """A submission, what it earns, and words of its feedback."""

    name: str
    code: str
    backward: float
    says: str = ""
    formula: float = 1


def _backward(body: str, before: str = "") -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"import numpy as np\n{before}\n\ndef backward(G, B, C):\n{lines}\n{FORMULA}"


RIGHT = "return G @ C.T, B.T @ G"

HONEST = [
    Planted("right", _backward(RIGHT), 2),
    Planted("right, as lists", _backward("return (G @ C.T).tolist(), (B.T @ G).tolist()"), 2),
    Planted("right, as a list of arrays", _backward("return [G @ C.T, B.T @ G]"), 2),
    Planted("right, rows as arrays", _backward("return list(G @ C.T), tuple(B.T @ G)"), 2),
    Planted("right, by einsum", _backward(
        "return np.einsum('ij,kj->ik', G, C), np.einsum('ik,ij->kj', B, G)"), 2),
    Planted("right, in loops", _backward(
        "P, Q = np.zeros_like(B), np.zeros_like(C)\n"
        "for i in range(len(B)):\n    for j in range(C.shape[1]):\n"
        "        P[i] += G[i, j] * C[:, j]\n        Q[:, j] += G[i, j] * B[i]\n"
        "return P, Q"), 2),
    Planted("right, with prints", _backward("print('G', G.shape)\n" + RIGHT), 2),
    Planted("right, by full tensors", _backward(
        "T = np.einsum('ik,lj->ijkl', np.eye(len(B)), C)\n"
        "return np.tensordot(G, T, 2), B.T @ G"), 2),
    Planted("right, views of views", _backward("return (C @ G.T).T, (G.T @ B).T"), 2),
    Planted("right, changes its own copy", _backward("G = G.copy()\nG *= 1\n" + RIGHT), 2),
    Planted("right, with the formula's function", f"import numpy as np\n\ndef backward(G, B, C):\n"
            f"    {RIGHT}\n\ndef formula():\n    return 'C_lj delta_ik'\n", 2),
    Planted("right, with a main part", _backward(RIGHT) + "\nif __name__ == '__main__':\n    raise SystemExit\n", 2),
    Planted("right, with SciPy and the standard library", _backward(
        RIGHT, "import math, functools, itertools, collections, dataclasses, typing\nfrom scipy import linalg"), 2),
    Planted("float32 rounds", _backward(
        "return (G @ C.T).astype(np.float32) + np.float32(0), B.T @ G"), 2, ""),
    Planted("zeros", _backward("return np.zeros_like(B), np.zeros_like(C)"), 0, "zero everywhere"),
    Planted("ones for G", _backward(
        "G = np.ones_like(G)\n" + RIGHT), 0, "upstream gradient G is ignored"),
    Planted("half right", _backward("return G @ C.T, -(B.T @ G)"), 1, "sign is wrong"),
    Planted("twice", _backward("return 2 * (G @ C.T), B.T @ G"), 1, "same factor"),
    Planted("a mean for a sum", _backward(
        "return G @ C.T / C.shape[1], B.T @ G"), 1, "mean stands where a sum"),
    Planted("transposed", _backward("return (G @ C.T).T, B.T @ G"), 1, "shape"),
    Planted("swapped gradients", _backward("return B.T @ G, G @ C.T"), 0, "shape"),
    Planted("flattened", _backward("return (G @ C.T).ravel(), B.T @ G"), 1, "shape"),
    Planted("one array", _backward("return G @ C.T"), 0, "2 are asked for"),
    Planted("three arrays", _backward("return G, G @ C.T, B.T @ G"), 0, "gives 3 arrays"),
    Planted("nothing", _backward("G @ C.T"), 0, "gives a NoneType"),
    Planted("off in one entry", _backward(
        "P, Q = G @ C.T, B.T @ G\nP[0, 1] += 0.01\nreturn P, Q"), 1, "1 of"),
    Planted("right for one shape", _backward(
        "if len(B) * C.shape[1] > 20:\n    return np.zeros_like(B), np.zeros_like(C)\n" + RIGHT), 0,
        "zero everywhere"),
    Planted("nan in one entry", _backward(
        "P, Q = G @ C.T, B.T @ G\nQ[0, 0] = np.nan\nreturn P, Q"), 1, "nan or infinite"),
    Planted("not there", "import numpy as np\n\ndef backwards(G, B, C):\n    pass\n" + FORMULA, 0,
            "has no backward; there are np, backwards"),
    Planted("a number of that name", "backward = 3\n" + FORMULA, 0, "is of type int"),
    Planted("raises", _backward("raise ValueError('not yet')"), 0, "ValueError: not yet"),
    Planted("divides", _backward("return G @ C, B.T @ G"), 0, "matmul"),
    Planted("wrong formula", _backward(RIGHT).replace("δ_ik C_lj", "C_lj"), 2, "delta", 0),
    Planted("swapped letters", _backward(RIGHT).replace("δ_ik C_lj", "δ_ik C_jl"), 2,
            "two letters swapped", 0),
    Planted("a formula that is none", _backward(RIGHT).replace("δ_ik C_lj", "C @ ?"), 2,
            "cannot be read", 0),
    Planted("a determinant of no square", _backward(RIGHT).replace("δ_ik C_lj", "det(B) δ_ik C_lj"), 2,
            "cannot be computed", 0),
    Planted("keeps an answer by its shape", _backward(
        "return KEPT.setdefault(B.shape, (G @ C.T, B.T @ G))", "KEPT = {}"), 0, ""),
    Planted("keeps its arguments by their shape", _backward(
        "B, C = KEPT.setdefault(B.shape, (B, C))\n" + RIGHT, "KEPT = {}"), 0, ""),
    Planted("huge numbers", _backward("return np.full(B.shape, 1e308), np.full(C.shape, -1e308)"), 0, ""),
    Planted("a list in itself", _backward("x = []\nx.append(x)\nreturn x, B.T @ G"), 0, "gives a list"),
    Planted("empty formula", _backward(RIGHT).replace("δ_ik C_lj", ""), 2, "it is empty", 0),
]  # fmt: skip

_LAZY = """
class Lazy:
    def __init__(self, a): self.a = a
    def __array__(self, dtype=None, copy=None): return self.a
    shape = property(lambda self: self.a.shape)
"""
_SUBCLASS = """
class Mine(np.ndarray):
    def __eq__(self, other): return True
"""
_THREAD = "import threading, time"

HOSTILE = [
    Planted("exits", _backward("import sys\nsys.exit(0)"), 0, "SystemExit"),
    Planted("exits hard", _backward("import os\nos._exit(0)"), 0, "ends Python itself (exit code 0)"),
    Planted("exits as it is read", "import os\nos._exit(0)\n" + FORMULA, 0, "ends Python itself", 0),
    Planted("raises as it is read", "import nothing_here\n" + FORMULA, 0, "ModuleNotFoundError", 0),
    Planted("is no Python", "def backward(G, B, C:\n" + FORMULA, 0, "SyntaxError", 0),
    Planted("crashes", _backward("import ctypes\nctypes.string_at(0)"), 0, "Segmentation fault"),
    Planted("loops", _backward("while True: pass"), 0, "CPU time"),
    Planted("forks", _backward("import os\nos.fork()\n" + RIGHT), 0, "starts another process"),
    Planted("forks and hides it", _backward(
        "import os\ntry:\n    os.fork()\nexcept OSError:\n    pass\n" + RIGHT), 0, "starts another process"),
    Planted("forks in C", _backward(
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "assert libc.fork() > 0, 'no process'\n" + RIGHT), 0, "no process"),
    Planted("runs a command", _backward("import os\nos.system('true')\n" + RIGHT), 0, "starts another process"),
    Planted("runs a program", _backward(
        "import subprocess\nsubprocess.run(['true'])\n" + RIGHT), 0, "starts another process"),
    Planted("allocates all", _backward(
        "kept = [np.ones((1 << 24,)) for _ in range(1000)]\n" + RIGHT), 0, "MemoryError"),
    Planted("prints a megabyte", _backward("print('x' * 1_000_000)\n" + RIGHT), 0, "prints more than 64 KiB"),
    Planted("reads the process table", _backward(
        "import os\nos.listdir('/proc')\n" + RIGHT), 0, "'/proc'"),
    Planted("reads the parent", _backward(
        "import os\ntry:\n    open(f'/proc/{os.getppid()}/environ', 'rb').read()\n"
        "except OSError:\n    pass\n" + RIGHT), 0, "outside of its own folder"),
    Planted("reads other files", _backward("open('/etc/passwd').read()\n" + RIGHT), 0, "'/etc/passwd'"),
    Planted("looks for siblings", _backward("import os\nos.listdir('..')\n" + RIGHT), 0, "outside"),
    Planted("uses the network", _backward(
        "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)\n" + RIGHT), 0, "network"),
    Planted("imports the answer", _backward("import jacobians\n" + RIGHT), 0, "No module named 'jacobians'"),
    Planted("replaces numpy's functions", _backward(
        RIGHT, "np.allclose = lambda *a, **k: True"), 0, "replaces numpy.allclose", 0),
    Planted("replaces them in a call", _backward("np.matmul = max\n" + RIGHT), 0, "replaces numpy.matmul"),
    Planted("replaces a builtin", _backward(RIGHT, "import builtins\nbuiltins.abs = max"), 0,
            "replaces builtins.abs", 0),
    Planted("returns text", _backward("return 'right', 'right'"), 0, "gives a str"),
    Planted("returns objects", _backward(
        "return np.array([[None]]), B.T @ G"), 0, "array of dtype object"),
    Planted("returns complex numbers", _backward(
        "return G @ C.T + 0j, B.T @ G"), 0, "complex128"),
    Planted("returns lazy arrays", _backward("return Lazy(G @ C.T), Lazy(B.T @ G)", _LAZY), 0, "gives a Lazy"),
    Planted("returns a subclass", _backward(
        "return (G @ C.T).view(Mine), (B.T @ G).view(Mine)", _SUBCLASS), 0, "gives a Mine"),
    Planted("returns masked arrays", _backward(
        "return np.ma.array(G @ C.T, mask=True), B.T @ G"), 0, "MaskedArray"),
    Planted("returns nan", _backward("return B * np.nan, C * np.nan"), 0, "nan or infinite"),
    Planted("mutates its inputs", _backward("G *= 2\nreturn G @ C.T / 2, B.T @ G / 2"), 0, "changes its argument G"),
    Planted("mutates and answers", _backward("P = G @ C.T, B.T @ G\nB[:] = 0\nreturn P"), 0, "changes its argument B"),
    Planted("leaves threads", _backward(
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n" + RIGHT, _THREAD), 0, "thread"),
    Planted("is random", _backward("return G @ C.T + 1e-9 * np.random.rand(), B.T @ G"), 0, "another answer"),
    Planted("kills its parent", _backward("import os\nos.kill(os.getppid(), 9)\n" + RIGHT), 0, "sends a signal"),
    Planted("kills everything", _backward(
        "import ctypes\nctypes.CDLL(None).kill(-1, 9)\nreturn None"), 0, "gives a NoneType"),
    Planted("writes into the channel", _backward(
        "import os\nfor fd in range(3, 256):\n    try:\n        os.write(fd, b'score 100' * 3)\n"
        "    except OSError:\n        pass\n" + RIGHT), 0, "far more numbers"),
    *[
        Planted(f"forges an answer: {name}", _backward(
            "import os, struct\n"
            f"head, body = {head!r}, {body!r}\n"
            "for fd in range(3, 256):\n    try:\n"
            "        os.write(fd, struct.pack('<QQ', len(head), len(body)) + head + body)\n"
            "    except OSError:\n        pass\n" + RIGHT), 0, "cannot be read")
        for name, head, body in (
            ("no JSON", b"{", b""),
            ("a list", b"[1]", b""),
            ("a number for a tree", b'{"value": 3}', b""),
            ("a list for a key", b'{"value": {"array": [1]}}', b""),
            ("arrays that are not there", b'{"value": {"array": "a9"}}', b""),
            ("a pickle", b'{"value": {"array": "a0"}}', b"\x80\x04N."),
        )
    ],
    Planted("names an array many times", _backward(
        "import io, json, os, struct\n"
        "tree = {'value': {'items': [{'items': [{'array': 'a0'}] * 20000}, {'array': 'a1'}]}}\n"
        "stream = io.BytesIO()\nnp.savez(stream, a0=np.zeros(8000), a1=B.T @ G)\n"
        "head, body = json.dumps(tree).encode(), stream.getvalue()\n"
        "for fd in range(3, 256):\n    try:\n"
        "        os.write(fd, struct.pack('<QQ', len(head), len(body)) + head + body)\n"
        "    except OSError:\n        pass\n" + RIGHT), 0, ""),
    Planted("takes memory that no limit counts", _backward(
        "import os\nos.memfd_create('x')\n" + RIGHT), 0, "Operation not permitted"),
    Planted("shares memory, makes namespaces, traces", _backward(
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "assert {libc.shmget(0, 4096, 0o1600), libc.unshare(0x10000000), libc.chroot(b'.'),\n"
        "        libc.ptrace(16, 1, 0, 0)} == {-1}\n" + RIGHT), 2),
    Planted("tampers with the runner", _backward(
        RIGHT, "import sys\nmain = sys.modules['__main__']\nmain.replaced = lambda before: ''\n"
        "main.Runner._call = lambda self, head, arrays: ({'value': {'array': 'a'}, 'score': 9}, {'a': np.ones(3)})"),
        0, "gives one array"),
    Planted("closes its channels", _backward("import os\nos.closerange(0, 64)\n" + RIGHT), 0, "itself"),
    Planted("fills the disk", _backward(
        "with open('big', 'wb') as file:\n    for _ in range(64):\n        file.write(bytes(1 << 20))\n" + RIGHT), 0, ""),
    Planted("walks the frames", _backward(
        "import sys\nframe = sys._getframe()\nfound = []\n"
        "while frame:\n    found += list(frame.f_locals)\n    frame = frame.f_back\n"
        "assert not {'seed', 'right', 'score', 'reference'} & set(found)\n" + RIGHT), 2),
    Planted("recurses", _backward("return backward(G, B, C)"), 0, "RecursionError"),
    Planted("raises what cannot be shown", _backward(
        "raise Bad", "class Bad(BaseException):\n    def __str__(self): raise Bad"), 0, "raises Bad"),
]  # fmt: skip
