"""Checks that a weights folder is ready for the kernel, and copies out what the kernel needs."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from kernel_src.audio import read_waveform
from kernel_src.backend_names import PLAIN
from kernel_src.errors import KernelError
from kernel_src.frontend import spectrogram
from kernel_src.manifest import MANIFEST_NAME, Manifest, Member, read_manifest
from kernel_src.weights import load_member
from train_offline.dataset import CURATED, Split, read_split
from train_offline.evaluate import Float64, validate
from train_offline.model_card import CARD_NAME, write_model_card
from train_offline.out_of_fold import score_weights
from train_offline.training_record import MemberPredictions, read_member_predictions
from train_offline.weights_check import checked_manifest, weights_files

MOST_BYTES = 100 * 10**9
"""Of a Kaggle data set: the smaller one of the limits that Kaggle has had."""
MOST_FILES = 1000
TOLERANCE = 1e-5
"""Of a probability, or of a score where the training left no predictions."""


@dataclass(frozen=True)
class ExportSettings:
    """What to check, and where to copy it."""

    data: Path
    """The data set that the weights are from."""
    weights: Path
    clips: int = 50
    """Clips that each member predicts again; all of its fold if there are fewer."""
    out: Path | None = None
    """A folder for what the kernel needs; None to check only."""
    cache: Path | None = None
    """Where spectrograms are kept; None for the user's own cache."""


def export(settings: ExportSettings) -> list[tuple[str, str]]:
    """Checks a weights folder, and copies it if that is wanted.

    Returns:
        What was checked, and what was found.

    Raises:
        KernelError: something does not hold; then nothing is copied.
    """
    weights, out = settings.weights, settings.out
    if out is not None:
        _check_that_it_may_be_replaced(out, weights)
    manifest = checked_manifest(weights)
    count = f"{len(manifest.members)} networks"
    found = [
        ("files", _check_size(weights, manifest)),
        ("checksums", f"{count}: each file's sha256 is the manifest's"),
        ("format", f"{count}: safetensors, no pickle; the manifest is JSON"),
        *_check_predictions(settings, manifest),
    ]
    if out is not None:
        found.append(("copy", _copy(weights, manifest, out)))
    return found


def _check_size(weights: Path, manifest: Manifest) -> str:
    names = weights_files(manifest)
    total_bytes = sum((weights / name).stat().st_size for name in names)
    limits = f"a Kaggle data set takes {MOST_BYTES / 1e9:.0f} GB in {MOST_FILES:,} files"
    if total_bytes > MOST_BYTES or len(names) >= MOST_FILES:
        raise KernelError(f"{weights}: {total_bytes / 1e9:.1f} GB in {len(names):,} files; {limits}; train fewer folds")
    return f"{len(names)}, {total_bytes / 1e6:,.1f} MB; {limits}"


def _check_predictions(settings: ExportSettings, manifest: Manifest) -> list[tuple[str, str]]:
    """Each member predicts anew, from the recordings on, as the kernel does: on the CPU in float32.

    The kernel may choose a quicker backend when it runs, and then holds it against this one itself.
    """
    split = read_split(settings.data, CURATED, manifest.labels)
    found, silent = [], []
    for member in manifest.members:
        kept = read_member_predictions(settings.weights, member.id)
        if kept is None:
            silent.append(member)
            continue
        found.append((member.id, _check_against(kept, member, manifest, split, settings)))
    if silent:
        found += _check_scores(settings, silent)
    return found


def _check_against(
    kept: MemberPredictions, member: Member, manifest: Manifest, split: Split, settings: ExportSettings
) -> str:
    n_clips = len(kept.fnames)
    rows = np.unique(np.linspace(0, n_clips - 1, min(settings.clips, n_clips)).astype(int)).tolist()
    known = set(split.fnames)
    if strange := [kept.fnames[row] for row in rows if kept.fnames[row] not in known]:
        raise KernelError(f"{settings.data}: has no {strange[0]}, which {member.id} was scored on; give its own data")
    ours = _predict(member, [split.folder / kept.fnames[row] for row in rows], settings.weights, manifest)
    difference = float(np.abs(ours - kept.probabilities[rows]).max())
    if not difference <= TOLERANCE:
        raise KernelError(
            f"{settings.weights / member.file}: the kernel's probabilities are up to {difference:.1e} off those of the"
            f" training, more than {TOLERANCE:.0e}: code or recordings have changed since;"
            " train it again with --again"
        )
    return f"{len(rows)} clips: at most {difference:.1e} off the training's probabilities"


def _predict(member: Member, paths: list[Path], weights: Path, manifest: Manifest) -> Float64:
    """[clips, labels] the probabilities of a member, nothing taken from a cache."""
    loaded = load_member(weights, member, len(manifest.labels), torch.device("cpu"), PLAIN)
    config = loaded.frontend
    spectrograms = [
        spectrogram(read_waveform(path, config.sample_rate_hz, config.trim_top_db), config) for path in paths
    ]
    any_truth = np.ones((len(paths), len(manifest.labels)), np.bool_)  # only the probabilities are wanted
    return validate(loaded, spectrograms, any_truth, member.id).probabilities


def _check_scores(settings: ExportSettings, members: list[Member]) -> list[tuple[str, str]]:
    """Where the training left no predictions, its scores must come out again."""
    scores = score_weights(settings.data, settings.weights, settings.cache).members
    found = []
    for member in members:
        score = scores[member.id].lwlrap
        if member.oof_lwlrap is None:
            raise KernelError(f"{settings.weights}: nothing is known that {member.id} could be compared with")
        if not abs(score - member.oof_lwlrap) <= TOLERANCE:
            raise KernelError(
                f"{settings.weights / member.file}: its fold scores {score:.6f}, the manifest says"
                f" {member.oof_lwlrap:.6f}; train this fold again with --again"
            )
        found.append((member.id, f"whole fold: lwlrap {score:.6f} as in training; no predictions were kept"))
    return found


def _check_that_it_may_be_replaced(out: Path, weights: Path) -> None:
    """Only a folder that is new, empty, or an earlier copy."""
    if out.resolve() == weights.resolve():
        raise KernelError(f"--out {out}: is the weights folder itself; choose another one")
    if not out.exists():
        return
    if not out.is_dir():
        raise KernelError(f"--out {out}: is not a folder; choose another one")
    names = {path.name for path in out.iterdir()}
    known = {*weights_files(read_manifest(out)), CARD_NAME} if MANIFEST_NAME in names else set()
    if strange := sorted(names - known):
        raise KernelError(f"--out {out}: holds {strange[0]}, which is no copy of weights; choose another one")


def _copy(weights: Path, manifest: Manifest, out: Path) -> str:
    """Copies manifest, networks and card beside `out`, checks the copy, and puts it in place."""
    place = out.resolve()
    part = place.with_name(place.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for name in weights_files(manifest):
            shutil.copyfile(weights / name, part / name)
        if (weights / CARD_NAME).is_file():
            shutil.copyfile(weights / CARD_NAME, part / CARD_NAME)
        else:
            write_model_card(part, manifest)
        checked_manifest(part)
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)
    except OSError as error:
        raise KernelError(f"--out {out}: cannot be written ({error.strerror}); choose another folder") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return f"{out}: {', '.join([*weights_files(manifest), CARD_NAME])}"
