r"""Formulas as MathML, read from the LaTeX that the package writes.

There is one writer of formulas (``notation.writing``); this reads what it writes, so that a page
shows it without a script or a font of its own: ``\delta_{ik} C_{lj}``. Scripts, fractions, roots,
matched fences, Greek letters and names are known; any other command is shown by its name, and what
is not balanced is shown as it stands. Nothing raises, and every character is escaped.
"""

import re
import unicodedata
from html import escape
from typing import NamedTuple

_TOKEN = re.compile(
    r"""\\(?:mathrm|operatorname)\{(?:\\.|[^{}\\])*\}   # a name, taken whole
      | \\[A-Za-z]+ | \\.
      | \d+(?:\.\d+)?(?:e[+-]?\d+)?
      | [^\W\d_]{2,}                                     # a word, or indices side by side
      | [⁺⁻⁰¹²³⁴-⁹ᵀ]+
      | \s+ | .""",
    re.VERBOSE | re.DOTALL,
)
_NAMED = re.compile(r"\\(mathrm|operatorname)\{(.*)\}", re.DOTALL)
_OPERATORS = {
    "\\ne": "≠", "\\le": "≤", "\\ge": "≥", "\\otimes": "⊗", "\\times": "×", "\\cdot": "·",
    "\\lnot": "¬", "\\sum": "∑", "\\odot": "⊙", "\\pm": "±", "-": "−",
}  # fmt: skip
_SYMBOLS = {"\\partial": "∂", "\\top": "⊤", "\\infty": "∞", "\\backslash": "\\", "\\ldots": "…"}
_SPACES = {"\\,": "0.17em", "\\;": "0.28em", "\\:": "0.22em", "\\ ": "0.25em", "\\quad": "1em"}
_FENCES = {
    "(": ")", "[": "]", "|": "|", "\\|": "\\|", "\\{": "\\}", "\\lVert": "\\rVert", "\\lvert": "\\rvert",
    "\\langle": "\\rangle", "\\lfloor": "\\rfloor", "\\lceil": "\\rceil",
}  # fmt: skip
_FENCE_SIGNS = {
    "\\|": "‖", "\\lVert": "‖", "\\rVert": "‖", "\\lvert": "|", "\\rvert": "|", "\\{": "{", "\\}": "}",
    "\\langle": "⟨", "\\rangle": "⟩", "\\lfloor": "⌊", "\\rfloor": "⌋", "\\lceil": "⌈", "\\rceil": "⌉",
}  # fmt: skip
_RAISED = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ", "+-0123456789⊤")
_SUM = "<mo>∑</mo>"
# What is not seen but heard, and keeps its distance: a product, the use of a function, two indices.
_TIMES = '<mo lspace="0" rspace="0.2em">\u2062</mo>'
_APPLY = "<mo>\u2061</mo>"
_APART = '<mo lspace="0" rspace="0.15em">\u2061</mo>'
_INDEX = "<mo>\u2063</mo>"


class _Item(NamedTuple):
    """A piece of a row: its markup, and whether it is an "atom", a "function", a "fence", an "operator"."""

    markup: str
    kind: str = "atom"


def mathml(latex: str, *, block: bool = False) -> str:
    r"""The formula as one ``<math>`` element.

    Parameters
    ----------
    latex : str
        As ``J.latex()`` gives it.
    block : bool
        On a line of its own.

    Examples
    --------
    >>> mathml("x_{k}")
    '<math displaystyle="true"><msub><mi>x</mi><mi>k</mi></msub></math>'
    """
    return _math(_Reader(latex).items(), block)


def mathml_terms(latex: str) -> list[str]:
    """The formula as a ``<math>`` element for each term of a sum: a line may break before each sign."""
    parts: list[list[_Item]] = [[]]
    for item in _Reader(latex).items():
        if item.markup in ("<mo>+</mo>", "<mo>−</mo>") and parts[-1]:
            parts.append([_Item(item.markup.replace("<mo>", '<mo form="infix">'), item.kind)])
        else:
            parts[-1].append(item)
    return [_math(part) for part in parts]


