"""Faults on purpose: a command dies, or its disk fails, at one chosen system call of the script or of a git it started.

The script runs in a fork of this process, which has pandas and scikit-learn imported already, so that a point costs
tenths of a second; strace attaches to it before its first line. git and git-lfs are found as shims on PATH that count
themselves, so that the n-th of them can be run under a strace of its own: `when=K` counts per process, and a point is
(n-th process, system call, K-th of that name). Process 0 is the script. Only calls on files of the project are points.
"""
import ctypes
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

CALLS = ("openat", "write", "writev", "pwrite64", "sendfile", "copy_file_range", "fsync", "fdatasync", "rename", "renameat", "renameat2", "symlink", "symlinkat",
         "link", "linkat", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "ftruncate")
FAULTS = {"killed": "signal=KILL", "ENOSPC": "error=ENOSPC", "EIO": "error=EIO"}
NEW = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")
RANDOM = re.compile(r"tmp_obj_\w+|[0-9a-f]{2}/[0-9a-f]{38}|(?<=objects/)[0-9a-f]{2}|[0-9a-f]{6,}|\d+")  # what is another name each time
LIMIT = 120  # seconds for one command
PR_SET_PTRACER, ANYONE = 0x59616D61, -1
SHIM = """#!/bin/sh
n=$(($(cat "$SWEEP/count") + 1))
echo $n > "$SWEEP/count"
case "$n:$SWEEP_MODE" in
*:record) exec strace {flags} -qq -y -e signal=none -o "$SWEEP/trace.$n" -e trace=$SWEEP_CALLS {program} "$@" ;;
$SWEEP_CHILD:inject)
    strace {flags} -qq -y -o "$SWEEP/hit" -e trace=$SWEEP_CALL -e inject=$SWEEP_CALL:$SWEEP_FAULT:when=$SWEEP_WHEN {program} "$@"
    code=$?
    [ $code = 137 ] && kill -KILL 0  # the whole command dies with it, as when the machine does
    exit $code ;;
*) exec {program} "$@" ;;
esac
"""


@dataclass(frozen=True)
class Point:
    """The K-th call of a name in the n-th process of a command."""

    child: int
    call: str
    when: int
    path: str

    def __str__(self) -> str:
        return f"{f'child {self.child}' if self.child else 'script'} {self.call} {self.when} ({self.path})"


@dataclass
class Done:
    code: int  # as Popen gives it: -9 when killed
    out: str
    err: str


@dataclass
class Sweep:
    """What a verb's sweep found."""

    verb: str
    existing: int = 0
    swept: Counter = field(default_factory=Counter)  # by fault
    missed: int = 0  # points that this run of the command did not come to
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        faults = ", ".join(f"{count} {fault}" for fault, count in self.swept.items())
        return f"{self.verb}: {self.existing} calls that change the disk; {self.swept.total()} faults ({faults}; {self.missed} not come to), {len(self.failures)} failures"


def why_not() -> str | None:
    """Why faults can't be injected here."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", "inject=getpid:error=EIO", "true"], capture_output=True, text=True)
    return f"strace can't trace here: {tried.stderr.strip()}" if tried.returncode else None


def shims(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name in ("git", "git-lfs"):
        path = folder / name
        path.write_text(SHIM.replace("{program}", shutil.which(name)).replace("{flags}", "-f" if name == "git-lfs" else ""))  # git-lfs has threads; git has git-lfs as a child
        path.chmod(0o755)
    return folder


def start(project, script: str, options: dict, extra: dict[str, str]) -> tuple[int, int]:
    """A fork that runs the script once a byte is written to the pipe given back, in a process group of its own: (pid, pipe)."""
    wait, go = os.pipe()
    pid = os.fork()
    if pid:
        os.close(wait)
        return pid, go
    try:
        os.setsid()
        os.close(go)
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(ANYONE), 0, 0, 0)
        environment = {**project.env, **{key: str(value) for key, value in options.items()}, **extra, "PYTHONDONTWRITEBYTECODE": "1"}
        os.environ.clear()
        os.environ.update(environment)
        sys.dont_write_bytecode = True
        os.chdir(project.root)
        for descriptor, name in enumerate(("in", "out", "err")):
            handle = os.open("/dev/null" if name == "in" else output(project, os.getpid(), name), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(handle, descriptor)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for name in [name for name in sys.modules if name == "lib" or name.startswith("lib.")]:
            del sys.modules[name]
        sys.path[:] = [str(project.root / "scripts"), *(place for place in sys.path if not place.endswith("/scripts"))]
        sys.argv = [f"scripts/{script}.py"]
        os.read(wait, 1)
        code = 1
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            import traceback
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    finally:
        os._exit(70)


def run(project, script: str, options: dict, strace: list[str] = (), **extra: str) -> Done:
    """The script's end, run with the calls of its own process traced, if so wished."""
    pid, go = start(project, script, options, extra)
    tracer = None
    if strace:
        tracer = subprocess.Popen(["strace", "-y", "-p", str(pid), *strace], stderr=subprocess.PIPE, text=True)
        first = tracer.stderr.readline()
        assert "attached" in first, first
    os.write(go, b"!")
    os.close(go)
    code = finish(pid)
    if tracer:
        tracer.communicate()
    said = [output(project, pid, name) for name in ("out", "err")]
    done = Done(code, *(path.read_text(errors="replace") for path in said))
    for path in said:
        path.unlink()
    return done


