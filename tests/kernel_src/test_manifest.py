import json
from pathlib import Path
from typing import Any

import pytest

from kernel_src.errors import KernelError
from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import MANIFEST_NAME, config_from, priors_for, read_manifest
from sample_data import LABELS, make_weights


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    manifest = make_weights(tmp_path)
    assert read_manifest(tmp_path) == manifest


def test_priors_follow_the_submissions_columns(tmp_path: Path) -> None:
    manifest = make_weights(tmp_path)
    assert priors_for(manifest, LABELS) == pytest.approx([0.1, 0.2, 0.3])
    assert priors_for(manifest, LABELS[::-1]) == pytest.approx([0.3, 0.2, 0.1])


def test_weights_for_other_labels_are_refused_with_the_difference(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"not trained \['Growl'\], not wanted \['Bark'\]"):
        priors_for(make_weights(tmp_path), ("Growl", "Meow", "Purr"))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"schema": 99}, "schema"),
        ({"members": []}, "no members"),
        ({"priors": [0.1]}, "1 priors for 3 labels"),
        ({"priors": [0.1, float("nan"), 0.2]}, "nan is no prior"),
        ({"members": [{"id": "x"}]}, "does not fit"),
        ({"members": [[]]}, "does not fit"),
        ({"labels": None}, "does not fit"),
    ],
)
def test_a_manifest_that_does_not_fit_is_one_clear_line(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    make_weights(tmp_path)
    path = tmp_path / MANIFEST_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(KernelError, match=word) as caught:
        read_manifest(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_a_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST_NAME).write_text(text)
    with pytest.raises(KernelError, match="manifest"):
        read_manifest(tmp_path)


def test_a_folder_without_weights_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match="train or attach weights"):
        read_manifest(tmp_path)


def test_a_setting_that_this_version_does_not_know_is_refused() -> None:
    with pytest.raises(KernelError, match="n_bands"):
        config_from(FrontendConfig, {"n_bands": 3}, "a member")
    with pytest.raises(KernelError, match="scaling"):
        config_from(FrontendConfig, {"scaling": "bark"}, "a member")
