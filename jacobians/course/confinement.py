"""Where submissions run: what the system gives to shut a process in, and a session with one in there."""

import io
import itertools
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import JacobiansError, UnsupportedError
from jacobians.ground.stopwatch import Stopwatch

Array = NDArray[Any]

_HERE = Path(__file__).parent
_HEAD = struct.Struct("<QQ")
_CHUNK = 1 << 20
_FIRST_ID, _IDS = 2_000_000, 1_000_000  # users that no system has given to anybody
_START, _END = 30.0, 5.0  # seconds that a process may take to start, and to say what it used
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_numbers = itertools.count()

PROTECTION = {
    "namespaces": (),
    "user": (),
    "account": (
        "there are no namespaces here: files that every user may read can be read, and the network is there",
    ),
    "plain": (
        "neither another user nor namespaces are to be had here: a submission can read what you can read, "
        "other submissions and this process included",
    ),
}
"""By mode: what is not protected."""


@dataclass(frozen=True)
class Limits:
    """What a submission may use for one task.

    Parameters
    ----------
    seconds : float
        Of wall-clock time that is waited for its answers to one task.
    cpu : int
        Seconds of CPU time of one process.
    memory : int
        Bytes of address space.
    files : int
        Bytes of a file, and of all files where it has a file system of its own.
    processes : int
        Processes and threads, its own included.
    output : int
        Bytes that it may print.
    total : float
        Seconds of wall-clock time for all tasks.
    """

    seconds: float = 10.0
    cpu: int = 10
    memory: int = 1 << 30
    files: int = 1 << 27
    processes: int = 1
    output: int = 1 << 16
    total: float = 300.0


class Offence(JacobiansError):
    """What ended a submission's process, or makes its answer none."""


class Usage(NamedTuple):
    """What a process used, as the system says: seconds of CPU time, bytes of memory at most."""

    cpu: float
    memory: int


class Answer(NamedTuple):
    """What a submission said to one message: plain words, and arrays beside them."""

    head: dict[str, Any]
    arrays: dict[str, Array]


def _python() -> str:
    return os.path.realpath(sys.executable)