def output(project, pid: int, name: str) -> Path:
    return project.root.with_name(f"{project.root.name}-{pid}.{name}")


def finish(pid: int) -> int:
    deadline = time.monotonic() + LIMIT
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return 124
        time.sleep(0.005)


def record(project, script: str, options: dict, state: Path) -> tuple[Done, list[Point]]:
    """Run the command whole and list its points, in no particular order across processes."""
    state.mkdir()
    (state / "count").write_text("0\n")
    calls = ",".join(CALLS)
    done = run(project, script, options, ["-o", str(state / "trace.0"), "-e", f"trace={calls}", "-e", "signal=none"],
               SWEEP=str(state), SWEEP_MODE="record", SWEEP_CALLS=calls, PATH=with_shims(project, state))
    return done, [point for trace in sorted(state.glob("trace.*"), key=lambda path: int(path.suffix[1:])) for point in points(trace, project.root)]


def with_shims(project, state: Path) -> str:
    return f"{shims(state / 'bin')}:{project.env['PATH']}"


def points(trace: Path, root: Path) -> list[Point]:
    """The calls of a trace that change files of the project. strace -f puts the thread's number before each."""
    child, counts, found = int(trace.suffix[1:]), Counter(), {}
    for line in trace.read_text(errors="replace").splitlines():
        match = re.match(r"(?:(\d+) +)?(\w+)\((.*)", line)
        if not match:
            continue
        thread, call, rest = match.groups()
        counts[thread, call] += 1
        path = changed(call, rest, root)
        if path is not None:
            found.setdefault((call, counts[thread, call]), Point(child, call, counts[thread, call], path))  # of threads the first to count so far
    return list(found.values())


def changed(call: str, rest: str, root: Path) -> str | None:
    """The path below the root that a call changes; None if it changes none."""
    if call == "openat" and not NEW.search(rest):
        return None
    names = re.findall(r'"((?:[^"\\]|\\.)*)"', rest)
    handle = re.match(r"(?:AT_FDCWD|\d+)<([^>]*)>", rest)
    if call in ("write", "writev", "pwrite64", "sendfile", "copy_file_range", "fsync", "fdatasync", "ftruncate"):
        handles = re.findall(r"\d+<([^>]*)>", rest)
        path = handles[1] if call == "copy_file_range" and len(handles) > 1 else handle[1] if handle else ""
    else:
        path = os.path.join(handle[1] if handle else root, names[-1]) if names else ""
    inside = os.path.normpath(path) if path.startswith("/") else ""
    return os.path.relpath(inside, root) if inside.startswith(f"{root}/") or inside == str(root) else None


def inject(project, script: str, options: dict, point: Point, fault: str, state: Path) -> tuple[Done, bool]:
    """Run the command with one fault; and whether it came to the point."""
    state.mkdir()
    (state / "count").write_text("0\n")
    what = f"inject={point.call}:{FAULTS[fault]}:when={point.when}"
    strace = ["-o", str(state / "hit"), "-e", f"trace={point.call}", "-e", what] if point.child == 0 else []
    done = run(project, script, options, strace, SWEEP=str(state), SWEEP_MODE="inject", SWEEP_CHILD=str(point.child), SWEEP_CALL=point.call,
               SWEEP_FAULT=FAULTS[fault], SWEEP_WHEN=str(point.when), PATH=with_shims(project, state))
    return done, came_to(point, state / "hit", project.root)


def came_to(point: Point, trace: Path, root: Path) -> bool:
    """Whether the fault struck the call that was meant: the same kind of file, whatever the random parts of its name."""
    lines = trace.read_text(errors="replace").splitlines() if trace.exists() else []
    struck = [line for line in lines if "(INJECTED)" in line]
    if any("killed by SIGKILL" in line for line in lines):
        struck = [line for line in lines if f"{point.call}(" in line]
    match = re.match(r"(?:\d+ +)?(\w+)\((.*)", struck[-1]) if struck else None
    path = changed(match[1], match[2], root) if match else None
    return path is not None and RANDOM.sub("*", path) == RANDOM.sub("*", point.path)


def sample(found: list[Point], budget: int) -> list[Point]:
    """Evenly over the list, as many as the budget allows."""
    if budget >= len(found):
        return found
    return [found[int((i + 0.5) * len(found) / budget)] for i in range(budget)]
