"""Our own C++ code: compiled for the machine's processor when a run starts, for Kaggle's image has a compiler.

Two inner loops are worth it, where torch and numpy have no operation that does all of the work while its numbers are in
the cache. Whoever uses them goes on without where they cannot be had.
"""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

COMPILERS = ("c++", "g++", "clang++")

FLAGS = ("-std=c++17", "-O2", "-march=native", "-Wno-psabi", "-shared", "-fPIC", "-x", "c++")

PATIENCE_S = 60.0
"""How long the compiler may take; it takes a second."""

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
INLINE long divided_up(long a, long b) { return (a + b - 1) / b; }
INLINE void clear(float *to, long count) { __builtin_memset(to, 0, count * sizeof(float)); }
INLINE void move(float *to, const float *from, long count) { __builtin_memmove(to, from, count * sizeof(float)); }

extern "C" long lanes() { return LANES; }
"""


class NativeCodeError(RuntimeError):
    """There is no compiler, or it does not take our code."""


def compiled(source: str, definitions: Mapping[str, int] | None = None) -> ctypes.CDLL:
    """A library of some C++ code, with `VECTORS` before it.

    Args:
        source: functions declared `extern "C"`.
        definitions: macros and their values.

    Raises:
        NativeCodeError: it cannot be had here.
    """
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise NativeCodeError(f"there is no C++ compiler ({', '.join(COMPILERS)})")
    macros = [f"-D{name}={value}" for name, value in (definitions or {}).items()]
    try:
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "library.so"
            command = [compiler, *FLAGS, *macros, "-o", str(library), "-"]
            done = subprocess.run(
                command, input=VECTORS + source, capture_output=True, text=True, timeout=PATIENCE_S, check=False
            )
            if done.returncode != 0:
                lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
                raise NativeCodeError(f"{compiler}: {next((line for line in lines if 'error' in line), lines[0])}")
            return ctypes.CDLL(str(library))  # stays mapped when the file is gone
    except (OSError, subprocess.SubprocessError) as error:
        raise NativeCodeError(f"{compiler}: {error}") from error
