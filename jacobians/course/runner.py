"""The script in which a submission runs: it defines a function, is called, and its arrays go out.

It runs as a process of its own, with NumPy and what else is allowed. It knows arguments and nothing more:
no right answer, no seed, no score. What it says of the submission can only cost points, since points are
given for arrays, elsewhere. Functions that it needs later are taken before the submission is read.

A message, both ways, is ``length of head, length of body, head (JSON), body (npz)``; an argument that is
no array stands in the head.
"""

import io
import json
import os
import re
import resource
import struct
import sys
import threading
import tracemalloc
import types
from collections.abc import Callable
from typing import Any

if __name__ == "__main__":  # where packages are, of which nothing else says so
    sys.path.append(sys.argv[-1])

import numpy

_HEAD = struct.Struct("<QQ")
_DEEPEST = 8
_FIRST, _EVERY = 4, 16
_TIMERS = ("%%time", "%%timeit", "%%capture", "%%prun", "%%memit")  # cell magics of Python code
_ASSIGNED = re.compile(r"(\s*\w+\s*=\s*)[%!]")
_STARTS = (
    "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile",
    "subprocess.Popen", "pty.spawn",
)  # fmt: skip
_SIGNALS = ("os.kill", "os.killpg", "signal.pthread_kill")
_READS = ("open", "os.listdir", "os.scandir")
_HARMLESS = ("/dev/null", "/dev/urandom", "/dev/random", "/etc/mime.types", "/etc/localtime")


class Watch:
    """What a submission does that it may not; told with its answers.

    An audit hook is a courtesy: it gives a reason in words. What keeps a submission in is the kernel.
    """

    def __init__(self, roots: list[str]) -> None:
        self.offence = ""
        self._roots = tuple(os.path.join(root, "") for root in roots)
        self._absolute: Callable[[Any], str] = os.path.abspath

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Called by Python for every event that it audits."""
        if event in _READS:
            self._read(args[0] if args else None)
        elif event in _STARTS:
            self._refuse("starts another process")
        elif event in _SIGNALS:
            self._refuse("sends a signal to a process")
        elif event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
            self._refuse("opens a network connection")

    def _read(self, path: Any) -> None:
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str):
            return
        path = self._absolute(path)
        if path not in _HARMLESS and not (path + "/").startswith(self._roots):
            self.offence = self.offence or f"reads {path[:80]!r}, outside of its own folder"

    def _refuse(self, what: str) -> None:
        self.offence = self.offence or what
        raise PermissionError(f"a submission that {what} is not graded")


def snapshot() -> list[tuple[types.ModuleType, str, Any]]:
    """The public functions of NumPy, SciPy, math and Python itself."""
    tops = ("numpy", "scipy", "math", "builtins")
    return [
        (module, name, value)
        for key, module in list(sys.modules.items())
        if key.partition(".")[0] in tops and isinstance(module, types.ModuleType)
        for name, value in list(vars(module).items())
        if callable(value) and not name.startswith("_")
    ]


def replaced(before: list[tuple[types.ModuleType, str, Any]]) -> str:
    """The first function that is not what it was."""
    for module, name, value in before:
        if vars(module).get(name) is not value:
            return f"replaces {module.__name__}.{name}"
    return ""


def without_magics(cell: str) -> str:
    """A cell without IPython's own lines, so that the numbers of the others stay."""
    lines = cell.splitlines()
    first = next((n for n, line in enumerate(lines) if line.strip()), 0)
    word = lines[first].split()[0] if lines and lines[first].strip() else ""
    if word.startswith("%%"):
        if word not in _TIMERS:  # another language, or a file to be written
            return ""
        lines[first] = ""
    for n, line in enumerate(lines):
        bare = line.lstrip()
        if bare.startswith(("%", "!", "?")) or bare.rstrip().endswith("?"):
            lines[n] = line[: len(line) - len(bare)] + "pass"
        elif found := _ASSIGNED.match(line):
            lines[n] = found[1] + "None"
    return "\n".join(lines)


