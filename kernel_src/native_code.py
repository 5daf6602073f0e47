"""Our own C++ code: compiled for the machine's processor when a run starts, for Kaggle's image has a compiler.

The network's blocks and the frontend are worth it, where torch, numpy and scipy have no operation that does all of the
work while its numbers are in the cache. Whoever uses them goes on without where they cannot be had.
"""

import ctypes
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

COMPILERS = ("c++", "g++", "clang++")

FLAGS = ("-std=c++17", "-O2", "-march=native", "-Wno-psabi", "-shared", "-fPIC")

PATIENCE_S = 20.0
"""How long is waited for the compiler; it takes a second."""

VECTORS = """
// Vectors of as many floats as the processor multiplies at once, in the compiler's own extension, which g++ and clang++
// share. They may lie anywhere in memory.
#ifndef LANE_COUNT
#ifdef __AVX512F__
#define LANE_COUNT 16
#else
#define LANE_COUNT 8
#endif
#endif
constexpr long LANES = LANE_COUNT;
typedef float vec __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));
#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *from) { return *(const vec *)from; }
INLINE void store(float *to, vec values) { *(vec *)to = values; }

// The values themselves where they are not numbers, as in torch.
INLINE vec larger(vec bound, vec values) { return bound > values ? bound : values; }

INLINE long smaller(long a, long b) { return a < b ? a : b; }
INLINE long larger_of(long a, long b) { return a < b ? b : a; }
INLINE long divided_up(long a, long b) { return (a + b - 1) / b; }
INLINE void clear(float *to, long count) { __builtin_memset(to, 0, count * sizeof(float)); }
INLINE void move(float *to, const float *from, long count) { __builtin_memmove(to, from, count * sizeof(float)); }

extern "C" long lanes() { return LANES; }
"""


class NativeCodeError(RuntimeError):
    """There is no compiler, or it does not take our code."""


class NativeCode:
    """Some C++ code, with `VECTORS` before it, and the library that the compiler makes of it.

    Args:
        source: functions declared `extern "C"`.
        definitions: macros and their values.
    """

    def __init__(self, source: str, definitions: Mapping[str, int] | None = None) -> None:
        self._source = VECTORS + source
        self._macros = [f"-D{name}={value}" for name, value in (definitions or {}).items()]
        self._lock = threading.Lock()
        self._compilation: _Compilation | None = None
        self._library: ctypes.CDLL | NativeCodeError | None = None

    def start(self) -> None:
        """Lets the compiler begin; what goes wrong is told by `library`."""
        with self._lock:
            self._start()

    def library(self, patience_s: float = PATIENCE_S) -> ctypes.CDLL:
        """The library, once the compiler is done; started here if that has not been done.

        Args:
            patience_s: how long to wait.

        Raises:
            NativeCodeError: it cannot be had here, or not in time; the same at every further call.
        """
        with self._lock:
            if self._library is None:
                self._start()
            if self._compilation is not None:
                self._library = self._end(self._compilation, patience_s)
                self._compilation = None
            if not isinstance(self._library, ctypes.CDLL):
                raise self._library or NativeCodeError("was cancelled")
            return self._library

    def cancel(self) -> None:
        """Stops a compiler whose library nobody has asked for."""
        with self._lock:
            if self._compilation is not None:
                self._compilation.close()
                self._compilation = None

    def _start(self) -> None:
        if self._library is None and self._compilation is None:
            try:
                self._compilation = _Compilation(self._source, self._macros)
            except NativeCodeError as error:
                self._library = error

    def _end(self, compilation: "_Compilation", patience_s: float) -> ctypes.CDLL | NativeCodeError:
        try:
            return compilation.library(patience_s)
        except NativeCodeError as error:
            return error
        finally:
            compilation.close()


class _Compilation:
    """A compiler at work, and the folder that it works in."""

    def __init__(self, source: str, macros: list[str]) -> None:
        self._compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
        if self._compiler is None:
            raise NativeCodeError(f"there is no C++ compiler ({', '.join(COMPILERS)})")
        with ExitStack() as at_failure:
            try:
                folder = at_failure.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
                self._library, self._messages = Path(folder) / "library.so", Path(folder) / "messages.txt"
                code = Path(folder) / "code.cpp"
                code.write_text(source, encoding="utf-8")
                command = [self._compiler, *FLAGS, *macros, "-o", str(self._library), str(code)]
                with self._messages.open("wb") as messages:
                    self._process = subprocess.Popen(
                        command, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages
                    )
            except OSError as error:
                raise NativeCodeError(f"{self._compiler}: {error}") from error
            self._remains = at_failure.pop_all()

    def library(self, patience_s: float) -> ctypes.CDLL:
        try:
            exit_code = self._process.wait(patience_s)
            if exit_code != 0:
                lines = self._messages.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                words = next((line for line in lines if "error" in line), f"exit code {exit_code}")
                raise NativeCodeError(f"{self._compiler}: {words}")
            return ctypes.CDLL(str(self._library))  # stays mapped when the file is gone
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NativeCodeError(f"{self._compiler}: {error}") from error

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._remains.close()
