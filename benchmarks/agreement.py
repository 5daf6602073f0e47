"""What the quick ways to compute change: probabilities and lwlrap beside the plain float32 network's.

`python -m benchmarks.agreement --data D --weights W [--device cuda]`: every member at each window of a test clip that
the kernel may look at, or with `--looks` at the first few. The plain network computes on a CPU. With `--backends` other
ways of a device can be looked at than those that the kernel would try there, such as those of an older GPU. Nothing is
chosen by these scores; all ways see the same windows.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.report import Result, print_report
from kernel_src.audio import read_waveform
from kernel_src.backend_names import BACKENDS, PLAIN
from kernel_src.backends import candidates
from kernel_src.devices import CPU
from kernel_src.frontend import FrontendConfig, spectrogram
from kernel_src.manifest import read_manifest
from kernel_src.predict import look_through
from kernel_src.views import MAX_VIEWS, windows
from kernel_src.weights import LoadedMember, load_member, pick_device
from train_offline.dataset import TEST, read_split
from train_offline.metric import lwlrap

BATCH_CLIPS = 16
Float64 = npt.NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a data set with test.csv")
    parser.add_argument("--weights", type=Path, required=True, help="weights that were trained on it")
    parser.add_argument("--device", choices=["cuda", "cpu"], help="of the quick ways (default: CUDA if there is one)")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, help="the ways (default: what the kernel tries)")
    parser.add_argument("--looks", type=int, default=MAX_VIEWS, help="windows of a clip at most (default: all it has)")
    options = parser.parse_args(arguments)
    device = torch.device(options.device or pick_device())
    manifest = read_manifest(options.weights)
    split = read_split(options.data, TEST, manifest.labels)
    paths = [options.data / TEST / name for name in split.fnames]
    spectrograms: dict[FrontendConfig, list[npt.NDArray[np.float16]]] = {}
    said: defaultdict[str, list[Float64]] = defaultdict(list)
    quick = [name for name in options.backends or candidates(device) if name != PLAIN]
    for entry in manifest.members:
        plain = load_member(options.weights, entry, len(manifest.labels), CPU, PLAIN)
        if plain.frontend not in spectrograms:
            spectrograms[plain.frontend] = [extract(path, plain.frontend) for path in paths]
        clips = spectrograms[plain.frontend]
        said[PLAIN].append(mean_probabilities(plain, clips, options.looks))
        for name in quick:
            said[name].append(mean_probabilities(plain.on(device, name), clips, options.looks))
    results: dict[str, Result] = {}
    for name in quick:
        results |= compared(name, np.stack(said[name]), np.stack(said[PLAIN]), split.targets)
    print_report("agreement", results)


def extract(path: Path, config: FrontendConfig) -> npt.NDArray[np.float16]:
    """A clip's spectrogram as the kernel keeps it."""
    waveform = read_waveform(path, config.sample_rate_hz, config.trim_top_db)
    return spectrogram(waveform, config).astype(np.float16)


def mean_probabilities(member: LoadedMember, clips: Sequence[npt.NDArray[np.float16]], most_looks: int) -> Float64:
    """[clips, labels] means over the first windows of each clip."""
    config = member.config
    total, count = np.zeros((len(clips), config.n_labels)), np.zeros((len(clips), 1))
    views = [windows(clip.shape[1], config.crop_frames, config.n_mels)[:most_looks] for clip in clips]
    for look in range(most_looks):
        chosen = [index for index, found in enumerate(views) if look < len(found)]
        for first in range(0, len(chosen), BATCH_CLIPS):
            batch = chosen[first : first + BATCH_CLIPS]
            total[batch] += look_through(member, [clips[i] for i in batch], [views[i][look] for i in batch])
        count[chosen] += 1
    return total / count


def compared(name: str, ours: Float64, plain: Float64, targets: npt.NDArray[np.bool_]) -> dict[str, Result]:
    """How far [members, clips, labels] probabilities are from the plain ones."""
    changes = [lwlrap(targets, one) - lwlrap(targets, other) for one, other in zip(ours, plain, strict=True)]
    blended = lwlrap(targets, ours.mean(axis=0)) - lwlrap(targets, plain.mean(axis=0))
    apart = np.abs(ours - plain)
    exact = name.endswith("float32")
    return {
        f"{name}_largest_probability_difference": Result(float(apart.max()), 1e-3 if exact else None, "lower"),
        f"{name}_mean_probability_difference": Result(float(apart.mean()), None, "lower"),
        f"{name}_lwlrap_change_of_the_blend": Result(abs(blended), 0.001, "lower"),
        f"{name}_largest_lwlrap_change_of_a_member": Result(float(np.abs(changes).max()), None, "lower"),
        f"{name}_mean_lwlrap_change_of_members": Result(float(np.mean(changes)), None, "higher"),
    }


if __name__ == "__main__":
    main()
