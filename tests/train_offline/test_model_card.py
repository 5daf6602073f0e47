import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from kernel_src.manifest import read_manifest
from sample_data import LABELS, make_weights
from train_offline import after_training
from train_offline.after_training import describe_weights
from train_offline.manifest_file import write_manifest
from train_offline.model_card import model_card, published_card


def test_the_card_names_each_network_with_its_score_and_its_checksum(tmp_path: Path) -> None:
    manifest = make_weights(tmp_path)
    card = model_card(manifest)
    for member in manifest.members:
        assert f"| {member.id} | {member.fold} | curated | {member.oof_lwlrap:.4f} |" in card
        assert member.sha256[:16] in card
    assert all(label in card for label in LABELS)
    assert "not measured" in model_card(replace(manifest, members=(replace(manifest.members[0], oof_lwlrap=None),)))


def test_checksums_are_called_checksums(tmp_path: Path) -> None:
    manifest = replace(make_weights(tmp_path), created_with={"clips": "4047a21583f8a64c", "epochs": 26, "new_fact": 1})
    card = model_card(manifest)
    assert "- checksum of the usable clips: 4047a21583f8a64c\n- epochs of the first stage: 26\n- new fact: 1\n" in card


def test_members_of_two_kinds_are_told_apart_and_of_one_kind_are_described_once(tmp_path: Path) -> None:
    manifest = make_weights(tmp_path)
    assert model_card(manifest).count("n_mels 16, n_fft") == 1
    first, second = manifest.members
    other = replace(second, frontend={**second.frontend, "n_fft": 1024})
    assert "- fold1-curated: spectrograms with" in model_card(replace(manifest, members=(first, other)))


def test_what_is_published_has_the_data_sets_title_and_licence(tmp_path: Path) -> None:
    manifest = make_weights(tmp_path)
    card = published_card(tmp_path, manifest, title="My weights", licence="CC0-1.0", competition="some-contest")
    assert card.startswith("# My weights\n")
    assert card.endswith("its rules apply to what was made of its data.\n")
    assert "## Licence\n\nCC0-1.0\n" in card
    assert "competition" not in published_card(tmp_path, manifest, title="T", licence="CC0-1.0", competition="")


def test_a_drawing_that_fails_costs_a_line_and_not_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_weights(tmp_path / "weights")

    def fail(data: Path, weights: Path) -> Path:
        raise ZeroDivisionError(f"no {data.name} for {weights.name}\nand more")

    monkeypatch.setattr(after_training, "write_report", fail)
    describe_weights(tmp_path / "data", tmp_path / "weights")
    out, err = capsys.readouterr()
    assert "the model card" in out
    assert (tmp_path / "weights" / "README.md").exists()
    assert err.startswith(
        "the report could not be written: no data for weights; to draw it: python -m train_offline report --data"
    )
    assert err.count("\n") == 1


def test_the_command_that_draws_the_report_later_can_be_typed_as_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, weights = tmp_path / "my data", tmp_path / "it's"
    describe_weights(data, weights)
    told = capsys.readouterr().err.partition("; to draw it: ")[2]
    assert shlex.split(told)[-4:] == ["--data", str(data), "--weights", str(weights)]


def test_weights_that_are_not_there_are_no_reason_to_fail_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    describe_weights(tmp_path / "data", tmp_path)
    assert capsys.readouterr().err.count("could not be written") == 2


def test_what_was_written_on_the_card_of_these_weights_stays(tmp_path: Path) -> None:
    make_weights(tmp_path)
    describe_weights(tmp_path / "data", tmp_path)
    card = tmp_path / "README.md"
    card.write_text(card.read_text().replace("# Weights for audio tagging", "# My weights\n\nFolds 0 and 1 only."))
    written = card.read_bytes()
    describe_weights(tmp_path / "data", tmp_path)
    assert card.read_bytes() == written


def test_the_card_is_written_anew_with_each_member(tmp_path: Path) -> None:
    manifest = make_weights(tmp_path)
    write_manifest(tmp_path, replace(manifest, members=manifest.members[:1]))
    describe_weights(tmp_path / "data", tmp_path)
    write_manifest(tmp_path, manifest)
    describe_weights(tmp_path / "data", tmp_path)
    assert (tmp_path / "README.md").read_text() == model_card(read_manifest(tmp_path))
