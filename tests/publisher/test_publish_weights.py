"""Weights on their way to a data set."""

import fcntl
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from kaggle_server import Fault, KaggleServer
from published import FakeClock, Publish, python
from safetensors.torch import save_file

from kernel_src.manifest import read_manifest, sha256_of
from sample_data import make_weights
from train_offline.manifest_file import write_manifest
from train_offline.model_card import write_model_card


def test_new_weights_become_a_private_data_set_with_card_and_licence(
    publish: Publish, kaggle: KaggleServer, project: Path
) -> None:
    run = publish("weights")
    assert run.exit_code == 0, run.err
    dataset = kaggle.state.datasets["tester/tiny-weights"]
    assert (dataset.title, dataset.licence, dataset.private) == ("Tiny weights", "CC-BY-4.0", True)
    files = dataset.versions[0]
    assert set(files) == {"manifest.json", "fold0-curated.safetensors", "fold1-curated.safetensors", "README.md"}
    for name in set(files) - {"README.md"}:
        assert files[name] == (project / "weights" / name).read_bytes()
    assert "0.6000" in files["README.md"].decode()
    assert "is ready" in run.out


def test_the_card_beside_the_weights_goes_up_with_what_was_written_on_it(
    publish: Publish, kaggle: KaggleServer, project: Path
) -> None:
    weights = project / "weights"
    card = write_model_card(weights, read_manifest(weights))
    card.write_text(card.read_text() + "\nTrained on the train to Kyoto.\n")
    assert publish("weights").exit_code == 0
    sent = kaggle.state.datasets["tester/tiny-weights"].versions[0]["README.md"].decode()
    assert sent.startswith("# Tiny weights\n")
    assert "the train to Kyoto" in sent
    assert sent.count("## Licence\n\nCC-BY-4.0") == 1


def test_a_card_of_other_weights_stays_here(publish: Publish, kaggle: KaggleServer, project: Path) -> None:
    weights = project / "weights"
    card = write_model_card(weights, read_manifest(weights))
    card.write_text(card.read_text() + "\nOf last week.\n")
    make_weights(weights, n_members=3)
    assert publish("weights").exit_code == 0
    sent = kaggle.state.datasets["tester/tiny-weights"].versions[0]["README.md"].decode()
    assert "Of last week" not in sent
    assert "fold2-curated" in sent


def test_unchanged_weights_are_not_uploaded_again(publish: Publish, uploaded: KaggleServer) -> None:
    run = publish("weights")
    assert run.exit_code == 0
    assert "nothing was uploaded" in run.out
    assert uploaded.calls("StartBlobUpload") == []


def test_changed_weights_become_a_new_version_with_notes(
    publish: Publish, uploaded: KaggleServer, project: Path
) -> None:
    make_weights(project / "weights", n_members=3)
    assert publish("weights", "--message", "one fold more").exit_code == 0
    dataset = uploaded.state.datasets["tester/tiny-weights"]
    assert dataset.notes == ["", "one fold more"]
    assert "fold2-curated.safetensors" in dataset.versions[1]


def test_what_the_training_left_beside_the_weights_stays_here(
    publish: Publish, kaggle: KaggleServer, project: Path
) -> None:
    (project / "weights" / "resume.pt").write_bytes(b"private")
    (project / "weights" / "logs").mkdir()
    assert publish("weights").exit_code == 0
    assert "resume.pt" not in kaggle.state.datasets["tester/tiny-weights"].versions[0]


def test_waiting_ends_only_when_kaggle_shows_the_new_version(
    publish: Publish, uploaded: KaggleServer, project: Path, clock: FakeClock
) -> None:
    make_weights(project / "weights", n_members=3)
    uploaded.state.new_dataset_states = ["READY"]
    uploaded.state.datasets["tester/tiny-weights"].stale_looks = 2
    clock.pauses_s.clear()
    assert publish("weights").exit_code == 0
    assert len(clock.pauses_s) >= 1


def test_an_upload_that_is_still_under_way_is_waited_for_not_repeated(publish: Publish, kaggle: KaggleServer) -> None:
    assert publish("weights", "--no-wait").exit_code == 0
    assert kaggle.state.datasets["tester/tiny-weights"].coming[0] == "BLOBS_RECEIVED"
    run = publish("weights")
    assert "nothing was uploaded" in run.out
    assert "blobs_received" in run.err
    assert len(kaggle.state.datasets["tester/tiny-weights"].versions) == 1


def test_weights_that_another_call_is_uploading_are_left_to_it(publish: Publish, project: Path) -> None:
    folder = project / "build" / "dataset"
    folder.mkdir()
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    run = publish("weights")
    assert run.exit_code == 2
    assert "is in use by another publish.py; wait for it, or choose another with --build" in run.err
    assert list(folder.iterdir()) == []
    os.close(other)
    assert publish("weights").exit_code == 0