class Counter:
    """Lines that a call runs, and the one that takes most memory: a hint, which a submission could forge."""

    def __init__(self, labels: list[str]) -> None:
        self._labels, self._lines = labels, 0
        self._last = self._most = ("", 0)
        self._bytes = self._held = 0

    def run(self, function: Callable[..., Any], values: list[Any]) -> Any:
        """Call, and count."""
        tracemalloc.start()
        sys.settrace(self._enter)
        try:
            return function(*values)
        finally:
            sys.settrace(None)
            self._weigh()
            tracemalloc.stop()

    def told(self) -> dict[str, Any]:
        """Plain words and numbers."""
        label, line = self._most
        return {"lines": self._lines, "bytes": self._bytes, "label": label, "line": line}

    def _enter(self, frame: types.FrameType, *_: Any) -> Any:
        return self._step if frame.f_code.co_filename in self._labels else None

    def _step(self, frame: types.FrameType, event: str, _: Any) -> Any:
        if event == "line":
            self._weigh()
            self._lines += 1
            self._last = frame.f_code.co_filename, frame.f_lineno
        return self._step

    def _weigh(self) -> None:
        """What the line before took."""
        now, peak = tracemalloc.get_traced_memory()
        if peak - self._held > self._bytes and self._last[1]:
            self._bytes, self._most = peak - self._held, self._last
        self._held = now
        tracemalloc.reset_peak()


class Encoder:
    """What a submission returns, as a tree of plain words with arrays beside it."""

    def __init__(self, numpy: Any) -> None:
        self._array, self._generic, self._make = numpy.ndarray, numpy.generic, numpy.array
        self._float64 = numpy.float64
        self.arrays: dict[str, Any] = {}

    def encode(self, value: Any, depth: int = 0) -> dict[str, Any]:
        """``{"array": key}``, ``{"items": […]}``, ``{"text": …}`` or ``{"other": type}``."""
        kind = type(value)
        if kind is self._array:
            return self._leaf(value)
        if kind in (int, float, bool):
            return self._leaf(self._make(float(value)))
        if issubclass(kind, self._generic) and kind.__module__ == "numpy":
            return self._leaf(self._make(value))
        if kind is str:
            return {"text": value[:100_000]}
        if kind in (list, tuple) and depth < _DEEPEST:
            if value and all(type(v) in (int, float, bool) for v in value):
                return self._leaf(self._make([float(v) for v in value], self._float64))
            if len(value) > 4096:
                return {"other": f"{kind.__name__} of {len(value)} things"}
            return {"items": [self.encode(v, depth + 1) for v in value]}
        return {"other": _type_name(kind)}

    def _leaf(self, array: Any) -> dict[str, Any]:
        if array.dtype.kind not in "biuf":
            return {"other": f"array of dtype {array.dtype}"[:80]}
        key = f"a{len(self.arrays)}"
        self.arrays[key] = array
        return {"array": key}


def _type_name(kind: type) -> str:
    try:
        return str(type.__dict__["__qualname__"].__get__(kind))[:80]
    except Exception:
        return "something"


