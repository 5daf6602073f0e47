"""C++ code is compiled where there is a compiler, and where there is none it is said so."""

import ctypes
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kernel_src.native_code import COMPILERS, NativeCode, NativeCodeError


@pytest.mark.usefixtures("a_compiler")
def test_functions_can_be_called_and_have_vectors_to_work_with() -> None:
    source = 'extern "C" void twice(const float *x, float *y) { store(y, 2 * load(x)); }'
    code = NativeCode(source, {"LANE_COUNT": 8}).library()
    x, y = (ctypes.c_float * 8)(*range(8)), (ctypes.c_float * 8)()
    code.twice(x, y)
    assert list(y) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert code.lanes() == 8


@pytest.mark.usefixtures("a_compiler")
def test_code_that_is_wrong_is_told_with_the_compilers_words() -> None:
    with pytest.raises(NativeCodeError, match=r"error: .*nonsense"):
        NativeCode("nonsense;").library()


def test_a_machine_without_a_compiler_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NativeCodeError, match=r"no C\+\+ compiler"):
        NativeCode("").library()


def test_a_compiler_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / COMPILERS[0]
    broken.write_bytes(b"\x7fELF, but only so far")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NativeCodeError, match=str(broken)):
        NativeCode("").library()


@pytest.mark.usefixtures("a_compiler")
def test_a_compiler_that_is_not_waited_for_or_too_slow_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cancelled = NativeCode("")
    cancelled.start()
    assert list(tmp_path.iterdir())
    cancelled.cancel()
    assert not list(tmp_path.iterdir())

    slow = NativeCode("")
    for _ in range(2):  # and so it stays
        with pytest.raises(NativeCodeError, match="timed out"):
            slow.library(patience_s=0.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("a_compiler")
def test_threads_that_ask_at_once_get_one_library() -> None:
    code = NativeCode("")
    with ThreadPoolExecutor(4) as pool:
        libraries = list(pool.map(lambda _: code.library(), range(4)))
    assert all(library is libraries[0] for library in libraries)
