"""What a folder of weights says of itself: labels, priors, and one entry for each trained network.

Only the standard library is imported here: the priors are the first submission, before torch is loaded.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from kernel_src.errors import KernelError

SCHEMA = 1
MANIFEST_NAME = "manifest.json"

Config = TypeVar("Config")


@dataclass(frozen=True)
class Member:
    """One trained network of the ensemble."""

    id: str
    """Its name in events and plans, such as `fold0-curated`."""
    file: str
    """The safetensors file in the weights folder."""
    sha256: str
    """Of that file."""
    fold: int
    """The fold that it was not trained on."""
    stage: str
    """The stage of the recipe that it comes from."""
    frontend: Mapping[str, Any]
    """The settings of its spectrograms, for `FrontendConfig`."""
    model: Mapping[str, Any]
    """The settings of its network, for `ModelConfig`."""
    mean: float
    """Subtracted from a spectrogram before the network sees it."""
    std: float
    """What the spectrogram is divided by after that."""
    oof_lwlrap: float | None = None
    """Its lwlrap on its own fold, which it has not been trained on; None where it was not measured."""
    view_gains: Sequence[float] = ()
    """What the second, third, ... view added to that; empty where it was not measured."""
    pass_cost: float | None = None
    """Millions of multiplications for one window: what a look costs beside other members' looks."""


@dataclass(frozen=True)
class Manifest:
    """A folder of weights."""

    labels: tuple[str, ...]
    priors: tuple[float, ...]
    """[labels] the share of training clips that have the label."""
    members: tuple[Member, ...]
    created_with: Mapping[str, Any]
    """Recipe, size, seed and versions, for people."""


def read_manifest(folder: Path) -> Manifest:
    """Reads and checks `manifest.json`; the members' files are checked when they are loaded.

    Raises:
        KernelError: missing, not JSON, another schema, or with fields missing or unknown.
    """
    path = folder / MANIFEST_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KernelError(f"{path}: cannot be read ({error.strerror}); train or attach weights first") from error
    except ValueError as error:
        raise KernelError(f"{path}: is not JSON ({error}); export the weights again") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        schema = content.get("schema") if isinstance(content, dict) else None
        raise KernelError(f"{path}: schema is {schema!r}, expected {SCHEMA}; export the weights again")
    try:
        manifest = Manifest(
            labels=tuple(content["labels"]),
            priors=tuple(float(prior) for prior in content["priors"]),
            members=tuple(_read_member(member) for member in content["members"]),
            created_with=content["created_with"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise KernelError(f"{path}: does not fit this version ({error}); export the weights again") from error
    _check(path, manifest)
    return manifest


def _read_member(values: Mapping[str, Any]) -> Member:
    """One entry of the manifest; raises TypeError or ValueError where it does not fit."""
    member = Member(**values)
    score = member.oof_lwlrap
    return replace(
        member,
        mean=float(member.mean),
        std=float(member.std),
        oof_lwlrap=None if score is None else float(score),
        view_gains=tuple(map(float, member.view_gains)),
    )


def _check(path: Path, manifest: Manifest) -> None:
    if not manifest.members:
        raise KernelError(f"{path}: names no members; train at least one fold")
    if len(manifest.priors) != len(manifest.labels):
        raise KernelError(f"{path}: {len(manifest.priors)} priors for {len(manifest.labels)} labels; expected one each")
    if odd := [prior for prior in manifest.priors if not math.isfinite(prior)]:  # no submission may hold one
        raise KernelError(f"{path}: {odd[0]} is no prior; export the weights again")


def manifest_text(manifest: Manifest) -> str:
    """What `read_manifest` reads."""
    return json.dumps({"schema": SCHEMA, **asdict(manifest)}, indent=1) + "\n"


def priors_for(manifest: Manifest, labels: Sequence[str]) -> list[float]:
    """The manifest's priors in the order of the submission's columns.

    Raises:
        KernelError: the weights were trained for other labels.
    """
    missing = sorted(set(labels) - set(manifest.labels))
    extra = sorted(set(manifest.labels) - set(labels))
    if missing or extra:
        raise KernelError(
            f"the weights know {len(manifest.labels)} labels, the submission wants {len(labels)}:"
            f" not trained {missing[:3]}, not wanted {extra[:3]}; train on this competition's data"
        )
    prior_of = dict(zip(manifest.labels, manifest.priors, strict=True))
    return [prior_of[label] for label in labels]


def sha256_of(path: Path) -> str:
    """The hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def config_from(kind: type[Config], values: Mapping[str, Any], where: str) -> Config:
    """A settings dataclass from the manifest's values for it.

    Args:
        kind: the dataclass.
        values: its fields as they stand in the manifest.
        where: whose settings these are, for the error.

    Raises:
        KernelError: a field is unknown, missing, or has a value that the dataclass refuses.
    """
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise KernelError(f"{where}: {kind.__name__} does not fit ({error}); export the weights again") from error