class Runner:
    """Reads messages, answers them."""

    def __init__(self, channels: tuple[int, int], packages: str) -> None:
        self._numpy = numpy
        self._load, self._save, self._bytes_io = numpy.load, numpy.savez, io.BytesIO
        self._loads, self._dumps = json.loads, json.dumps
        self._read, self._write, self._exit = os.read, os.write, os._exit
        self._in, self._out = channels
        self._count, self._threads = threading.active_count, threading.active_count()
        self._flush = [sys.stdout.flush, sys.stderr.flush]
        self._watch = Watch(
            [
                packages,
                os.getcwd(),
                os.path.abspath(__file__),
                sys.base_prefix,
                sys.prefix,
                *_stdlib(),
            ]
        )
        self._before = snapshot()
        self._module = types.ModuleType("submission")
        self._labels: list[str] = []
        self._answers = 0

    def serve(self) -> None:
        """Until the other side has no more to ask."""
        sys.addaudithook(self._watch)
        # what it took so far is not the submission's
        self._send({"ready": True, "used": _used()}, {})
        while True:
            message = self._receive()
            if message is None:
                self._exit(0)
                return
            self._send(*self.answer(*message))

    def answer(
        self, head: dict[str, Any], arrays: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read a submission, or call its function."""
        found, out = self._load_code(head) if "sources" in head else self._call(head, arrays)
        for flush in self._flush:
            try:
                flush()
            except Exception:  # the submission closed it
                continue
        self._answers += 1  # some thousand comparisons: not after each of hundreds of calls
        look = self._answers <= _FIRST or self._answers % _EVERY == 0
        found["offence"] = self._watch.offence or (replaced(self._before) if look else "")
        if self._count() > self._threads:
            found["offence"] = found["offence"] or "leaves a thread running"
        return found, out

    def _exactly(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count:
            part = self._read(self._in, min(count, 1 << 20))
            if not part:
                return b""
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _receive(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        lengths = self._exactly(_HEAD.size)
        if not lengths:
            return None
        head_size, body_size = _HEAD.unpack(lengths)
        head = self._loads(self._exactly(head_size))
        body = self._exactly(body_size)
        if not body:
            return head, {}
        with self._load(self._bytes_io(body), allow_pickle=False) as found:
            return head, {key: found[key] for key in found.files}

    def _send(self, head: dict[str, Any], arrays: dict[str, Any]) -> None:
        text = self._dumps(head).encode()
        body = b""
        if arrays:
            stream = self._bytes_io()
            self._save(stream, **arrays)
            body = stream.getvalue()
        data = memoryview(_HEAD.pack(len(text), len(body)) + text + body)
        while data:
            data = data[self._write(self._out, data) :]

    def _load_code(self, head: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        name, separate = head["name"], head["separate"]
        sys.modules["submission"] = self._module
        names = vars(self._module)
        names["__file__"] = os.path.join(os.getcwd(), "submission.py")
        errors = []
        for label, text in head["sources"]:
            self._labels.append(label)
            try:
                exec(self._compiled(text, label, separate), names)
            except BaseException as error:
                errors.append(self._error(error))
                if not separate:
                    break
        value = names.get(name)
        found: dict[str, Any] = {
            "errors": errors,
            "defined": name in names,
            "callable": callable(value),
            "names": [k for k in names if not k.startswith("_")][:64],
        }
        if type(value) is str:
            found["text"] = value[:100_000]
        elif name in names and not callable(value):
            found["is"] = _type_name(type(value))
        return found, {}

    @staticmethod
    def _compiled(text: str, label: str, cell: bool) -> types.CodeType:
        """Python as it is; a notebook's cell that is none, without IPython's own lines."""
        try:
            return compile(text, label, "exec")
        except SyntaxError:
            plain = without_magics(text) if cell else text
            if plain == text:
                raise
            return compile(plain, label, "exec")

    def _call(
        self, head: dict[str, Any], arrays: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        function: Any = vars(self._module).get(head["name"])
        # what has no axes is passed as a number
        values = [arrays[a["array"]][()] if "array" in a else a["plain"] for a in head["arguments"]]
        kept = {key: array.tobytes() for key, array in arrays.items()}
        counter = Counter(self._labels) if head.get("count") else None
        try:
            result = function(*values) if counter is None else counter.run(function, values)
        except BaseException as error:
            return {"error": self._error(error)}, {}
        if counter is not None:
            return {"value": {"text": ""}, "counted": counter.told()}, {}
        changed = [
            n
            for n, a in enumerate(head["arguments"])
            if "array" in a and arrays[a["array"]].tobytes() != kept[a["array"]]
        ]
        encoder = Encoder(self._numpy)
        try:
            value = encoder.encode(result)
        except BaseException as error:
            return {"error": self._error(error)}, {}
        return {"value": value, "changed": changed}, encoder.arrays

    def _error(self, error: BaseException) -> dict[str, Any]:
        """Its type, its text, and the last line of the submission that it passed."""
        try:
            text = str(error)[:500]
        except BaseException:  # its own __str__ may raise anything
            text = ""
        found = {"type": _type_name(type(error)), "text": text, "label": "", "line": 0}
        if isinstance(error, SyntaxError):
            found |= {
                "text": str(error.msg)[:200],
                "label": str(error.filename),
                "line": error.lineno,
            }
        else:
            passed = error.__traceback__  # walked by hand: traceback would open files
            while passed is not None:
                if passed.tb_frame.f_code.co_filename in self._labels:
                    found |= {"label": passed.tb_frame.f_code.co_filename, "line": passed.tb_lineno}
                passed = passed.tb_next
        return found


def _used() -> tuple[float, int]:
    """Seconds of CPU time and bytes of memory at most, so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def _stdlib() -> list[str]:
    return [os.path.dirname(os.path.abspath(module.__file__ or "")) for module in (os, io)]


def main(arguments: list[str]) -> None:
    """``runner.py FD_IN FD_OUT PACKAGES``."""
    first, second, packages = arguments
    Runner((int(first), int(second)), packages).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
