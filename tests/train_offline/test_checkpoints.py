from pathlib import Path

import pytest
import torch

from kernel_src.errors import KernelError
from train_offline.checkpoints import Checkpoint


def test_a_full_disk_costs_the_new_checkpoint_and_not_the_old_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = Checkpoint(tmp_path / "a.checkpoint", "this")
    checkpoint.save({"steps": 1})
    (tmp_path / "a.checkpoint.part").symlink_to("/dev/full")
    checkpoint.save({"steps": 2, "weights": torch.zeros(100_000)})
    assert "No space left on device" in capsys.readouterr().err
    assert checkpoint.load() == {"steps": 1}
    checkpoint.save({"steps": 3})
    assert checkpoint.load() == {"steps": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["a.checkpoint"]


def test_now_and_then_is_as_often_as_was_asked(tmp_path: Path) -> None:
    now_s = [0.0]
    checkpoint = Checkpoint(tmp_path / "a.checkpoint", "this", every_s=60, clock=lambda: now_s[0])
    for second in range(130):
        now_s[0] = float(second)
        checkpoint.save_now_and_then(lambda: {"second": second})  # noqa: B023 - called at once
    assert checkpoint.load() == {"second": 120}


def test_a_damaged_checkpoint_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "a.checkpoint"
    Checkpoint(path, "this").save({"weights": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(KernelError, match=r"a.checkpoint: cannot be read.*delete it"):
        Checkpoint(path, "this").load()


@pytest.mark.parametrize("content", [{}, [1], {"identity": "this"}, {"identity": "this", "state": 3}])
def test_a_file_that_is_no_checkpoint_is_one_clear_line(tmp_path: Path, content: object) -> None:
    path = tmp_path / "a.checkpoint"
    torch.save(content, path)
    with pytest.raises(KernelError, match=r"a.checkpoint: cannot be read.*delete it"):
        Checkpoint(path, "this").load()


def test_what_a_checkpoint_says_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / "a.checkpoint"
    torch.save({"identity": "this", "state": pytest.fail}, path)
    with pytest.raises(KernelError, match="cannot be read"):
        Checkpoint(path, "this").load()