def _math(items: list[_Item], block: bool = False) -> str:
    display = ' display="block"' if block else ' displaystyle="true"'
    return f"<math{display}>{''.join(item.markup for item in items)}</math>"


class _Reader:
    """The LaTeX token by token; a row ends at what closes it."""

    def __init__(self, latex: str) -> None:
        self.tokens: list[str] = _TOKEN.findall(latex)
        self.at = 0
        self.in_script = False

    def items(self) -> list[_Item]:
        """Everything; a brace that closes nothing is passed over."""
        found: list[_Item] = []
        while self.at < len(self.tokens):
            found += self.row(None)
            self.at += 1
        return found

    def row(self, stop: str | None) -> list[_Item]:
        """Items up to a token that closes: ``stop``, which is left to be read, or a brace."""
        found: list[_Item] = []
        spaced = False
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token in (stop, "}"):
                break
            if token.isspace():
                self.at += 1
                spaced = True
                continue
            for item in self.scripted(token):
                between = _between(found[-1], item, spaced, self.in_script) if found else ""
                if between:
                    found.append(_Item(between, "space"))
                found.append(item)
                spaced = False
        return found

    def scripted(self, token: str) -> list[_Item]:
        """An atom with its indices, exponents and primes; the indices of a word go to its last letter."""
        *before, base = self.atom(token)
        below: str | None = None
        above: str | None = None
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token == "_":
                self.at += 1
                if below is not None:
                    base, below, above = _with_scripts(base, below, above), None, None
                below = self.script()
            elif token in ("^", "'") or token[0] in "⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ":
                self.at += 1
                if above is not None and token != "'":
                    base, below, above = _with_scripts(base, below, above), None, None
                if token == "^":
                    above = self.script()
                elif token == "'":
                    above = f"<mrow>{above}<mo>′</mo></mrow>" if above else "<mo>′</mo>"
                else:
                    above = _grouped(_Reader(token.translate(_RAISED)).items())
            else:
                break
        return [*before, _with_scripts(base, below, above)]

    def script(self) -> str:
        """What stands behind ``_`` or ``^``; letters in it are indices, each by itself."""
        outer, self.in_script = self.in_script, True
        found = self.argument()
        self.in_script = outer
        return found

    def argument(self) -> str:
        """A group in braces, or one atom."""
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        if self.at == len(self.tokens) or self.tokens[self.at] == "}":
            return "<mrow></mrow>"
        return _grouped(self.atom(self.tokens[self.at]))

    def atom(self, token: str) -> list[_Item]:
        """One token, or a group, fraction, root or pair of fences."""
        self.at += 1
        if token == "{":
            inner = self.row(None)
            self.at = min(self.at + 1, len(self.tokens))
            return [_Item(_grouped(inner))]
        if token in ("\\frac", "\\tfrac", "\\dfrac"):
            small = ' displaystyle="false"' if token == "\\tfrac" else ""
            return [_Item(f"<mfrac{small}>{self.argument()}{self.argument()}</mfrac>")]
        if token == "\\sqrt":
            return [_Item(f"<msqrt>{self.argument()}</msqrt>")]
        if token in ("_", "^"):  # without a base
            self.at -= 1
            return [_Item("<mrow></mrow>")]
        if token in _FENCES:
            return self.fenced(token)
        return _simple(token, self.in_script)

    def fenced(self, token: str) -> list[_Item]:
        """What stands between a pair of fences; one without its partner is an operator."""
        here = self.at
        inner = self.row(_FENCES[token])
        if self.at == len(self.tokens) or self.tokens[self.at] != _FENCES[token]:
            self.at = here
            return [_Item(f"<mo>{escape(_FENCE_SIGNS.get(token, token))}</mo>", "operator")]
        self.at += 1
        left, right = (_FENCE_SIGNS.get(t, t) for t in (token, _FENCES[token]))
        content = "".join(item.markup for item in inner)
        opening, closing = f'<mo form="prefix">{left}</mo>', f'<mo form="postfix">{right}</mo>'
        return [_Item(f"<mrow>{opening}{content}{closing}</mrow>", "fence")]


