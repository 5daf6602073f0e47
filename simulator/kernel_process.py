"""A kernel as a process: started, listened to, waited for, ended with all that it started."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from kernel_src.errors import KernelError
from simulator.process_tree import command_line, process_tree, send_signal

INIT_SCRIPT = Path(__file__).with_name("init_process.py")
CHUNK_BYTES = 65536
LAST_WORDS_S = 5.0
KILL_S = 5.0


@dataclass(frozen=True)
class Enclosure:
    """What is put around a kernel's first process."""

    command: tuple[str, ...] = ()
    """The program and arguments that run the command after them inside; empty for nothing."""
    init_script: Path = INIT_SCRIPT
    """Where the first process's script lies, seen from inside."""
    own_pids: bool = False
    """Whether the end of the outermost process is the end of all inside."""
    descriptors: tuple[int, ...] = ()
    """What it must inherit."""
    cpus: frozenset[int] = frozenset()
    """The CPUs to run on; empty for all."""


@dataclass(frozen=True)
class Ending:
    """How a kernel's main process ended."""

    returncode: int
    """Its exit code; negative: the signal that ended it."""
    wall_s: float
    """Seconds from its start to its end."""
    cpu_s: float
    """Seconds of CPU that it and the children it waited for used."""
    left_behind: tuple[str, ...] = ()
    """Names of processes that still ran when it had ended."""


class KernelProcess:
    """A running kernel, with everything that it starts. Use it as a context: leaving it ends all of them.

    Args:
        command: the kernel's program and its arguments.
        environment: all of its environment variables.
        enclosure: what is put around it.
        folder: the folder to start in.
        log: the file that gets its output.
        live: whether the output is shown on stdout, too.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        enclosure: Enclosure,
        *,
        folder: Path,
        log: Path,
        live: bool,
    ) -> None:
        self._enclosure = enclosure
        self._log = log
        self._status = b""
        self._status_fd, status_end = os.pipe()
        self._init = [sys.executable, "-I", "-S", str(enclosure.init_script), str(status_end)]
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, enclosure.cpus or before)  # processes begin with their parent's CPUs
        self._start_s = time.monotonic()
        self._process = subprocess.Popen(
            [*enclosure.command, *self._init, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=folder,
            pass_fds=(status_end, *enclosure.descriptors),
            start_new_session=True,
        )
        os.sched_setaffinity(0, before)
        os.close(status_end)
        self._listener = threading.Thread(target=self._listen, args=(log, live), daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """The outermost process; all of the kernel lies below it."""
        return self._process.pid

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start_s

    @property
    def is_up(self) -> bool:
        """Whether the script has begun; what surrounds it begins before."""
        return self._status.startswith(b"up\n")

    def wait(self, timeout_s: float) -> bool:
        """Waits for news, at most `timeout_s`; whether the kernel has ended."""
        ready, _, _ = select.select([self._status_fd], [], [], max(0.0, timeout_s))
        if not ready:
            return False
        news = os.read(self._status_fd, CHUNK_BYTES)
        self._status += news
        return not news or self._status.count(b"\n") > 1

    def ending(self) -> Ending | None:
        """How it ended, once `wait` is true; None where what surrounds it was killed, too.

        Raises:
            KernelError: it has not even begun.
        """
        self._process.wait()
        if not self.is_up:
            self._listener.join(LAST_WORDS_S)
            raise KernelError(f"the kernel could not be started: {last_line(self._log) or 'it said nothing'}")
        report = self._status.partition(b"\n")[2]
        if not report:
            return None
        fields = json.loads(report)
        return Ending(fields["returncode"], fields["wall_s"], fields["cpu_s"], tuple(fields["left_behind"]))

    def kernel_pids(self) -> list[int]:
        """The script's own process, then all that it started; without what surrounds them."""
        tree = process_tree(self.pid)
        init = next((pid for pid in tree if command_line(pid)[: len(self._init)] == self._init), None)
        return process_tree(init)[1:] if init else []

    def signal(self, number: int) -> None:
        """Sends a signal to the script and all that it started."""
        for pid in self.kernel_pids():
            send_signal(pid, number)

    def terminate(self) -> None:
        """Asks the script itself to leave."""
        for pid in self.kernel_pids()[:1]:
            send_signal(pid, signal.SIGTERM)

    def kill(self) -> None:
        """Ends the kernel and all below it at once.

        Without process numbers of its own the first process does it, for an orphan made meanwhile comes to it and
        cannot escape.
        """
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL if self._enclosure.own_pids else signal.SIGTERM)
        try:
            self._process.wait(KILL_S)
        except subprocess.TimeoutExpired:
            for pid in reversed(process_tree(self.pid)):
                send_signal(pid, signal.SIGKILL)
            self._process.wait()

    def _listen(self, log: Path, live: bool) -> None:
        assert self._process.stdout is not None
        with log.open("wb", buffering=0) as file:
            kept = True
            while chunk := os.read(self._process.stdout.fileno(), CHUNK_BYTES):
                kept = kept and _write(file, chunk)
                live = live and _show(chunk)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._listener.join(LAST_WORDS_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        os.close(self._status_fd)


def last_line(log: Path) -> str:
    """The last line of a log that is not empty."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _write(file: BinaryIO, chunk: bytes) -> bool:
    """Writes output of the kernel; whether there is still room. The kernel must not be held up by a full disk."""
    try:
        file.write(chunk)
    except OSError:
        return False
    return True


def _show(chunk: bytes) -> bool:
    """Shows output of the kernel; whether there is still somebody to show it to."""
    try:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    except OSError:  # such as the end of a pipe; the kernel must not be held up by it
        return False
    return True
