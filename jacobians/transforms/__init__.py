"""Jacobians, gradients and Hessians of functions, compiled or not, and ``jb.ops``."""
