# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A tour: see, verify, contract, benchmark
#
# The derivative of a matrix A(B) by a matrix is a tensor with four axes, `J_ijkl = ∂A_ij/∂B_kl`.
# Here it is seen in full, used to verify a backward pass, contracted away, and timed beside the
# shortcut that replaces it.

# %%
import numpy as np

import jacobians as jb

rng = np.random.default_rng(0)
B, C = rng.normal(size=(3, 4)), rng.normal(size=(4, 5))

# %% [markdown]
# ## See
#
# A Jacobian is kept as what it is: a Kronecker delta times an array. Entries are computed
# where they are looked at.

# %%
J = jb.ops.matmul.jacobian(B, C, wrt="B")
J

# %%
J.shape, J.nnz, J.formula()

# %%
# The explicit tensor is one einsum of an identity matrix and C.
np.array_equal(J.explicit(), np.einsum("ik,lj->ijkl", np.eye(3), C))

# %%
print(J.explain(1, 2, 1, 0))

# %% [markdown]
# ## Verify
#
# A backward pass by hand, and one with a mistake. The report says where it is wrong, and why.


# %%
def layer(W, x):
    return np.tanh(W @ x)


def backward(G, W, x):
    H = G * (1 - np.tanh(W @ x))  # the square is forgotten
    return np.outer(H, x)


W, x = rng.normal(size=(3, 4)), rng.normal(size=4)
report = jb.check(layer, W, x, vjp=backward)
report

# %%
assert not report.ok

# %% [markdown]
# ## Contract
#
# A loss behind A has an upstream gradient G. The sum of G with the full tensor is a product of two matrices.

# %%
G = rng.normal(size=(3, 5))
full = np.tensordot(G, J.dense(), 2)
np.allclose(full, G @ C.T), np.allclose(J.vjp(G), full)

# %%
jb.compare(J, G)

# %% [markdown]
# ## Benchmark
#
# The full tensor has n⁴ numbers; the shortcut reads and writes n².

# %%
sweep = jb.sweep("matmul", sizes=(8, 16, 32), wrt="B", seconds=0.02)
print(sweep)

# %% [markdown]
# ## Grade
#
# The same in a course: an exercise is the forward function, and feedback never shows what is right.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

task = jb.course.VjpTask("backward", 2, layer, arguments={"W": "m n", "x": "n"})
assignment = jb.course.Assignment("One layer", [task])
with TemporaryDirectory() as folder:
    file = Path(folder, "mine.py")
    file.write_text("import numpy as np\n\ndef backward(G, W, x):\n    return np.outer(G, x)\n")
    graded = jb.course.grade(file, assignment)
print(graded)