def test_a_data_set_of_another_account_is_told_before_the_upload_and_not_after_it_alone(
    publish: Publish, kaggle: KaggleServer, project: Path
) -> None:
    toml = project / "kernel.toml"
    toml.write_text(toml.read_text().replace("tester/tiny-weights", "team/tiny-weights"))
    run = publish("weights")
    assert run.exit_code == 1
    told = run.err.index("team/tiny-weights belongs to team, and you are tester")
    assert told < run.err.index("uploading team/tiny-weights")
    assert kaggle.calls("CreateDataset") != []  # Kaggle decides: tester may be of the team


def test_a_file_that_got_lost_at_kaggle_is_a_failure(publish: Publish, kaggle: KaggleServer) -> None:
    kaggle.state.loses = "fold1-curated.safetensors"
    run = publish("weights")
    assert run.exit_code == 1
    assert "fold1-curated.safetensors is missing" in run.err


def test_a_data_set_that_kaggle_cannot_make_is_a_failure(publish: Publish, kaggle: KaggleServer) -> None:
    kaggle.state.new_dataset_states = ["BLOBS_RECEIVED", "FAILED"]
    run = publish("weights")
    assert run.exit_code == 1
    assert "could not make the data set" in run.err


def test_ctrl_c_while_waiting_leaves_the_data_set_to_kaggle(publish: Publish, clock: FakeClock) -> None:
    clock.interrupts_at = 1
    run = publish("weights")
    assert run.exit_code == 130
    assert "python publish.py weights" in run.err


def _break_checksum(weights: Path) -> None:
    file = weights / "fold0-curated.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"!")


def _lose_a_file(weights: Path) -> None:
    (weights / "fold1-curated.safetensors").unlink()


def _lose_the_manifest(weights: Path) -> None:
    (weights / "manifest.json").unlink()


def _write_a_path(weights: Path) -> None:
    manifest = weights / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"none"', '"/home/somebody/recipe.toml"'))


def _write_own_key(weights: Path) -> None:
    manifest = weights / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"none"', f'"{"a" * 32}"'))


def _hide_a_path_in_a_member(weights: Path) -> None:
    manifest = read_manifest(weights)
    member = manifest.members[0]
    save_file({"x": torch.zeros(1)}, weights / member.file, {"data": "/home/somebody/secret.wav"})
    member = replace(member, sha256=sha256_of(weights / member.file))
    write_manifest(weights, replace(manifest, members=(member, *manifest.members[1:])))


def _change_the_settings(weights: Path) -> None:
    manifest = read_manifest(weights)
    member = replace(manifest.members[1], model={**manifest.members[1].model, "width": 5})
    write_manifest(weights, replace(manifest, members=(manifest.members[0], member)))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_change_the_settings, "fold1-curated.safetensors"),
        (_break_checksum, "the manifest says"),
        (_lose_a_file, "it is not there"),
        (_lose_the_manifest, "cannot be read"),
        (_write_a_path, "a path in somebody's home"),
        (_write_own_key, "your own Kaggle key"),
        (_hide_a_path_in_a_member, "a path in somebody's home"),
    ],
)
def test_weights_that_do_not_pass_their_checks_stay_here(
    publish: Publish, kaggle: KaggleServer, project: Path, harm: Callable[[Path], None], words: str
) -> None:
    harm(project / "weights")
    run = publish("weights")
    assert run.exit_code == 2
    assert words in run.err
    assert kaggle.calls("StartBlobUpload") == []


def test_an_upload_that_is_cut_goes_on_where_it_was_cut(publish: Publish, kaggle: KaggleServer) -> None:
    kaggle.misbehave("PUT", Fault(cut_after=5_000))
    run = publish("weights")
    assert run.exit_code == 0, run.err
    assert "5,000 of" in run.err
    resumed = [body["range"] for body in kaggle.calls("PUT") if body["range"]]
    assert resumed[0].startswith("bytes */")
    assert resumed[1].startswith("bytes 5000-")


def test_an_upload_that_was_given_up_goes_on_the_next_time(publish: Publish, kaggle: KaggleServer) -> None:
    kaggle.misbehave("PUT", Fault(cut_after=5_000), *[Fault(cut_after=0)] * 3)
    run = publish("weights")
    assert run.exit_code == 1
    assert "it goes on where it stopped" in run.err
    assert kaggle.state.datasets == {}
    started = len(kaggle.calls("StartBlobUpload"))
    assert publish("weights").exit_code == 0
    assert len(kaggle.calls("StartBlobUpload")) == started + 3
    assert any((body["range"] or "").startswith("bytes 5000-") for body in kaggle.calls("PUT"))


def test_an_upload_that_was_interrupted_goes_on_the_next_time(
    publish: Publish, kaggle: KaggleServer, clock: FakeClock
) -> None:
    kaggle.misbehave("PUT", Fault(cut_after=5_000))
    clock.interrupts_at = 1
    run = publish("weights")
    assert run.exit_code == 130
    assert "goes on where it stopped" in run.err
    assert publish("weights").exit_code == 0
    assert any((body["range"] or "").startswith("bytes 5000-") for body in kaggle.calls("PUT"))


