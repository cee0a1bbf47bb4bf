"""The script that guards a submission: it shuts the runner in, waits for it, and says what it used.

It runs as a process of its own, ``python -I -S warden.py '{"mode": …}'``, with the standard library alone,
and is never imported by what it guards. ``mode`` says what the system gives:

``namespaces``  (root) another user, and processes, network, mounts and IPC of its own: the file system is
                made anew of the interpreter, NumPy and what else is allowed, read-only, with no ``/proc``
``user``        (not root) the same in a user namespace
``account``     (root, no namespaces) another user, in an empty folder
``plain``       none of these: limits, and the end of all that was started
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import struct
import sys
from types import FrameType
from typing import Any, NoReturn

_NEW = {"mounts": 0x00020000, "uts": 0x04000000, "ipc": 0x08000000, "processes": 0x20000000}
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_READ_ONLY, _NO_SETUID, _NO_DEVICES, _NO_EXEC = 1, 2, 4, 8
_REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 32, 4096, 16384, 1 << 18
_DETACH = 2
_DEATH_SIGNAL, _SUBREAPER, _NO_NEW_PRIVILEGES = 1, 36, 38
_NOBODY = 65534
_SECCOMP, _FILTER = 22, 2
_MACHINES = {
    "x86_64": (0xC000003E, 56, {
        "memfd_create": 319, "memfd_secret": 447, "shmget": 29, "msgget": 68, "semget": 64, "mq_open": 240,
        "unshare": 272, "setns": 308, "mount": 165, "open_tree": 428, "move_mount": 429, "fsopen": 430,
        "pivot_root": 155, "chroot": 161, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311,
        "io_uring_setup": 425, "userfaultfd": 323, "bpf": 321, "perf_event_open": 298, "add_key": 248,
        "request_key": 249, "keyctl": 250,
    }),
    "aarch64": (0xC00000B7, 220, {
        "memfd_create": 279, "memfd_secret": 447, "shmget": 194, "msgget": 186, "semget": 190, "mq_open": 180,
        "unshare": 97, "setns": 268, "mount": 40, "open_tree": 428, "move_mount": 429, "fsopen": 430,
        "pivot_root": 41, "chroot": 51, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271,
        "io_uring_setup": 425, "userfaultfd": 282, "bpf": 280, "perf_event_open": 241, "add_key": 217,
        "request_key": 218, "keyctl": 219,
    }),
}  # fmt: skip
"""By machine: its number in a filter, that of clone, and calls that are refused: memory that no limit counts,
namespaces in which a submission had rights, and other processes."""
_CLONE3 = 435
_INODES = 8192  # files and folders that may be made, whose memory no limit counts either
_FOLDER = "/submission"


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _done(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else text.encode() for text in (source, target, kind)]
    extra = None if data is None else data.encode()
    _done(
        _libc().mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), extra), f"mount {target}"
    )


def _tie() -> None:
    """End with the process that started this one; that needs Linux."""
    with contextlib.suppress(Exception):
        _libc().prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _separate(user: bool) -> None:
    """Namespaces of its own; in a user namespace, as nobody."""
    uid, gid = os.getuid(), os.getgid()
    flags = sum(_NEW.values()) | _NEW_NETWORK | (_NEW_USER if user else 0)
    _done(_libc().unshare(flags), "unshare")
    if user:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{_NOBODY} {uid} 1"),
            ("gid_map", f"{_NOBODY} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)


def _bind(source: str, target: str) -> None:
    """Show a file or folder at another place, read-only."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "a"):
            pass
    _mount(source, target, None, _BIND | _RECURSIVE)
    kept = os.statvfs(target).f_flag & (_NO_SETUID | _NO_DEVICES | _NO_EXEC)
    _mount("none", target, None, _REMOUNT | _BIND | _READ_ONLY | _NO_SETUID | kept)


def _enclose(config: dict[str, Any]) -> None:
    """A file system of little: what is listed, and the folder of the submission."""
    old_umask = os.umask(0o022)
    _mount("none", "/", None, _RECURSIVE | _PRIVATE)
    root = config["root"]
    limit = f"size={config['limits']['files']},nr_inodes={_INODES},mode=755"
    _mount("tmpfs", root, "tmpfs", _NO_SETUID | _NO_DEVICES, limit)
    for source, target in config["shown"]:
        place = root + target
        if os.path.lexists(place):
            continue
        if os.path.islink(source) and source == target:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.symlink(os.readlink(source), place)
        else:
            _bind(source, place)
    for place in config["hidden"]:
        if os.path.isdir(root + place):
            _mount("tmpfs", root + place, "tmpfs", _READ_ONLY | _NO_SETUID | _NO_DEVICES, "size=4k")
    _copy(config["runner"], f"{root}/runner.py")
    os.mkdir(root + _FOLDER)
    for name in os.listdir(config["folder"]):
        _copy(os.path.join(config["folder"], name), f"{root}{_FOLDER}/{name}")
    for place in (root + _FOLDER, *_below(root + _FOLDER)):
        if config["mode"] == "namespaces":
            os.chown(place, config["uid"], config["uid"], follow_symlinks=False)
    os.makedirs(f"{root}/.old")
    libc = _libc()
    _done(libc.pivot_root(root.encode(), f"{root}/.old".encode()), "pivot_root")
    os.chdir("/")
    _done(libc.umount2(b"/.old", _DETACH), "umount")
    os.rmdir("/.old")
    os.umask(old_umask)


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as file, open(target, "wb") as copy:
        copy.write(file.read())


def _below(folder: str) -> list[str]:
    return [os.path.join(top, name) for top, _, names in os.walk(folder) for name in names]