@cache
def _folders(modules: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Where packages are, as (name, path), with the libraries beside them."""
    found: dict[str, str] = {}
    for name in modules:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise UnsupportedError(f"a submission may import {name}, but it is not installed here")
        place = Path(spec.origin).resolve()
        place = place.parent if spec.submodule_search_locations else place
        found[place.name] = str(place)
        libraries = place.parent / f"{name}.libs"
        if libraries.is_dir():
            found[libraries.name] = str(libraries)
    return tuple(found.items())


def _shown(modules: tuple[str, ...]) -> list[tuple[str, str]]:
    """Files and folders of the interpreter, of the system's libraries, and of packages."""
    python = _python()
    prefix = os.path.realpath(sys.base_prefix)
    places = [python, "/etc/ld.so.cache", "/dev/null", "/dev/urandom"]
    for name in ("lib", "lib64", "lib32"):
        places += [f"/usr/{name}", f"/{name}"]
        if prefix != "/usr":
            places.append(os.path.join(prefix, name))
    places += [sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib")]
    here = [p for p in dict.fromkeys(places) if os.path.lexists(p)]
    inner = [
        p for p in here if not any(p != q and p.startswith(q + "/") for q in here) or p == python
    ]
    return [(p, p) for p in inner] + [(p, f"/packages/{n}") for n, p in _folders(modules)]


def _hidden(shown: Sequence[tuple[str, str]]) -> list[str]:
    """Folders of other packages below what is shown."""
    found = set()
    for place, _ in shown:
        if os.path.isdir(place) and not os.path.islink(place) and "/packages/" not in place:
            for pattern in ("*/site-packages", "*/dist-packages", "site-packages", "dist-packages"):
                found |= {str(p) for p in Path(place).glob(pattern)}
    return sorted(found)


@contextmanager
def _workplace() -> Iterator[dict[str, str]]:
    """A folder of ours, with one for the submission, one for packages and one for a file system."""
    top = tempfile.mkdtemp(prefix="grade-")
    try:
        places = {name: os.path.join(top, name) for name in ("folder", "packages", "root")}
        for place in places.values():
            os.mkdir(place)
        yield places
    finally:
        shutil.rmtree(top, ignore_errors=True)


class Enclosure:
    """A submission's process: what is sent there, what comes back, until it is over.

    Parameters
    ----------
    mode : str
        One of ``PROTECTION``.
    files : mapping
        Names and bytes of what stands in the submission's folder.
    modules : tuple of str
        The packages that it may import.
    limits : Limits
        What it may use.

    Raises
    ------
    Offence
        From any method, where the process ends, is too slow, or does not speak as it should; the text
        is a clause for the student: "runs for more than 10 s".
    """

    def __init__(
        self, mode: str, files: Mapping[str, bytes], modules: tuple[str, ...], limits: Limits
    ) -> None:
        self._limits, self._mode = limits, mode
        self.start = Usage(0.0, 0)
        self._waited = 0.0
        self._printed = bytearray()
        self._status = bytearray()
        self._ended = self._greeted = False
        self._place = _workplace()
        places = self._place.__enter__()
        uid = _FIRST_ID + (os.getpid() * 64 + next(_numbers)) % _IDS
        for name, content in files.items():
            Path(places["folder"], name).write_bytes(content)
        inside = mode in ("namespaces", "user")
        shown = _shown(modules) if inside else []
        if not inside:
            for name, place in _folders(modules):
                os.symlink(place, os.path.join(places["packages"], name))
            shutil.copyfile(_HERE / "runner.py", os.path.join(places["packages"], ".runner"))
        if mode == "account":
            for place in (places["folder"], *map(str, Path(places["folder"]).iterdir())):
                os.chown(place, uid, uid)
            os.chmod(os.path.dirname(places["folder"]), 0o711)
            os.chmod(places["folder"], 0o700)
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        self._told, status = os.pipe()
        out, theirs_print = os.pipe()
        self._out = out
        config = {
            **places,
            "mode": mode,
            "uid": uid,
            "limits": asdict(limits),
            "shown": shown,
            "hidden": _hidden(shown),
            "runner": str(_HERE / "runner.py")
            if inside
            else os.path.join(places["packages"], ".runner"),
            "python": _python(),
            "channels": [theirs_in, theirs_out],
            "status": status,
        }
        command = [_python(), "-I", "-S", "-B", str(_HERE / "warden.py"), json.dumps(config)]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=theirs_print,
                stderr=theirs_print,
                pass_fds=(theirs_in, theirs_out, status),
                start_new_session=True,
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                cwd="/",
            )
        finally:
            for fd in (theirs_in, theirs_out, status, theirs_print):
                os.close(fd)
        for fd in (self._to, self._from, self._told, self._out):
            os.set_blocking(fd, False)

    def __enter__(self) -> "Enclosure":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def printed(self) -> str:
        """What it printed so far, the first 2,000 bytes."""
        return self._printed[:2000].decode(errors="replace")

    def ask(
        self, head: Mapping[str, Any], arrays: Mapping[str, Array], most: int = 1 << 24
    ) -> Answer:
        """Send a message and wait for the answer, of at most ``most`` bytes."""
        if not self._greeted:
            greeting = self._answer(1 << 16).head  # said before the submission is read
            self.start = Usage(*greeting["used"])
            self._greeted, self._waited = True, 0.0
        body = b""
        if arrays:
            stream = io.BytesIO()
            np.savez(stream, allow_pickle=False, **arrays)
            body = stream.getvalue()
        text = json.dumps(head).encode()
        self._send(_HEAD.pack(len(text), len(body)) + text + body)
        return self._answer(most)

    def _answer(self, most: int) -> Answer:
        head_size, body_size = _HEAD.unpack(self._receive(_HEAD.size))
        if head_size > 1 << 20 or body_size > most:
            self._fail("answers with far more numbers than were asked for")
        try:
            found = json.loads(self._receive(head_size))
            read = _read_arrays(self._receive(body_size)) if body_size else {}
            if not isinstance(found, dict):
                raise ValueError("no object")
        except Offence:
            raise
        except Exception:  # it wrote into the channel itself
            self._fail("gives an answer that cannot be read")
        return Answer(found, read)

    def usage(self) -> Usage:
        """What the process used; it ends."""
        self._close("_to")
        deadline = Stopwatch()
        while b'"code"' not in self._status and deadline.seconds < _END:
            if not self._wait(0.2, None):
                break
        found = self._said()
        if "cpu" not in found:
            self._fail("does not end")
        return Usage(found["cpu"], found["memory"])

    def end(self) -> None:
        """End everything that runs there, and remove its folder."""
        if self._ended:
            return
        self._ended = True
        inside = self._mode in ("namespaces", "user")
        with suppress(OSError):
            self._process.send_signal(signal.SIGKILL if inside else signal.SIGTERM)
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for name in ("_to", "_from", "_told", "_out"):
            self._close(name)
        self._place.__exit__(None, None, None)

    def _close(self, name: str) -> None:
        fd = getattr(self, name)
        if fd >= 0:
            os.close(fd)
            setattr(self, name, -1)

    def _said(self) -> dict[str, Any]:
        """What the warden said of it so far."""
        found: dict[str, Any] = {}
        for line in bytes(self._status).splitlines():
            with suppress(ValueError):
                found |= json.loads(line)
        return found

    def _wait(self, seconds: float, ready: int | None, to_write: bool = False) -> bool:
        """Wait until a channel can be used; what is printed or told meanwhile is kept.

        False when nothing more can come.
        """
        poll = select.poll()
        if ready is not None:
            poll.register(ready, select.POLLOUT if to_write else select.POLLIN)
        open_ones = [fd for fd in (self._out, self._told) if fd >= 0]
        for fd in open_ones:
            poll.register(fd, select.POLLIN)
        if ready is None and not open_ones:
            return False
        for fd, _ in poll.poll(max(0, int(seconds * 1000))):
            if fd in open_ones:
                try:
                    part = os.read(fd, 1 << 16)
                except BlockingIOError:
                    continue
                if fd == self._out:
                    room = self._limits.output + 1 - len(self._printed)
                    self._printed += part[: max(0, room)]
                    if not part:
                        self._close("_out")
                else:
                    self._status += part
                    if not part:
                        self._close("_told")
        if len(self._printed) > self._limits.output:
            self._fail(f"prints more than {self._limits.output // 1024:,} KiB")
        return True

    def _patience(self) -> float:
        return (self._limits.seconds if self._greeted else _START) - self._waited

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            watch = Stopwatch()
            try:
                view = view[os.write(self._to, view[:_CHUNK]) :]
            except BlockingIOError:
                self._wait(min(self._patience(), 0.5), self._to, to_write=True)
            except OSError:
                self._gone()
            self._spend(watch)

    def _receive(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count:
            watch = Stopwatch()
            try:
                part = os.read(self._from, min(count, _CHUNK))
            except BlockingIOError:
                self._wait(min(self._patience(), 0.5), self._from)
            else:
                if not part:
                    self._gone()
                parts.append(part)
                count -= len(part)
            self._spend(watch)
        return b"".join(parts)

    def _spend(self, watch: Stopwatch) -> None:
        self._waited += watch.seconds
        if self._patience() <= 0:
            self._fail(f"runs for more than {self._limits.seconds:g} s")

    def _gone(self) -> None:
        """Say why the process is no more."""
        deadline = Stopwatch()
        while b'"code"' not in self._status and deadline.seconds < _END:
            if not self._wait(0.2, None):
                break
        found = self._said()
        if "error" in found:
            raise UnsupportedError(f"a submission cannot be started here: {found['error']}")
        code = found.get("code")
        if code in (-signal.SIGXCPU, -signal.SIGKILL) and found["cpu"] >= self._limits.cpu - 0.5:
            self._fail(f"takes more than {self._limits.cpu} s of CPU time")
        if code is not None and code < 0:
            self._fail(f"ends Python itself (signal {-code}, {signal.strsignal(-code)})")
        if code is None:
            self._fail("ends without an answer")
        self._fail(f"ends Python itself (exit code {code}) before it answers")

    def _fail(self, text: str) -> None:
        self.end()
        raise Offence(text)


def _read_arrays(data: bytes) -> dict[str, Array]:
    """The arrays of an npz, each as long as it says, nothing unpacked or unpickled."""
    found: dict[str, Array] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > len(data):
            raise ValueError("entries that overlap")
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(data):
                raise ValueError("compressed")
            content = archive.read(entry)
            stream = io.BytesIO(content)
            header = _HEADERS[np.lib.format.read_magic(stream)]
            shape, fortran, dtype = header(stream, max_header_size=1000)
            if dtype.kind not in "biuf":
                raise ValueError("no numbers")
            start = stream.tell()
            if prod(shape) * dtype.itemsize != len(content) - start:
                raise ValueError("another size than it says")
            array = np.frombuffer(content, dtype, offset=start)
            array = array.reshape(shape, order="F" if fortran else "C")
            found[entry.filename.removesuffix(".npy")] = array.astype(np.float64)
    return found


@cache
def best_mode() -> str:
    """The most that the system gives, found by trying.

    Raises
    ------
    UnsupportedError
        Where processes cannot be limited at all.
    """
    if not hasattr(os, "fork") or not hasattr(select, "poll"):
        raise UnsupportedError(
            "grading needs a system with fork and limits, such as Linux or macOS; run it in a container"
        )
    order = ("namespaces", "account", "plain") if os.geteuid() == 0 else ("user", "plain")
    reason = ""
    for mode in order:
        try:
            with Enclosure(mode, {}, ("numpy",), Limits()) as session:
                session.ask({"name": "f", "separate": False, "sources": []}, {})
            return mode
        except (JacobiansError, OSError) as error:
            reason = str(error)
    raise UnsupportedError(f"a submission cannot be started here: {reason}")
