"""The command: what it prints, its exit codes, and its errors with their numbers."""

import json
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest

import jacobians as jb
from jacobians.cli import main
from jacobians.cli.options import parse_bytes
from jacobians.ground.progress import progress


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def call(capsys):
    """Run the command; returns its exit code, output and errors."""

    def run(*arguments):
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def spawn(*arguments, **options):
    command = [sys.executable, "-m", "jacobians", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", check=False, **options
    )


def narrow(text):
    return [line for line in text.splitlines() if len(line) > 80]


# ops


def test_ops_lists_every_operation_with_a_formula_per_argument(call):
    code, out, err = call("ops")
    assert (code, err) == (0, "")
    assert narrow(out) == []
    for name in jb.ops:
        assert any(line.startswith(f"{name}(") for line in out.splitlines()), name
        for argument in jb.ops[name].arguments:
            formula = jb.ops[name].formula(argument)
            assert f" = {formula} " in " ".join(out.split()) + " "
    lines = out.splitlines()
    assert "matmul(B, C)          ∂A_ij/∂B_kl = δ_ik C_lj" in lines
    assert "                      ∂A_ij/∂C_kl = δ_jl B_ik" in lines
    assert "trace(X)              ∂s/∂X_kl = δ_kl" in lines


def test_ops_as_json(call):
    code, out, _ = call("ops", "--json")
    assert code == 0
    found = {entry["name"]: entry for entry in json.loads(out)["operations"]}
    assert list(found) == list(jb.ops)
    assert found["matmul"]["arguments"] == ["B", "C"]
    assert found["matmul"]["jacobians"][0] == {
        "wrt": "B",
        "title": "∂A_ij/∂B_kl",
        "formula": "δ_ik C_lj",
        "latex": "\\delta_{ik} C_{lj}",
        "einsum": "ik,lj->ijkl",
    }


# show


@pytest.mark.parametrize("name", [name for name in jb.ops if name != "einsum"])
def test_show_prints_every_operation_by_every_argument(call, name):
    for argument in jb.ops[name].arguments:
        code, out, err = call("show", name, "--wrt", argument, "--latex")
        assert (code, err) == (0, "")
        assert narrow(out) == []
        assert "explicit " in out
        assert "Kronecker " in out


def test_show_holds_all_that_there_is_to_know(call):
    code, out, _ = call("show", "matmul", "--wrt", "B", "--shape", "B=2x3", "C=3x5")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "matmul(B, C)    A_ij = B_ir C_rj"
    assert "∂A_ij/∂B_kl = δ_ik C_lj" in lines
    assert "at            B=2x3 C=3x5, random numbers of seed 0" in lines
    assert 'explicit      einsum("ik,lj->ijkl", I_2, C)' in lines
    assert "Kronecker     I_2 ⊗ Cᵀ for row-major vec, Cᵀ ⊗ I_2 for column-major vec" in lines
    assert "nonzero       30 of 60 entries at most" in lines
    for i, j in np.ndindex(2, 5):
        assert f"∂A_{i}{j}/∂B" in out
    assert "blocks" not in out
    assert "LaTeX" not in out


def test_show_prints_the_entries_of_the_blocks(call):
    _, out, _ = call("show", "matvec", "--shape", "A=2x3", "--seed", "3", "--json")
    x = json.loads(out)["operands"]["x"]
    row = " ".join(f"{value:.2f}".replace("-", "−").rjust(5) for value in x)
    zero = " ".join(["    ·"] * 3)
    _, text, _ = call("show", "matvec", "--shape", "A=2x3", "--seed", "3")
    at = text.splitlines().index("∂y_0/∂A             ∂y_1/∂A")
    assert text.splitlines()[at + 1 : at + 3] == [f"{row}   {zero}", f"{zero}   {row}"]


