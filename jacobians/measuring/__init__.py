"""Measuring: contenders in turn, on what machine, and how time and memory grow with size.

Between the transforms and the command: it may import everything but ``cli``. Peers (JAX, PyTorch,
autograd, asdex) and matplotlib are imported where they are used.
"""