def test_what_is_remembered_of_an_upload_is_for_its_owner_and_its_project_alone(
    publish: Publish, kaggle: KaggleServer, project: Path, tmp_path: Path
) -> None:
    """It holds signed addresses; and in a folder for all, one that another user made first could not be written to."""
    kaggle.misbehave("PUT", Fault(cut_after=5_000), *[Fault(cut_after=0)] * 3)
    assert publish("weights").exit_code == 1
    notes = project / "build" / "uploads"
    assert len(list(notes.iterdir())) == 1
    assert stat.S_IMODE(notes.stat().st_mode) == 0o700
    assert list((tmp_path / "home").iterdir()) == []  # TMPDIR in these tests
    assert publish("weights").exit_code == 0
    assert list(notes.iterdir()) == []


def test_an_upload_that_gets_on_at_each_try_is_not_given_up(publish: Publish, kaggle: KaggleServer) -> None:
    goes_well = None
    kaggle.misbehave("PUT", *[Fault(cut_after=100), goes_well] * 6)
    run = publish("weights")
    assert run.exit_code == 0, run.err
    assert "600 of" in run.err


def test_a_place_of_an_earlier_run_that_is_refused_is_asked_for_anew(publish: Publish, kaggle: KaggleServer) -> None:
    kaggle.misbehave("PUT", Fault(cut_after=5_000), *[Fault(cut_after=0)] * 3)
    assert publish("weights").exit_code == 1
    kaggle.misbehave("PUT", Fault(400))
    run = publish("weights")
    assert run.exit_code == 0, run.err


def test_an_upload_whose_place_is_gone_begins_anew(publish: Publish, kaggle: KaggleServer) -> None:
    kaggle.misbehave("PUT", Fault(cut_after=5_000), *[Fault(cut_after=0)] * 3)
    assert publish("weights").exit_code == 1
    for blob in kaggle.state.blobs.values():
        blob.expired = True
    assert publish("weights").exit_code == 0
    assert len(kaggle.state.datasets["tester/tiny-weights"].versions[0]) == 4


@pytest.mark.parametrize("fault", [Fault(503), Fault(429), Fault(500), Fault(408)])
def test_a_storage_that_is_busy_is_asked_again(
    publish: Publish, kaggle: KaggleServer, clock: FakeClock, fault: Fault
) -> None:
    kaggle.misbehave("PUT", fault, fault)
    assert publish("weights").exit_code == 0
    assert clock.pauses_s[:2] == [2.0, 4.0]


def test_a_storage_that_refuses_ends_it_at_once(publish: Publish, kaggle: KaggleServer) -> None:
    kaggle.misbehave("PUT", Fault(403))
    run = publish("weights")
    assert run.exit_code == 1
    assert "the storage refused it (403)" in run.err


def test_a_long_upload_tells_how_far_it_is(publish: Publish, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.transfer.MEGABYTE_BYTES", 1_000)
    run = publish("weights")
    assert run.exit_code == 0
    size_bytes = sum(file.stat().st_size for file in (project / "build" / "dataset").glob("[!d]*"))
    assert f"uploading tester/tiny-weights: {size_bytes // 1_000} megabytes" in run.err


def test_the_folder_that_was_laid_out_suits_the_plain_client_too(
    publish: Publish, kaggle: KaggleServer, project: Path
) -> None:
    assert publish("weights").exit_code == 0
    uploaded = kaggle.state.datasets.pop("tester/tiny-weights")
    done = python("-m", "kaggle", "datasets", "create", "-p", project / "build" / "dataset")
    assert done.returncode == 0, done.stdout + done.stderr
    again = kaggle.state.datasets["tester/tiny-weights"]
    assert (again.title, again.licence, again.versions) == (uploaded.title, uploaded.licence, uploaded.versions)


def test_the_licence_can_be_given_in_kernel_toml_and_on_the_command_line(
    publish: Publish, kaggle: KaggleServer, project: Path
) -> None:
    with (project / "kernel.toml").open("a") as file:
        file.write('\n[weights]\nlicence = "CC0-1.0"\n')
    assert publish("weights").exit_code == 0
    assert kaggle.state.datasets.pop("tester/tiny-weights").licence == "CC0-1.0"
    assert publish("weights", "--licence", "other").exit_code == 0
    assert kaggle.state.datasets["tester/tiny-weights"].licence == "other"


@pytest.mark.parametrize(
    "table", ['[weights]\nlicense = "CC0-1.0"', "[weights]\nlicence = 5", '[[weights]]\nlicence = "CC0-1.0"']
)
def test_a_licence_that_would_pass_unnoticed_stops_the_upload(
    publish: Publish, kaggle: KaggleServer, project: Path, table: str
) -> None:
    with (project / "kernel.toml").open("a") as file:
        file.write(f"\n{table}\n")
    run = publish("weights")
    assert run.exit_code == 2
    assert "expected nothing but a licence" in run.err
    assert kaggle.state.datasets == {}
