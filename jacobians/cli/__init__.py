"""The command ``jacobians``: arguments in, text or JSON out.

A subcommand's module is imported when it runs, so
that ``jacobians --help`` and ``jacobians ops`` start at once.

Floor 11. Imports errors, ground, notation, graph, display, tensor, contraction, transforms,
identities, measuring, verification, __init__, course.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import jacobians
from jacobians.errors import JacobiansError

FINE, FAILED, BAD_USAGE = 0, 1, 2

_DESCRIPTION = """\
Full Jacobian tensors in index notation, and the shortcuts that avoid them.

For A = B C the tensor is ∂A_ij/∂B_kl = δ_ik C_lj, output axes first."""

_EXAMPLES = """\
examples:
  jacobians ops
  jacobians show matmul --wrt B --shape B=2x3 C=3x5
  jacobians compare matmul --wrt B --shape B=64x64 C=64x64
  jacobians compare matvec --wrt A --data A=weights.csv x=flower.npy
  jacobians check layer.py:forward --vjp layer.py:backward --data arrays.npz
  jacobians show layer.py:forward --wrt W --shape W=2x3 x=3
  jacobians derive "0.5*norm(W @ x - t)**2" --wrt W --shape W=3x4 x=4 t=3
  jacobians catalogue det --verify
  jacobians explore softmax -o softmax.html
  jacobians bench matmul --sizes 8:64 --rivals explicit,contracted
  jacobians grade examples/assignments/products solution.py
  jacobians demo

exit codes: 0 fine, 1 a comparison or check failed, 2 bad usage"""

_SHAPES = """\
shapes: NAME=SIZES with the sizes joined by x: a matrix B=2x3, a vector x=3,
a number c=scalar. What is left out takes the sizes that fit the rest."""

_OWN = """\
functions: module.py:function in place of an operation; the file is run. Each
argument needs --data or --shape, unless it has a default."""

_COMPARE = """\
Set the full tensor beside the shortcut: the same gradient by identity tensors,
by the dense tensor, and contracted; time, operations and memory of each."""

_EXPLORE = """\
Write one page of HTML that stands alone: the formula, the tensor as a heat map
that says indices and values, its contraction with an upstream gradient, what
each way costs, and the structure. Large tensors are shown by norms of blocks."""

_ARRAYS = """\
arrays: random unless --data gives them: one .npz file that holds an array for
each argument, or NAME=FILE with .npy or .csv files (numbers separated by
commas, at most one line of titles). Pickled objects are refused, never loaded."""


_CHECK = """\
Verify a derivative, and explain what is wrong with it: a hand-written backward
(--vjp), forward (--jvp) or full Jacobian (--jacobian), or, where none is given,
the Jacobian that this package derives. Exit code 1 if it is wrong, or could
not be judged."""

_CHECK_MORE = """\
functions: module.py:function; the file is run. --vjp takes a backward
vjp(G, *args), which gives the gradient by --wrt or one for each argument (all
are judged, unless --wrt names some);
--jvp a forward jvp(dX, *args); --jacobian a function of the arguments.

against: auto, traced, complex-step, richardson, or module.py:function, which
gives the full Jacobian.

arrays: --data FILE.npz with an array for each argument, or NAME=FILE with .npy
or .csv files; a csv with one row or column is a vector. --shape NAME=SIZES
makes a random one, sizes joined by x: W=2x3, x=3, c=scalar. Arguments that
have a default may be left out."""

_DERIVE = """\
Derive the derivative of an expression, and show how: coordinate form, deltas,
sums that collapse, the result in index notation and in matrix notation."""

_DERIVE_MORE = """\
language: + - * / entry by entry, @ the product, ** and .^ entry by entry, ^ the
power of a square matrix, ' or .T the transpose, .* and ./ as * and /, brackets.
functions: inv det logdet tr norm norm1 sum mean max exp log sqrt abs sign sin
cos tan arcsin arccos arctan tanh sigmoid relu maximum softmax logsumexp diag
eye kron outer inner solve matrix_power; sum, mean, max, softmax and logsumexp
take axis=.

shapes: NAME=SIZES with the sizes joined by x, numbers or letters: W=3x4, W=mxn;
a name without a shape is a number.

layouts: by default a number's derivative has its argument's shape, a vector's
by a vector has rows for the output, and of matrices it is d vec/d vec, row by
row. numerator and denominator transpose it; vec is always d vec/d vec; operator
writes dF = A dX B.