def _limit(config: dict[str, Any]) -> None:
    limits = config["limits"]
    cpu = limits["cpu"]
    for name, soft, hard in (
        ("RLIMIT_CORE", 0, 0),
        ("RLIMIT_CPU", cpu, cpu + 1),
        ("RLIMIT_AS", limits["memory"], limits["memory"]),
        ("RLIMIT_FSIZE", limits["files"], limits["files"]),
        ("RLIMIT_NOFILE", 64, 64),
        ("RLIMIT_NPROC", limits["processes"], limits["processes"]),
    ):
        if hasattr(resource, name):
            with contextlib.suppress(ValueError, OSError):  # a lower hard limit stands
                resource.setrlimit(getattr(resource, name), (soft, hard))


def _become(config: dict[str, Any]) -> NoReturn:
    """Turn into the runner: no rights, limits, a clean environment."""
    inside = config["mode"] in ("namespaces", "user")
    os.setsid()
    os.chdir(_FOLDER if inside else config["folder"])
    if config["mode"] in ("namespaces", "account"):
        os.setgroups([])
        os.setresgid(*[config["uid"]] * 3)
        os.setresuid(*[config["uid"]] * 3)
    with contextlib.suppress(Exception):
        _libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        _refuse_calls()
    _tie()
    _limit(config)
    os.umask(0o077)
    runner = "/runner.py" if inside else config["runner"]
    home = _FOLDER if inside else config["folder"]
    packages = "/packages" if inside else config["packages"]
    python = config["python"]
    fds = [str(fd) for fd in config["channels"]]
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    }  # fmt: skip
    os.execve(python, [python, "-I", "-S", "-B", "-X", "utf8", runner, *fds, packages], environment)


def _refuse_calls() -> None:
    """A filter of system calls, where the kernel and the machine are known ones."""
    machine, clone, numbers = _MACHINES[os.uname().machine]
    load, equal, bits, above, answer = 0x20, 0x15, 0x45, 0x35, 0x06
    refused, absent, allowed = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x7FFF0000
    namespaces = sum(_NEW.values()) | _NEW_USER | _NEW_NETWORK
    words = [
        (load, 0, 0, 4), (equal, 1, 0, machine), (answer, 0, 0, refused),
        (load, 0, 0, 0), (above, 0, 1, 0x40000000), (answer, 0, 0, refused),
        (equal, 0, 1, _CLONE3), (answer, 0, 0, absent),  # its flags cannot be seen; clone stands in
    ]  # fmt: skip
    for number in numbers.values():
        words += [(equal, 0, 1, number), (answer, 0, 0, refused)]
    words += [
        (equal, 0, 3, clone), (load, 0, 0, 16), (bits, 0, 1, namespaces), (answer, 0, 0, refused),
        (answer, 0, 0, allowed),
    ]  # fmt: skip
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *word) for word in words))
    head = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(words), ctypes.addressof(program))
    )
    _done(_libc().prctl(_SECCOMP, _FILTER, ctypes.c_ulong(ctypes.addressof(head)), 0, 0), "seccomp")


def _spawn(config: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            os.set_inheritable(config["status"], False)
            _become(config)
        except BaseException as error:
            _tell(config, {"error": f"{type(error).__name__}: {error}"})
        finally:
            os._exit(127)
    return pid


def _tell(config: dict[str, Any], found: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        os.write(config["status"], json.dumps(found).encode() + b"\n")


def _guard(config: dict[str, Any]) -> None:
    """Start the runner, wait for it, tell what it used, and end what it left."""
    for fd in config["channels"]:
        os.set_inheritable(fd, True)
    _tell(config, {"ready": True})
    pid = _spawn(config)
    for fd in config["channels"]:  # so that the end of the runner is the end of the channel
        os.close(fd)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)

    signal.signal(signal.SIGTERM, stop)
    while True:
        found, status, usage = os.wait4(-1, 0)
        if found == pid:
            break
    unit = 1 if sys.platform == "darwin" else 1024
    _tell(
        config,
        {
            "code": os.waitstatus_to_exitcode(status),
            "cpu": usage.ru_utime + usage.ru_stime,
            "memory": usage.ru_maxrss * unit,
        },
    )
    if config["mode"] in ("account", "plain"):
        _sweep(config)


def _sweep(config: dict[str, Any]) -> None:
    """End every process that the runner left; in a namespace the kernel does it."""
    if config["mode"] == "account":
        pid = os.fork()
        if pid == 0:
            os.setresuid(*[config["uid"]] * 3)
            with contextlib.suppress(OSError):
                os.kill(-1, signal.SIGKILL)
            os._exit(0)
    while True:
        for other in _children():
            with contextlib.suppress(OSError):
                os.kill(other, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    """What has this process as its parent, orphans that came to it included."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(word) for word in file.read().split()]
    except (OSError, ValueError):
        return []


def main(text: str) -> int:
    """Guard one runner, as the JSON text says."""
    config = json.loads(text)
    _tie()
    try:
        if config["mode"] in ("account", "plain"):
            with contextlib.suppress(Exception):
                _libc().prctl(_SUBREAPER, 1, 0, 0, 0)
            _guard(config)
            return 0
        _separate(config["mode"] == "user")
        first = os.fork()  # the first process of the new namespace; all others end with it
        if first == 0:
            _tie()
            try:
                _enclose(config)
                _guard(config)
            except BaseException as error:
                _tell(config, {"error": f"{type(error).__name__}: {error}"})
            os._exit(0)
        for fd in config["channels"]:
            os.close(fd)
        os.close(config["status"])
        os.waitpid(first, 0)
    except BaseException as error:
        _tell(config, {"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
