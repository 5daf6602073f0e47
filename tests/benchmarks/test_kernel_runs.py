"""What the kernel's benchmark gives to the kernels is what they take."""

from pathlib import Path

from benchmarks.kernel_runs import write_weights
from kernel_src.devices import CPU
from kernel_src.manifest import read_manifest
from kernel_src.model_config import ModelConfig
from kernel_src.weights import load_member
from sample_data import SMALL_FRONTEND


def test_untrained_weights_are_weights_whatever_the_size_of_the_network(tmp_path: Path) -> None:
    config = ModelConfig(
        n_labels=3, n_mels=16, crop_frames=16, width=2, depth=4
    )  # poolings leave one point, as in full
    write_weights(tmp_path, ("a", "b", "c"), config, SMALL_FRONTEND, n_members=2)
    manifest = read_manifest(tmp_path)
    assert [load_member(tmp_path, member, 3, CPU).config for member in manifest.members] == [config, config]
    assert all(member.pass_cost for member in manifest.members)