examples:
  jacobians derive "0.5*norm(W @ x - t)**2" --wrt W --shape W=3x4 x=4 t=3
  jacobians derive "logdet(X)" --shape X=nxn
  jacobians derive layer.py:loss --wrt W --shape W=mxn x=n
  jacobians derive "x' @ A @ x" --wrt x --shape x=n A=nxn --order 2"""

_CATALOGUE = """\
Identities of matrix calculus: number, statement, and our derivation; --verify
proves each at random points against its closed form and the complex step."""

_BENCH = """\
Time the ways to one derivative over sizes: the full tensor by identity tensors,
by its structure, and the gradient without it; beside peers that are installed.
Values are compared before anything is timed."""

_BENCH_MORE = """\
sizes: 8:128 doubles from 8 to 128, 8:32:8 adds 8, 8,12,100 are just these.

shapes: NAME=SIZES with the sizes joined by x, numbers or the letter n: W=nxn,
x=n, X=500xn. An operation's arguments have n in every axis unless given; a
function's arguments need a shape, or a default value.

rivals: explicit, dense, buffer, contracted, uncompiled, and the peers jax,
torch, autograd and asdex where they are installed; or all. A function of your
own, module.py:function, takes the arguments (G first, for vjp) and gives the
derivative; its values are compared before it is timed.
  explicit    the full tensor by einsum over identity tensors
  dense       the full tensor by its structure
  buffer      the same, into the plan's own array
  contracted  the gradient; no full tensor is ever made
  uncompiled  derived anew in each call"""


_GRADE = """\
Grade a submission, or a folder of them, against an assignment: points, and for
every mistake where it is, what kind it is, and what to read again. Submissions
run in processes of their own, shut in as far as the system allows; limits are
no sandbox, a container without network is one. Exit code 1 unless all is right."""

_GRADE_MORE = """\
assignment: a Python file that defines assignment = jb.course.Assignment(...),
or a folder with reference/assignment.py or assignment.py; it is run.

submission: a .py file, a notebook, or a folder of them: then a table in CSV.

formats: table, json, gradescope, prairielearn, coderunner; csv for a folder."""

_COURSE = """\
What a course needs besides grading. zip: the upload for a Gradescope
assignment, with the package, the assignment and the scripts that run them."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and ours."""

    def error(self, message: str) -> NoReturn:
        raise JacobiansError(f"{message}; see {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    top = _Parser(
        prog="jacobians",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"jacobians {jacobians.__version__}")
    commands = top.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_Parser
    )

    _json(_command(commands, "ops", "list the operations with their formulas"))

    show = _command(
        commands,
        "show",
        "show one Jacobian: formula, structure, cost, entries",
        epilog=f"{_SHAPES}\n\n{_OWN}\n\n{_ARRAYS}",
    )
    _operation(show)
    _data(show)
    show.add_argument("--latex", action="store_true", help="print the formula in LaTeX too")
    _json(show)

    compare = _command(
        commands,
        "compare",
        "set the full tensor beside the shortcut",
        description=_COMPARE,
        epilog=f"{_SHAPES}\n\n{_OWN}\n\n{_ARRAYS}",
    )
    _operation(compare)
    _data(compare)
    compare.add_argument(
        "--upstream",
        metavar="FILE",
        help="the upstream gradient G (.npy, .csv, or .npz with an array G); random by default",
    )
    compare.add_argument(
        "--max-bytes",
        metavar="N",
        help="the most a full tensor may take, as in 1e9 or 2GiB; a way that needs more is "
        "predicted and not run (default: half of the memory that is available)",
    )
    _json(compare)

    checking = _command(
        commands,
        "check",
        "verify a derivative, and explain what is wrong with it",
        description=_CHECK,
        epilog=_CHECK_MORE,
    )
    _check(checking)
    _json(checking)

    deriving = _command(
        commands,
        "derive",
        "derive an expression's derivative: steps, index and matrix notation",
        description=_DERIVE,
        epilog=_DERIVE_MORE,
    )
    _derive(deriving)
    _json(deriving)

    catalogue = _command(
        commands,
        "catalogue",
        "identities of matrix calculus, derived and proved by numbers",
        description=_CATALOGUE,
    )
    catalogue.add_argument("words", nargs="*", metavar="WORD", help="rows that have all of these")
    catalogue.add_argument(
        "--verify",
        action="store_true",
        help="prove each row at random points (exit code 1 if one fails)",
    )
    catalogue.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the random points (default: 0)"
    )
    _json(catalogue)

    explore = _command(
        commands,
        "explore",
        "write one Jacobian as a page for the browser",
        description=_EXPLORE,
        epilog=f"{_SHAPES}\n\n{_OWN}\n\n{_ARRAYS}",
    )
    _operation(explore)
    _data(explore)
    explore.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the page; one that exists is replaced (default: OPERATION-ARGUMENT.html, here)",
    )
    _json(explore)

    bench = _command(
        commands,
        "bench",
        "time the ways to a derivative over sizes",
        description=_BENCH,
        epilog=_BENCH_MORE,
    )
    _bench(bench)
    _json(bench)

    grade = _command(
        commands,
        "grade",
        "grade submissions of an assignment",
        description=_GRADE,
        epilog=_GRADE_MORE,
    )
    _grade(grade)

    course = _command(commands, "course", "what a course needs: its upload", description=_COURSE)
    course.add_argument("action", choices=("zip",), help="write the upload for Gradescope")
    course.add_argument("assignment", metavar="ASSIGNMENT", help="its file, or its folder")
    course.add_argument(
        "-o", "--output", default="autograder.zip", metavar="FILE", help="(default: autograder.zip)"
    )
    course.add_argument(
        "--seed", type=int, metavar="N", help="the same points for all; each has its own by default"
    )
    course.add_argument(
        "--hints", type=int, default=3, metavar="N", help="0 to 3, as for grade (default: 3)"
    )

    _json(_command(commands, "demo", "the main job on real data: iris and a single-layer network"))
    return top


