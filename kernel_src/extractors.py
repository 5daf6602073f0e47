"""Who turns a file into a waveform or a spectrogram: the thread that asks, or a process of its own.

Threads wait for each other at the interpreter's lock between one long operation and the next, and a decoder that
crashes takes its whole process down. So each thread has a process: it is forked before torch is loaded, while this
process is small and has one thread, and ends with it.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from mmap import mmap
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from kernel_src.array_channel import ArrayChannel, ArrayHeader
from kernel_src.audio import Waveform, read_waveform
from kernel_src.errors import ClipError
from kernel_src.forking import fork, name_of_end
from kernel_src.frontend import FrontendConfig, Spectrogram, spectrogram, steps

_IDLE, _AT_WORK, _ANSWERING, _ENDED_TO_REST = range(4)

RESTS_AFTER_S = 5.0
"""A process that has had nothing to do for so long ends, with the tens of megabytes that it needs for its work."""


class Extractor(Protocol):
    """Makes one thing at a time, for one thread."""

    def waveform(self, path: Path, config: FrontendConfig) -> Waveform:
        """[samples] float32, as `read_waveform`; raises the same. It may be overwritten when more is asked for."""

    def spectrogram(self, path: Path, config: FrontendConfig) -> Spectrogram:
        """[mels, frames] float16, as `spectrogram` of it; raises the same as `read_waveform`."""

    def close(self) -> None:
        """Ends what still works for it, at once."""


class ExtractorClosedError(Exception):
    """The extractor was closed while it was at work."""


class ThreadExtractor:
    """The thread that asks does the work itself."""

    def waveform(self, path: Path, config: FrontendConfig) -> Waveform:
        """Reads the file."""
        return read_waveform(path, config.sample_rate_hz, config.trim_top_db)

    def spectrogram(self, path: Path, config: FrontendConfig) -> Spectrogram:
        """Reads and transforms it."""
        return spectrogram(self.waveform(path, config), config)

    def close(self) -> None:
        """There is nothing to end."""


@contextlib.contextmanager
def started_extractors(
    count: int, tell: Callable[[str], object], *, rests_after_s: float = RESTS_AFTER_S
) -> Iterator[list[Extractor]]:
    """Processes that extract, where the system lets us have them; else the threads do it themselves.

    Best entered while this process is small and has a single thread. They are closed at the end.

    Args:
        count: how many.
        tell: is told, in a few words, when there can be no process or one is lost.
        rests_after_s: how long a process waits for work before it ends; the next clip finds a new one.
    """
    extractors: list[Extractor] = []
    steps()  # what has to be compiled is compiled once, for all of them
    try:
        while len(extractors) < count and sys.platform == "linux":
            extractors.append(ProcessExtractor(tell, rests_after_s))
    except OSError as error:  # no more processes, or no more memory for them
        tell(f"there can be no process that extracts ({error})")
    extractors += [ThreadExtractor() for _ in range(count - len(extractors))]
    try:
        yield extractors
    finally:
        for extractor in extractors:
            extractor.close()


@dataclass(frozen=True)
class _Task:
    path: Path
    config: FrontendConfig
    transformed: bool


@dataclass(frozen=True)
class _Crash:
    exit_code: int
    """Of the worker; minus the signal that ended it."""


class ProcessExtractor:
    """Has a process do the work, and does it itself if that process is lost.

    A clip whose decoder crashes raises `ClipError`, and the next one finds a new process: the one that was forked here
    only forks those who work, and stays small and whole. When there is no work for a while, nobody waits for it.

    Args:
        tell: is told when the process is lost.
        rests_after_s: how long who works waits for more, and then ends.

    Attributes:
        pid: of the process that was forked here.

    Raises:
        OSError: there can be no more processes.
    """

    def __init__(self, tell: Callable[[str], object], rests_after_s: float = RESTS_AFTER_S) -> None:
        self._tell = tell
        self._here = ThreadExtractor()
        self._is_lost = False
        self._is_closed = False
        self._connection, theirs = multiprocessing.Pipe()
        self._channel = ArrayChannel()
        self.pid = fork(lambda: _fork_workers(theirs, self._channel, rests_after_s))
        theirs.close()

    def waveform(self, path: Path, config: FrontendConfig) -> Waveform:
        """The waveform, decoded in the process."""
        answer = self._ask(_Task(path, config, transformed=False))
        return self._here.waveform(path, config) if answer is None else answer

    def spectrogram(self, path: Path, config: FrontendConfig) -> Spectrogram:
        """The spectrogram, decoded and transformed in the process."""
        answer = self._ask(_Task(path, config, transformed=True))
        return self._here.spectrogram(path, config) if answer is None else answer.copy()

    def close(self) -> None:
        """Ends the process at once; a thread that waits for it gets `ExtractorClosedError`."""
        if not self._is_closed:
            self._is_closed = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)

    def _ask(self, task: _Task) -> Any:
        """The answer; None: the process is lost."""
        if self._is_lost:
            return None
        try:
            self._connection.send(task)
            answer = self._connection.recv()
            if isinstance(answer, ArrayHeader):
                return self._channel.receive(self._connection, answer)
        except (EOFError, OSError) as error:
            if self._is_closed:
                raise ExtractorClosedError from error
            self._lose()
            return None
        except MemoryError:  # the answer is still on its way, and would be taken for the next one
            self._lose()
            raise
        if isinstance(answer, _Crash):
            raise ClipError(task.path, f"crashes its decoder ({name_of_end(answer.exit_code)})")
        raise answer

    def _lose(self) -> None:
        self._is_lost = True
        self._tell("a process that extracts was lost")


def _fork_workers(connection: Connection, channel: ArrayChannel, rests_after_s: float) -> None:
    """Forks a worker; and another one when a clip's decoder has crashed the last, or when there is work again."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent says when it is over
        signal.signal(number, signal.SIG_IGN)
    state = mmap(-1, 1)
    while True:
        pid = fork(lambda: _work(connection, channel, state, rests_after_s))
        _, status = os.waitpid(pid, 0)
        if state[0] == _AT_WORK:
            connection.send(_Crash(os.waitstatus_to_exitcode(status)))
        elif state[0] == _ENDED_TO_REST:
            connection.poll(None)
        else:  # the other end is closed, or half of an answer has been given
            return
        state[0] = _IDLE


def _work(connection: Connection, channel: ArrayChannel, state: mmap, rests_after_s: float) -> None:
    """Does one task after the other, until the other end is closed or there is nothing to do."""
    here = ThreadExtractor()
    while True:
        if not connection.poll(rests_after_s):
            state[0] = _ENDED_TO_REST
            return
        try:
            task: _Task = connection.recv()
        except EOFError:
            return
        state[0] = _AT_WORK
        try:
            array = (here.spectrogram if task.transformed else here.waveform)(task.path, task.config)
        except Exception as error:  # noqa: BLE001 - goes to whoever asked
            error.add_note(traceback.format_exc())  # which stays behind otherwise
            state[0] = _ANSWERING
            connection.send(error)
        else:
            state[0] = _ANSWERING
            channel.send(connection, array)
        state[0] = _IDLE
