"""The card of a set of weights: what they are, how good, how they were made. It depends on the manifest alone."""

import json
from collections.abc import Iterator
from typing import Any

from kernel_src.manifest import Manifest, Member

CARD_NAME = "README.md"


def model_card(title: str, manifest: Manifest, licence: str, competition: str) -> str:
    """The card's text.

    Args:
        title: of the data set.
        manifest: of the weights.
        licence: that they are given under.
        competition: whose data they were trained for; empty: none.
    """
    lines = [
        f"# {title}",
        "",
        f"Weights of {len(manifest.members)} networks that tag audio with {len(manifest.labels)} labels"
        + (f", for the Kaggle competition {competition}." if competition else "."),
        "`manifest.json` names each file with its checksum and its settings; the kernel that uses them checks both.",
        "",
        f"Licence: {licence}",
        "",
        "| member | fold | stage | out-of-fold lwlrap | sha256 |",
        "| --- | --- | --- | --- | --- |",
        *(_row(member) for member in manifest.members),
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


def _row(member: Member) -> str:
    score = "not measured" if member.oof_lwlrap is None else f"{member.oof_lwlrap:.4f}"
    return f"| {member.id} | {member.fold} | {member.stage} | {score} | {member.sha256[:16]} |"


def _items(values: dict[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        yield f"- {key}: {value if isinstance(value, str) else json.dumps(value, default=str)}"
