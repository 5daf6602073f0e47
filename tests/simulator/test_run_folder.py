"""The folder for results: whose it is, and what is kept in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulated import PROLOGUE, REPOSITORY, Simulate

from kernel_src.errors import KernelError
from simulator.run_folder import emptied_run_folder, folder_beside, keep_working_folder


def test_a_link_to_a_folder_will_do_and_stays(tmp_path: Path) -> None:
    (tmp_path / "large-disk").mkdir()
    link = tmp_path / "run"
    link.symlink_to("large-disk")
    for _ in range(2):
        with emptied_run_folder(link, "log") as out:
            assert [path.name for path in out.iterdir()] == ["log"]
            (out / "log").write_text("of the run before", encoding="utf-8")
            (out / "working").mkdir()
    assert link.is_symlink()


def test_a_folder_beside_another_is_named_after_it_even_if_that_is_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder_beside(Path("build/run"), "commit") == Path("build/run-commit")
    assert folder_beside(Path(), "commit") == tmp_path.with_name(f"{tmp_path.name}-commit")


def test_a_folder_in_use_is_refused_and_free_again_afterwards(tmp_path: Path) -> None:
    with emptied_run_folder(tmp_path / "run", "log") as out:
        (out / "working").mkdir()
        with (
            pytest.raises(KernelError, match="in use by another run"),
            emptied_run_folder(tmp_path / "run", "log"),
        ):
            pass
        assert (out / "working").is_dir()
    with emptied_run_folder(tmp_path / "run", "log") as out:
        assert not (out / "working").exists()


@pytest.mark.parametrize("limits", [(), ("--soft",)], ids=["strongest", "soft"])
def test_a_second_run_at_once_does_not_disturb_the_first(
    limits: tuple[str, ...], simulate: Simulate, data: Path, tmp_path: Path
) -> None:
    script = tmp_path / "first.py"
    script.write_text(PROLOGUE + "print('up', flush=True)\ntime.sleep(2)\nwrite_valid()", encoding="utf-8")
    command = [sys.executable, str(REPOSITORY / "simulate.py"), "--script", str(script), "--data", str(data), *limits]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        first.stdout.readline()
        second = simulate("write_valid()", "--data", str(data), *limits)
        first.communicate()
    assert (first.returncode, second.exit_code) == (0, 2)
    assert second.stderr == "simulate: build/run is in use by another run; wait for it, or choose another with --out\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--out", "file/run"), "file/run cannot take the results (Not a directory)"),
        (("--report", "file/page.html"), "file: File exists"),
        (("--report", "data"), "--report data is a folder"),
    ],
)
def test_where_nothing_can_be_written_is_refused_before_the_run(
    arguments: tuple[str, ...], words: str, simulate: Simulate, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    run = simulate("print('the kernel ran')", "--data", str(data), *arguments)
    assert run.exit_code == 2
    assert run.stderr.startswith(f"simulate: {words}")
    assert run.stderr.count("\n") == 1
    assert run.stdout == ""


def test_the_page_goes_into_a_folder_that_is_made_for_it(simulate: Simulate, data: Path, tmp_path: Path) -> None:
    run = simulate("write_valid()", "--data", str(data), "--report", "pages/run.html")
    assert run.exit_code == 0, run.stdout + run.stderr
    assert (tmp_path / "pages" / "run.html").is_file()


def test_a_file_with_holes_is_kept_with_its_holes(tmp_path: Path) -> None:
    working = tmp_path / "working"
    working.mkdir()
    with (working / "array").open("wb") as file:
        file.truncate(10**9)
        for begin in (0, 4096 * 500, 10**9 - 3):
            file.seek(begin)
            file.write(b"abc")
    (working / "empty").touch()
    (working / "link").symlink_to("array")
    keep_working_folder(working, tmp_path / "kept")
    kept = tmp_path / "kept" / "array"
    assert kept.stat().st_size == 10**9
    assert kept.stat().st_blocks * 512 < 10**6
    with kept.open("rb") as file:
        for begin in (0, 4096 * 500, 10**9 - 3):
            file.seek(begin)
            assert file.read(3) == b"abc"
    assert (tmp_path / "kept" / "empty").stat().st_size == 0
    assert (tmp_path / "kept" / "link").readlink() == Path("array")


def no_room(*_: object) -> int:
    raise OSError(28, os.strerror(28))


def test_what_cannot_be_kept_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    working = tmp_path / "working"
    working.mkdir()
    for name in ("first", "second"):
        (working / name).write_text("a submission", encoding="utf-8")
    monkeypatch.setattr(os, "sendfile", no_room)
    with pytest.raises(KernelError, match=r"cannot be kept in .*kept: \[Errno 28\] No space left on device") as refused:
        keep_working_folder(working, tmp_path / "kept")
    assert "first" not in str(refused.value)
