"""A few lines of HTML: elements, tables, fragments for a notebook, and a page that stands alone.

Text becomes markup in one place, ``element``: what is no ``Markup`` is escaped, attributes always.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

_VOID = frozenset({"br", "col", "hr", "img", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, *children: str | None, **attributes: str | int | None) -> Markup:
    """An element; children that are no Markup are escaped, those that are None left out.

    Parameters
    ----------
    name : str
        The element's name.
    *children : str
        What it holds.
    **attributes : str
        ``class_="map"`` is the attribute ``class``, ``data_map`` is ``data-map``; None leaves it out.

    Examples
    --------
    >>> element("p", "a < b", element("br"), class_="note")
    '<p class="note">a &lt; b<br></p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(children: Iterable[str | None]) -> Markup:
    """Pieces side by side, escaped where they are no Markup."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escape(child)
            for child in children
            if child is not None
        )
    )


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, class_: str = "numbers"
) -> Markup:
    """A table whose first column names the rows; empty ``head`` for none."""
    top = element("tr", *(element("th", cell, scope="col") for cell in head)) if head else None
    body = (
        element(
            "tr",
            element("th", first, scope="row"),
            *(element("td", cell) for cell in rest),
        )
        for first, *rest in rows
    )
    return element(
        "table",
        element("caption", caption) if caption else None,
        element("thead", top) if top else None,
        element("tbody", *body),
        class_=class_,
    )


def data_block(name: str, value: Mapping[str, Any]) -> Markup:
    """JSON for the page's script; nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return element("script", Markup(safe), type="application/json", id=name)


@cache
def asset(name: str) -> str:
    """A style sheet or script that lies beside this module."""
    return (files("jacobians.display") / "assets" / name).read_text(encoding="utf-8")


def fragment(*children: str | None) -> Markup:
    """Something for a notebook's cell, with its style; it follows the notebook's theme."""
    return element(
        "div",
        element("style", Markup(palette() + asset("fragment.css"))),
        *children,
        class_="jacobians",
    )


def page(title: str, *children: str | None) -> str:
    """A page that stands alone: its style and script are inside it, and nothing else may load or run."""
    script = asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name_="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(palette() + asset("fragment.css") + asset("page.css"))),
    )
    body = element(
        "body", element("main", *children), element("script", Markup(script)), class_="jacobians"
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


LEVELS = 9  # shades of each sign

# The ends and the middle of the shades of one sign, on light and on dark paper: orange-red above 0,
# blue below, told apart by every common colour vision.
_SHADES = {
    "p": (("#fde4d5", "#dd6a48", "#8a1224"), ("#4a2419", "#d06240", "#ffc9ad")),
    "n": (("#dceaf6", "#4a94c8", "#0a3a78"), ("#172f49", "#3f86cc", "#bfe0ff")),
}  # fmt: skip
_COLOURS = {
    "paper": ("#ffffff", "#14171c"), "ink": ("#1b2430", "#e6e9ee"), "soft": ("#566173", "#a3adbb"),
    "line": ("#d5dbe3", "#343b46"), "card": ("#f9fafc", "#191d23"), "empty": ("#e7ebf1", "#272d36"),
    "zero": ("#c3cad4", "#4d5562"), "bad": ("#a21caf", "#e879f9"), "mark": ("#0b57d0", "#8ab4f8"),
}  # fmt: skip


@cache
def palette() -> str:
    """The colours as CSS variables: light, dark where the system or the notebook is."""
    light, dark = (
        "".join(f"--{name}:{pair[scheme]};" for name, pair in _all_colours().items())
        for scheme in (0, 1)
    )
    dark_notebooks = ('[data-jp-theme-light="false"]', ".vscode-dark", '[data-theme="dark"]')
    light_notebooks = ('[data-jp-theme-light="true"]', ".vscode-light", '[data-theme="light"]')
    return (
        f".jacobians{{color-scheme:light dark;{light}}}"
        f"@media (prefers-color-scheme:dark){{.jacobians{{{dark}}}}}"
        f"{','.join(f'{where} .jacobians' for where in dark_notebooks)}{{color-scheme:dark;{dark}}}"
        f"{','.join(f'{where} .jacobians' for where in light_notebooks)}{{color-scheme:light;{light}}}\n"
    )


def _all_colours() -> dict[str, tuple[str, str]]:
    found = dict(_COLOURS)
    for sign, (light, dark) in _SHADES.items():
        for level in range(LEVELS):
            at = level / (LEVELS - 1)
            found[f"{sign}{level + 1}"] = (_mixed(light, at), _mixed(dark, at))
    return found


def _mixed(stops: tuple[str, str, str], at: float) -> str:
    """A colour between three, at 0 to 1."""
    left, right = stops[:2] if at < 0.5 else stops[1:]
    share = 2 * at if at < 0.5 else 2 * at - 1
    channels = (
        round((1 - share) * int(left[n : n + 2], 16) + share * int(right[n : n + 2], 16))
        for n in (1, 3, 5)
    )
    return "#" + "".join(f"{channel:02x}" for channel in channels)
