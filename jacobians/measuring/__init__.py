"""Measuring: contenders in turn, on what machine, and how time and memory grow with size.

Peers (JAX, PyTorch, autograd, asdex) and matplotlib are imported where they are used.

Floor 10. Imports errors, ground, display, transforms.
"""
