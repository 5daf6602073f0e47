"""What a folder lies on, and the blocks that its files take."""

from pathlib import Path

import pytest

from kernel_src.file_systems import file_system_type, used_blocks_bytes


def test_proc_is_told_from_the_folder_that_holds_it() -> None:
    assert file_system_type(Path("/proc")) == "proc"
    assert file_system_type(Path("/")) != "proc"


def test_a_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_system_type(tmp_path / "missing")


def test_blocks_of_all_files_count_but_not_of_what_a_link_leads_to(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(bytes(10**6))
    (folder / "one").write_bytes(bytes(10**6))
    (folder / "below/two").write_bytes(bytes(10**6))
    (folder / "link").symlink_to(tmp_path / "outside")
    assert 2 * 10**6 <= used_blocks_bytes(folder) < 2.1 * 10**6


def test_a_folder_that_is_not_there_takes_no_blocks(tmp_path: Path) -> None:
    assert used_blocks_bytes(tmp_path / "missing") == 0