def _command(
    commands: "argparse._SubParsersAction[_Parser]", name: str, text: str, **texts: str
) -> argparse.ArgumentParser:
    texts.setdefault("description", f"{text[0].upper()}{text[1:]}.")
    return commands.add_parser(
        name,
        help=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=texts["description"],
        epilog=texts.get("epilog"),
    )


def _operation(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "operation",
        metavar="OPERATION",
        help="a name that `jacobians ops` lists, such as matmul, or a function of your own: "
        "module.py:function (the file is run)",
    )
    command.add_argument(
        "--wrt",
        metavar="ARGUMENT",
        help="differentiate by this argument: its name or position (default: the first)",
    )
    command.add_argument(
        "--shape",
        nargs="+",
        action="extend",
        metavar="NAME=SIZES",
        help="shapes of the arguments, as in B=2x3 C=3x5",
    )
    command.add_argument(
        "--subscripts", metavar="TEXT", help="for einsum: as in 'ij,jk->ik'; operands are A, B, …"
    )
    command.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the random arrays (default: 0)"
    )


def _data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data",
        nargs="+",
        action="extend",
        metavar="FILE",
        help="your own arrays: file.npz, or NAME=file.npy and NAME=file.csv",
    )


def _check(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "subject",
        metavar="SUBJECT",
        help="a function of your own, module.py:function, or an operation, such as matmul",
    )
    for name, text in (
        ("vjp", "the backward to check"),
        ("jvp", "the forward to check"),
        ("jacobian", "the function that gives the full Jacobian to check"),
    ):
        command.add_argument(f"--{name}", metavar="MODULE:FUNCTION", help=text)
    command.add_argument(
        "--wrt",
        metavar="ARGUMENT",
        help="differentiate by this argument: its name or position, or several joined by commas "
        "(default: every gradient that --vjp returns; else the first)",
    )
    command.add_argument(
        "--against", default="auto", metavar="NAME", help="what is right (default: auto)"
    )
    _data(command)
    command.add_argument(
        "--shape",
        nargs="+",
        action="extend",
        metavar="NAME=SIZES",
        help="random arrays of these shapes, as in W=2x3 x=3",
    )
    command.add_argument(
        "--subscripts", metavar="TEXT", help="for einsum: as in 'ij,jk->ik'; operands are A, B, …"
    )
    command.add_argument(
        "--rtol", type=float, metavar="R", help="relative difference that an entry may have"
    )
    command.add_argument(
        "--atol", type=float, metavar="A", help="absolute difference that an entry may have"
    )
    command.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of random arrays, upstreams and directions (default: 0)",
    )


