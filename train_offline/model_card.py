"""The card of a set of weights: what they are, how good, how they were made. It depends on the manifest alone.

Training writes it beside the weights, and publishing sends it up with them.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kernel_src.manifest import Manifest, Member
from train_offline.whole_files import write_whole

CARD_NAME = "README.md"
CARD_TITLE = "# Weights for audio tagging"
_NAMED_DIGITS = 16
"""Of a checksum."""
_FILES = (
    "`manifest.json` names each file with its checksum and its settings; the kernel that uses them checks both. All"
    " weights are safetensors files, which hold numbers and no code."
)
_SCORES = (
    "Each network is scored on the clips of its own fold, which it has not been trained on, by label-weighted"
    " label-ranking average precision (lwlrap); further views of a clip are other windows of it. Scores can be"
    " compared within one data set and one set of folds only, and say nothing about sounds of other kinds."
)
_FACT_NAMES = {
    "batch_clips": "clips a batch",
    "clips": "checksum of the usable clips",
    "data": "checksum of the curated table",
    "epochs": "epochs of the first stage",
    "n_folds": "folds of the data",
    "noisy_data": "checksum of the noisy table",
    "settings": "checksum of recipe and size",
    "withheld_share": "share of the clips withheld",
}
"""What the facts of a training are called where people read them; manifest.json has shorter names."""


def write_model_card(weights: Path, manifest: Manifest) -> Path:
    """Writes the card beside the weights; one of these weights stays as it is, for people write on it.

    Raises:
        KernelError: it cannot be written.
    """
    path = weights / CARD_NAME
    if not _is_of(path, manifest):
        write_whole(path, model_card(manifest).encode())
    return path


def _is_of(card: Path, manifest: Manifest) -> bool:
    """Whether a card is there and names the networks of the manifest."""
    if not card.is_file():
        return False
    text = card.read_text(encoding="utf-8", errors="replace")
    return all(member.sha256[:_NAMED_DIGITS] in text for member in manifest.members)


def published_card(weights: Path, manifest: Manifest, *, title: str, licence: str, competition: str) -> str:
    """The card as it goes up: the one beside the weights, which may have been written on, under the data set's title.

    A card that is missing, or of other weights than the manifest names, is made anew.

    Args:
        weights: the folder.
        manifest: of the weights.
        title: of the data set.
        licence: that they are given under.
        competition: whose data they were trained for; empty: none.
    """
    path = weights / CARD_NAME
    card = path.read_text(encoding="utf-8") if _is_of(path, manifest) else model_card(manifest)
    lines = card.rstrip().splitlines()
    if lines[0].startswith("# "):
        lines[0] = f"# {title}"
    lines += ["", "## Licence", "", licence]
    if competition:
        lines += [
            "",
            f"Trained for the Kaggle competition {competition}; its rules apply to what was made of its data.",
        ]
    return "\n".join([*lines, ""])


def model_card(manifest: Manifest) -> str:
    """The card's text, in Markdown."""
    lines = [
        CARD_TITLE,
        "",
        f"{len(manifest.members)} networks that give each of {len(manifest.labels)} labels a score for a recording.",
        _FILES,
        "",
        "## How good",
        "",
        *_table(manifest),
        "",
        _SCORES,
        "",
        "## What they look at",
        "",
        *_inputs(manifest),
        "",
        "## Made with",
        "",
        *_items(dict(manifest.created_with)),
        "",
        "## Labels",
        "",
        ", ".join(manifest.labels),
        "",
    ]
    return "\n".join(lines)


def fact_name(key: str) -> str:
    """What an entry of `created_with` is called where people read it."""
    return _FACT_NAMES.get(key, key.replace("_", " "))


def _table(manifest: Manifest) -> Iterator[str]:
    yield "| member | fold | stage | out-of-fold lwlrap | gained by further views | sha256 |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for member in manifest.members:
        score = "not measured" if member.oof_lwlrap is None else f"{member.oof_lwlrap:.4f}"
        gain = f"{sum(member.view_gains):+.4f}" if member.view_gains else "not measured"
        digits = member.sha256[:_NAMED_DIGITS]
        yield f"| {member.id} | {member.fold} | {member.stage} | {score} | {gain} | {digits} |"


def _inputs(manifest: Manifest) -> Iterator[str]:
    """A line for each kind of input and network, with the members that share it."""
    kinds: dict[str, list[str]] = {}
    for member in manifest.members:
        kinds.setdefault(_input_text(member), []).append(member.id)
    for text, members in kinds.items():
        yield f"- {', '.join(members)}: {text}" if len(kinds) > 1 else f"- {text}"


def _input_text(member: Member) -> str:
    frontend = ", ".join(f"{name} {value}" for name, value in member.frontend.items())
    model = ", ".join(f"{name} {value}" for name, value in member.model.items())
    return f"spectrograms with {frontend}; network with {model}"


def _items(values: dict[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        yield f"- {fact_name(key)}: {value if isinstance(value, str) else json.dumps(value, default=str)}"