def test_show_as_json_has_entries_that_the_definition_gives(call):
    code, out, _ = call("show", "matmul", "--wrt", "C", "--shape", "B=2x3", "C=3x4", "--json")
    assert code == 0
    found = json.loads(out)
    B = np.array(found["operands"]["B"])
    expected = np.einsum("jl,ik->ijkl", np.eye(4), B)
    assert np.array_equal(found["entries"], expected)
    assert found["out_shape"] == [2, 4]
    assert found["in_shape"] == [3, 4]
    assert (found["nnz"], found["size"]) == (2 * 4 * 3, 2 * 4 * 3 * 4)
    assert found["formula"] == "δ_jl B_ik"
    assert found["explicit"] == ['einsum("jl,ik->ijkl", I_4, B)']
    assert found["kronecker"]["row_major"]["form"] == "B ⊗ I_4"
    assert found["kronecker"]["column_major"]["form"] == "I_4 ⊗ B"
    # A product and a sum for each of the 96 entries of G B, at least.
    assert found["cost"]["vjp"]["flops"] == 2 * 2 * 4 * 3
    assert found["cost"]["dense"]["bytes"] == 8 * 96


def test_show_says_why_there_is_no_kronecker_product(call):
    code, out, _ = call("show", "tanh", "--json")
    assert code == 0
    row = json.loads(out)["kronecker"]["row_major"]
    assert row["form"] is None
    assert "axes i, j, k, l are coupled" in row["reason"]
    _, text, _ = call("show", "tanh")
    assert "Kronecker     no product: axes i, j, k, l are coupled" in text


def test_show_counts_what_it_leaves_out(call):
    code, out, _ = call("show", "matmul", "--shape", "B=300x200", "C=200x50")
    assert code == 0
    assert narrow(out) == []
    assert "nonzero       3,000,000 of 900,000,000 entries at most" in out
    assert "… 8 of 300 rows, 13 of 200 columns" in out
    assert "… 2 of 15,000 blocks" in out
    assert len(out.splitlines()) < 66
    _, out, _ = call("show", "matmul", "--shape", "B=300x200", "C=200x50", "--json")
    assert json.loads(out)["entries"] is None