def _derive(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "expression", metavar="EXPRESSION", help="as in 'norm(W @ x - t)**2', or file.py:function"
    )
    command.add_argument(
        "--wrt", metavar="NAME", help="differentiate by this array (default: the first)"
    )
    command.add_argument(
        "--shape",
        nargs="+",
        action="extend",
        metavar="NAME=SIZES",
        help="as in W=3x4 x=4, or W=mxn x=n",
    )
    command.add_argument(
        "--order",
        type=int,
        default=1,
        choices=(1, 2),
        metavar="N",
        help="2 is the Hessian (default: 1)",
    )
    command.add_argument(
        "--layout", metavar="NAME", help="of matrix notation: numerator, denominator, vec, operator"
    )
    for kind in ("symmetric", "diagonal"):
        command.add_argument(
            f"--{kind}",
            nargs="+",
            action="extend",
            metavar="NAME",
            help=f"matrices that are {kind}",
        )
    command.add_argument("--latex", action="store_true", help="print LaTeX only")
    command.add_argument("--numpy", action="store_true", help="print NumPy only: one function")
    command.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the random points (default: 0)"
    )


def _bench(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "subject",
        metavar="SUBJECT",
        help="an operation, such as matmul, or a function of your own: module.py:function "
        "(the file is run)",
    )
    command.add_argument("--sizes", default="8:64", metavar="SIZES", help="n (default: 8:64)")
    command.add_argument(
        "--rivals",
        metavar="NAMES",
        help="separated by commas (default: explicit,dense,buffer,contracted as far as they apply)",
    )
    command.add_argument(
        "--what",
        metavar="KIND",
        help="vjp: the gradient from an upstream G (default), grad: of a function that returns one "
        "number (its default), jacobian, hessian: the full tensors",
    )
    command.add_argument(
        "--wrt", metavar="ARGUMENT", help="its name or position (default: the first)"
    )
    command.add_argument(
        "--shape",
        nargs="+",
        action="extend",
        metavar="NAME=SIZES",
        help="shapes of the arguments, as in W=nxn x=n",
    )
    command.add_argument(
        "--seconds",
        type=float,
        default=0.2,
        metavar="T",
        help="how long to time each rival at each size (default: 0.2)",
    )
    command.add_argument(
        "--max-bytes",
        metavar="N",
        help="the most a full tensor may take, as in 1e9 or 2GiB; a way that needs more is not run "
        "(default: half of the memory that is available)",
    )
    command.add_argument(
        "--plot", metavar="FILE", help="draw time and bytes against size into a .png, .svg or .pdf"
    )
    command.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the random arrays (default: 0)"
    )


def _grade(command: argparse.ArgumentParser) -> None:
    command.add_argument("assignment", metavar="ASSIGNMENT", help="its file, or its folder")
    command.add_argument(
        "submission", metavar="SUBMISSION", help="a .py file, a notebook, or a folder of them"
    )
    command.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the points that are tried (default: 0)"
    )
    command.add_argument(
        "--hints",
        type=int,
        default=3,
        metavar="N",
        help="how much is told: 0 that it is wrong, 1 where, 2 what kind of mistake, 3 what to read "
        "(default: 3)",
    )
    command.add_argument(
        "--reveal", action="store_true", help="tell the right formula and the missing term, too"
    )
    command.add_argument(
        "--format", default="table", metavar="NAME", help="how it is told (default: table)"
    )
    command.add_argument("-o", "--output", metavar="FILE", help="write it there")
    command.add_argument(
        "--jobs", type=int, default=2, metavar="N", help="submissions at a time (default: 2)"
    )


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON, for machines")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the command's name; those of the process by default.

    Returns
    -------
    int
        The exit code: 0 fine, 1 a comparison or check failed, 2 bad usage.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without Greek letters gets '?'
    try:
        options = parser().parse_args(argv)
        command = import_module(f"jacobians.cli.{_MODULES[options.command]}")
        code: int = command.run(options)
        sys.stdout.flush()
        return code
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    except JacobiansError as error:
        return _complain(str(error))
    except MemoryError as error:
        return _complain(f"not enough memory: {error}")
    except BrokenPipeError:
        # The reader (head, less) has what it wants; keep the interpreter from flushing again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


_MODULES = {
    "ops": "listing",
    "show": "showing",
    "compare": "comparing",
    "check": "checking",
    "derive": "stepwise",
    "catalogue": "cataloguing",
    "explore": "exploring",
    "bench": "benching",
    "grade": "marks",
    "course": "upload",
    "demo": "demo",
}


def _complain(message: str) -> int:
    line = " ".join(message.split())
    print(f"jacobians: error: {line}", file=sys.stderr)
    return BAD_USAGE