def _simple(token: str, in_script: bool) -> list[_Item]:
    """A token that stands for itself: a letter, a number, a name, a sign."""
    named = _NAMED.fullmatch(token)
    if named is not None:
        name = re.sub(r"\\(.)", r"\1", named[2])
        return [_Item(_identifier(name), "function" if named[1] == "operatorname" else "atom")]
    if token in _OPERATORS:
        return [_Item(f"<mo>{_OPERATORS[token]}</mo>", "operator")]
    if token == "=":  # between two sides, also where one of them stands elsewhere
        return [_Item('<mo form="infix">=</mo>', "operator")]
    if token in _SYMBOLS:
        return [_Item(f'<mi mathvariant="normal">{_SYMBOLS[token]}</mi>', "symbol")]
    if token in _SPACES:
        return [_Item(f'<mspace width="{_SPACES[token]}"></mspace>', "space")]
    if token == "\\bmod":
        return [_Item('<mo lspace="0.3em" rspace="0.3em">mod</mo>', "operator")]
    if token.startswith("\\"):
        name = token[1:]
        letter = _greek(name)
        if letter:
            return [_Item(_identifier(letter))]
        if name.isalpha():  # \\exp, \\det and so on
            return [_Item(_identifier(name), "function")]
        return [_Item(f"<mo>{escape(name or token)}</mo>", "operator")]
    if token[0].isdigit() or token in "½¼":
        return [_Item(f"<mn>{token.replace('-', '−')}</mn>")]
    if token[0].isalpha():
        letters = token if in_script else [token]
        kind = "atom" if len(token) == 1 or in_script else "function"
        return [_Item(_identifier(letter), kind) for letter in letters]
    return [_Item(f"<mo>{escape(token)}</mo>", "operator")]


def _identifier(name: str) -> str:
    return f"<mi>{escape(name)}</mi>"


def _greek(name: str) -> str:
    """The letter that a command names; empty where it names none."""
    size = "CAPITAL" if name[:1].isupper() else "SMALL"
    spelled = name.upper().replace("LAMBDA", "LAMDA")  # Unicode's spelling
    try:
        return unicodedata.lookup(f"GREEK {size} LETTER {spelled}")
    except KeyError:
        return ""


def _with_scripts(base: _Item, below: str | None, above: str | None) -> _Item:
    if below is None and above is None:
        return base
    if base.markup == _SUM:
        tag = "munder" if above is None else "mover" if below is None else "munderover"
        return _Item(f"<{tag}>{base.markup}{below or ''}{above or ''}</{tag}>", "operator")
    tag = "msub" if above is None else "msup" if below is None else "msubsup"
    kind = "function" if base.kind == "function" else "atom"
    return _Item(f"<{tag}>{base.markup}{below or ''}{above or ''}</{tag}>", kind)


def _grouped(items: list[_Item]) -> str:
    """As one element."""
    if len(items) == 1:
        return items[0].markup
    return f"<mrow>{''.join(item.markup for item in items)}</mrow>"


def _between(left: _Item, right: _Item, spaced: bool, in_script: bool) -> str:
    """What goes unwritten between two neighbours."""
    ends = ("atom", "fence", "function")
    if left.kind not in ends or right.kind not in ends:
        return ""
    if left.kind == "function":
        return _APPLY if right.kind == "fence" and not spaced else _APART
    if not spaced and right.kind == "fence":
        return _APPLY
    if in_script and not spaced:
        return _INDEX
    return _TIMES
