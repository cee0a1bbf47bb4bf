"""Running the NumPy text that a derivation wrote."""

from collections.abc import Callable
from typing import Any


def run_program(text: str) -> Callable[..., Any]:
    """The function that a program of ours defines."""
    space: dict[str, Any] = {}
    exec(compile(text, "<derivation>", "exec"), space)
    found: Callable[..., Any] = space["derivative"]
    return found