def test_show_of_numbers_vectors_and_empty_arrays(call):
    code, out, _ = call("show", "scale", "--wrt", "c", "--shape", "X=2x2", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["arguments"]["c"]["shape"] == []
    assert found["entries"] == found["operands"]["X"]
    code, out, _ = call("show", "power", "--shape", "X=3", "p=scalar")
    assert code == 0
    assert "p=scalar" in out
    code, out, _ = call("show", "matmul", "--shape", "B=0x3")
    assert code == 0
    assert "(none: an axis has size 0)" in out


def test_show_of_einsum(call):
    code, out, _ = call("show", "einsum", "--subscripts", "ij,jk->ik", "--wrt", "B", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["arguments"]["A"]["shape"] == [2, 3]
    assert found["arguments"]["B"]["shape"] == [3, 5]
    A = np.array(found["operands"]["A"])
    assert np.array_equal(found["entries"], np.einsum("ik,jl->ijkl", A, np.eye(5)))


def test_seed_and_position(call):
    first = call("show", "matmul", "--seed", "1", "--wrt", "1", "--json")[1]
    assert first == call("show", "matmul", "--seed", "1", "--wrt", "C", "--json")[1]
    assert first != call("show", "matmul", "--seed", "2", "--wrt", "C", "--json")[1]


def test_latex_on_request(call):
    assert "LaTeX         \\delta_{ik} C_{lj}" in call("show", "matmul", "--latex")[1]


# compare


def test_compare_prints_the_comparison(call):
    code, out, err = call("compare", "matmul", "--wrt", "B", "--shape", "B=8x6", "C=6x7")
    assert (code, err) == (0, "")
    assert narrow(out) == []
    assert "  B   8x6           random, seed 0" in out
    assert "  G   8x7           random, seed 0" in out
    for way in ("explicit ", "dense ", "contracted "):
        assert any(line.startswith(way) for line in out.splitlines())
    assert "shortcut: G Cᵀ" in out
    assert "values agree" in out


def test_compare_as_json(call):
    code, out, _ = call("compare", "matmul", "--shape", "B=8x6", "C=6x7", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["ok"] is True
    assert found["shape"] == [8, 7, 8, 6]
    assert found["shortcut"] == "G Cᵀ"
    assert found["wrt"] == "B"
    assert found["arguments"]["G"] == {"shape": [8, 7], "source": "random"}
    assert found["contracted"]["flops"] == 2 * 8 * 7 * 6
    assert found["contracted"]["bytes"] == 8 * 8 * 6
    assert found["explicit"]["bytes"] > 8 * 8 * 7 * 8 * 6
    assert 0 < found["contracted"]["seconds"] < 1
    assert 0 <= found["largest_difference"] < 1e-12


@pytest.mark.parametrize("name", [name for name in jb.ops if name not in ("einsum", "kron")])
def test_compare_has_shapes_for_every_operation(call, name):
    code, out, _ = call("compare", name, "--max-bytes", "1MB", "--json")
    assert code == 0
    assert json.loads(out)["ok"] is True


def test_compare_chooses_sizes_that_fit(call):
    for name in ("matmul", "kron", "inv", "outer", "trace"):
        _, out, _ = call("compare", name, "--max-bytes", "1", "--json")
        shape = json.loads(out)["shape"]
        assert 8 * np.prod(shape, dtype=float) <= 2**26, name


def test_compare_predicts_what_does_not_fit(call):
    code, out, _ = call(
        "compare", "matmul", "--shape", "B=64x64", "C=64x64", "--max-bytes", "1e6", "--json"
    )
    assert code == 0
    found = json.loads(out)
    assert [found[way]["ran"] for way in ("explicit", "dense", "contracted")] == [
        False,
        False,
        True,
    ]
    assert found["explicit"]["seconds"] is None
    assert found["dense"]["bytes"] >= 8 * 64**4


def test_compare_on_files(call):
    rng = np.random.default_rng(0)
    B, C, G = rng.normal(size=(4, 3)), rng.normal(size=(3, 5)), rng.normal(size=(4, 5))
    np.save("B.npy", B)
    np.savetxt("C.csv", C, delimiter=",", header="a,b,c,d,e", comments="")
    np.savez("both.npz", B=B, C=C)
    np.savez("upstream.npz", G=G, other=B)
    for data in (["both.npz"], ["B=B.npy", "C=C.csv"], ["B=both.npz", "C=both.npz"]):
        code, out, err = call(
            "compare", "matmul", "--data", *data, "--upstream", "upstream.npz", "--json"
        )
        assert (code, err) == (0, "")
        found = json.loads(out)
        assert found["shape"] == [4, 5, 4, 3]
        assert found["arguments"]["C"]["source"] == data[-1].removeprefix("C=")
        assert found["arguments"]["G"]["source"] == "upstream.npz"
    code, out, _ = call("compare", "matmul", "--data", "B=B.npy", "--shape", "C=3x7")
    assert code == 0
    assert "  B   4x3           B.npy" in out
    assert "  C   3x7           random, seed 0" in out


def test_a_csv_row_or_column_or_number_is_taken_as_the_operation_needs_it(call):
    with open("x.csv", "w") as file:
        file.write("length\n1\n2\n3\n")
    with open("row.csv", "w", encoding="utf-8-sig") as file:
        file.write("1, 2, 3\n\n")
    with open("c.csv", "w") as file:
        file.write("2.5\n")
    for name in ("x.csv", "row.csv"):
        _, out, _ = call("compare", "inner", "--data", f"a={name}", "x=x.csv", "--json")
        assert json.loads(out)["arguments"]["a"]["shape"] == [3]
    _, out, _ = call("compare", "scale", "--data", "c=c.csv", "X=row.csv", "--json")
    assert json.loads(out)["arguments"]["c"]["shape"] == []
    code, _, _ = call("compare", "inner", "--data", "a=x.csv", "x=x.csv", "--upstream", "c.csv")
    assert code == 0


def test_values_that_differ_are_exit_code_1(call, monkeypatch):
    right = jb.JacobianTensor.explicit
    monkeypatch.setattr(jb.JacobianTensor, "explicit", lambda J, limit=None: right(J, limit) + 1)
    code, out, err = call("compare", "matmul", "--shape", "B=2x3", "C=3x2")
    assert (code, err) == (1, "")
    assert "values DIFFER" in out
    code, out, _ = call("compare", "matmul", "--shape", "B=2x3", "C=3x2", "--json")
    assert code == 1
    assert json.loads(out)["ok"] is False


# errors: exit code 2, one line on stderr, nothing on stdout

BAD_ARGUMENTS = {
    "": "the following arguments are required: COMMAND; see jacobians --help",
    "show": "the following arguments are required: OPERATION; see jacobians show --help",
    "ops --foo": "unrecognized arguments: --foo",
    "bogus": "invalid choice: 'bogus'",
    "show matmull": "there is no operation 'matmull'; did you mean matmul?",
    "show matmul --wrt Z": "matmul has no argument wrt='Z'; its arguments are B, C",
    "show matmul --wrt 2": "no argument wrt=2; its arguments are B, C (or their positions 0 to 1)",
    "show matmul --shape B=2by3": "--shape 'B=2by3' is no shape: write a matrix as B=2x3",
    "show matmul --shape B": "--shape 'B' is no shape",
    "show matmul --shape B=": "--shape 'B=' is no shape",
    "show matmul --shape Z=2x3": "--shape: matmul has no argument 'Z'; its arguments are B, C",
    "show matmul --shape B=2x3 B=2x4": "--shape: B is given twice",
    "show matmul --shape B=2x3 C=4x5": "is 3 in B of shape (2, 3) but 4 in C of shape (4, 5)",
    "show det --shape X=2x3": "but its shape is (2, 3): 2 and 3",
    "show einsum": "einsum needs its subscripts, as in --subscripts 'ij,jk->ik'",
    "show einsum --subscripts ij,jk->iz": "einsum 'ij,jk->iz': write letters a to z",
    "show matmul --subscripts ij->ji": "--subscripts is for einsum only",
    "show matmul --seed x": "argument --seed: invalid int value: 'x'",
    "show matmul --seed -1": "--seed must not be negative, not -1",
    "show matmul --shape B=1000000x1000000": (
        "random arrays of shapes (1000000, 1000000), (1000000, 5) need 7.45e+03 GiB, more than"
    ),
    "compare matmul --max-bytes lots": "--max-bytes 'lots' is no number of bytes",
    "compare matmul --max-bytes=-5": "--max-bytes '-5' is no number of bytes",
    "compare matmul --data B.npy": "--data 'B.npy': say which argument the file is for",
    "compare matmul --data none.npz": "none.npz: No such file or directory",
    "compare matmul --data B=none.csv": "none.csv: No such file or directory",
    "compare matmul --data B=none.npy": "none.npy: No such file or directory",
    "compare matmul --data B=b.txt": "b.txt: the ending '.txt' is not one of .npy, .npz, .csv",
    "compare matmul --upstream G.npy": "G.npy: No such file or directory",
}


def refused(result, text):
    code, out, err = result
    assert (code, out) == (2, ""), err
    assert err.startswith("jacobians: error: ")
    assert err.count("\n") == 1
    assert text in err


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS)
def test_bad_usage_is_one_clear_line(call, arguments):
    refused(call(*arguments.split()), BAD_ARGUMENTS[arguments])


class _Trap:
    """Leaves a file behind if it is ever unpickled."""

    def __reduce__(self):
        return (open, ("sprung", "w"))


def _write_bad_files():
    array = np.arange(12.0).reshape(4, 3)
    np.save("good.npy", array)
    np.savez("good.npz", X=array)
    with open("good.npy", "rb") as file:
        npy = file.read()
    with open("good.npz", "rb") as file:
        npz = file.read()
    np.save("object.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez("object.npz", X=np.array([_Trap()], dtype=object))
    np.save("complex.npy", np.ones((2, 2)) * 1j)
    np.save("text-array.npy", np.array(["a", "b"]))
    np.savez("empty.npz")
    np.savez("others.npz", A=array, B=array)
    contents = {
        "cut.npy": npy[:140],
        "cut.npz": npz[:200],
        "words.npy": b"hello",
        "swapped.npy": npz,
        "swapped.npz": npy,
        "header.npy": npy.replace(b"(4, 3)", b"(4, x)"),
        "vast.npy": npy.replace(b"(4, 3), }  ", b"(9999999999, 9999999), }"[:24]),
        "pickle.npy": pickle.dumps(_Trap()),
        "nothing.csv": b"",
        "title.csv": b"a,b\n",
        "word.csv": b"a,b\n1,2\n3,x\n",
        "hole.csv": b"1,2\n3,\n",
        "ragged.csv": b"1,2\n3\n",
        "underscore.csv": b"1,1_0\n",
        "binary.csv": b"\xff\xfe1,2",
        "singular.csv": b"1,2\n2,4\n",
    }
    for name, content in contents.items():
        with open(name, "wb") as file:
            file.write(content)


BAD_FILES = {
    "object.npy": "it holds pickled objects, not numbers, and those are never loaded",
    "object.npz": "array X cannot be read: it holds pickled objects",
    "pickle.npy": "this is no .npy file, whatever its name says",
    "complex.npy": "the array has dtype complex128: complex numbers have no Jacobian here",
    "text-array.npy": "the array has dtype <U1: text is not numeric",
    "empty.npz": "there is no array X; the file holds no arrays",
    "others.npz": "there is no array X; the file holds A, B",
    "cut.npy": "cannot be read: ",
    "cut.npz": "cannot be read: the archive is damaged or cut short",
    "words.npy": "this is no .npy file",
    "swapped.npy": "this is an .npz file, whatever its name says",
    "swapped.npz": "this is an .npy file, whatever its name says",
    "header.npy": "cannot be read: ",
    "vast.npy": "vast.npy: ",
    "nothing.csv": "there are no numbers in it",
    "title.csv": "there are no numbers in it",
    "word.csv": "line 3, column 2: 'x' is no number",
    "hole.csv": "line 2, column 2: '' is no number",
    "ragged.csv": "line 2 has 1 numbers, the lines above have 2",
    "underscore.csv": "line 1, column 2: '1_0' is no number",
    "binary.csv": "this is no text file in UTF-8",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_with_the_reason(call, tmp_path, name):
    _write_bad_files()
    result = call("compare", "transpose", "--data", f"X={name}")
    refused(result, BAD_FILES[name])
    assert f"error: {name}: " in result[2]
    assert not (tmp_path / "sprung").exists()


def test_arrays_that_do_not_fit(call):
    _write_bad_files()
    np.save("G.npy", np.ones((5, 4)))
    refused(
        call(
            "compare", "matmul", "--data", "B=good.npy", "--shape", "C=3x5", "--upstream", "G.npy"
        ),
        "G.npy: the upstream gradient G has shape (5, 4), but the output has shape (4, 5)",
    )
    refused(
        call("compare", "matmul", "--data", "B=good.npy"),
        "no array for matmul's argument C: add C=FILE to --data, or give --shape C=SIZES",
    )
    refused(
        call("compare", "matmul", "--data", "B=good.npy", "--shape", "B=4x3", "C=3x2"),
        "B is given twice, by --data and by --shape",
    )
    refused(
        call("compare", "matmul", "--data", "good.npz"),
        "--data good.npz: matmul has no argument 'X'; its arguments are B, C",
    )
    refused(call("compare", "inv", "--data", "X=singular.csv"), "inv: Singular matrix")


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e9", 1e9), ("500MB", 500e6), ("2GiB", 2 * 2**30), ("1.5 kib", 1536.0), ("inf", np.inf)],
)
def test_numbers_of_bytes(text, number):
    assert parse_bytes(text) == number


# the process


@pytest.mark.parametrize("arguments", [["--help"], ["show", "--help"], ["compare", "--help"]])
def test_help_fits_the_terminal(call, arguments, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = call(*arguments)
    assert (code, err) == (0, "")
    assert narrow(out) == []
    assert "usage: jacobians" in out


def test_version(call):
    assert call("--version")[:2] == (0, f"jacobians {jb.__version__}\n")


def test_process_exit_codes_and_streams():
    good = spawn("show", "trace")
    assert (good.returncode, good.stderr) == (0, "")
    bad = spawn("show", "tracee")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "Traceback" not in bad.stderr


def test_a_reader_that_stops_reading_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "jacobians", "ops", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_a_terminal_without_greek_letters_gets_question_marks():
    found = subprocess.run(
        [sys.executable, "-m", "jacobians", "show", "matmul"],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )
    assert b"?A_ij/?B_kl = ?_ik C_lj" in found.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["ops"]])
def test_scipy_and_opt_einsum_wait_until_they_are_needed(arguments):
    script = (
        "import sys, jacobians.cli as c\n"
        f"assert c.main({arguments!r}) == 0\n"
        "heavy = {m.partition('.')[0] for m in sys.modules} & "
        "{'scipy', 'opt_einsum', 'matplotlib', 'jax', 'torch'}\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (found.returncode, found.stderr) == (0, b"")


@pytest.mark.parametrize(("arguments", "loaded"), [("--help", False), ("ops", True)])
def test_a_command_loads_no_other(arguments, loaded):
    script = (
        "import sys, json, jacobians.cli as c\n"
        f"assert c.main([{arguments!r}]) == 0\n"
        "print(json.dumps([m for m in sys.modules if m.startswith('jacobians.cli.')]), file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    modules = {name.rpartition(".")[2] for name in json.loads(found.stderr)}
    assert ("listing" in modules) == loaded
    assert not modules & {
        "showing",
        "comparing",
        "checking",
        "exploring",
        "benching",
        "demo",
        "growth",
    }


# progress


class _Stream:
    def __init__(self, terminal):
        self.terminal = terminal
        self.text = ""

    def isatty(self):
        return self.terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize(
    ("terminal", "pause", "expected"),
    [
        (True, 0.3, "measuring …\r\x1b[K"),  # slow, and someone is watching
        (True, 0.0, ""),  # fast
        (False, 0.3, ""),  # nobody is watching
    ],
)
def test_progress(monkeypatch, terminal, pause, expected):
    stream = _Stream(terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", _Stream(terminal))
    with progress("measuring", delay=0.05):
        time.sleep(pause)
    assert stream.text == expected


def test_progress_needs_both_streams_to_be_terminals(monkeypatch):
    stream = _Stream(True)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", _Stream(False))
    with progress("measuring", delay=0.0, both=True):
        time.sleep(0.05)
    assert stream.text == ""


# einsums of anything


@pytest.mark.parametrize("subscripts", ["", "->"])
def test_an_einsum_of_a_number(call, subscripts):
    code, out, err = call("show", "einsum", f"--subscripts={subscripts}")
    assert (code, err) == (0, "")
    assert ["explicit", "1"] in [line.split() for line in out.splitlines()]
    code, out, _ = call("show", "einsum", f"--subscripts={subscripts}", "--json")
    assert code == 0
    assert json.loads(out)["explicit"] == ["1"]


def test_an_einsum_of_more_operands_than_letters(call):
    code, out, err = call("show", "einsum", "--subscripts=" + ",".join("a" * 28) + "->a")
    assert (code, err) == (0, "")
    assert "--wrt Z or --wrt A1 or --wrt B1" in " ".join(out.split())
    assert not [line for line in out.splitlines() if line.startswith("By") and len(line) > 80]


@pytest.mark.parametrize(
    ("axes", "part"), [(70, "70 axes"), (64, "letters for axes"), (60, "letters")]
)
def test_more_axes_than_can_be(call, axes, part):
    code, out, err = call("show", "matmul", "--shape", "B=" + "x".join("1" * axes), "C=1x1")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert part in err
