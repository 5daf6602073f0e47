"""A bundle on its way to a run, and the run's output on its way back."""

import hashlib
import json
from pathlib import Path

import pytest
from kaggle_server import Fault, KaggleServer
from published import COMPETITION, SAMPLE, SUBMISSION, FakeClock, Publish, bundle


def test_a_fresh_bundle_is_pushed_as_it_lies_there(publish: Publish, uploaded: KaggleServer, project: Path) -> None:
    run = publish("kernel", "--no-wait")
    assert run.exit_code == 0, run.err
    pushed = uploaded.state.kernels["tester/tiny-kernel"].versions[0]
    assert pushed.text == (project / "build" / "kernel.py").read_text()
    assert pushed.enable_internet is False
    assert pushed.is_private is True
    assert pushed.dataset_data_sources == ["tester/tiny-weights"]
    assert pushed.competition_data_sources == [COMPETITION]
    assert "https://www.kaggle.com/code/tester/tiny-kernel" in run.out


@pytest.mark.usefixtures("pushed")
def test_waiting_shows_each_state_and_brings_the_checked_output_back(publish: Publish, project: Path) -> None:
    run = publish("kernel")
    assert run.exit_code == 0, run.err
    assert [word for word in ("queued", "running", "complete") if word in run.err] == ["queued", "running", "complete"]
    out = project / "build" / "output"
    assert (out / "submission.csv").read_bytes() == SUBMISSION
    assert (out / "plots" / "one.svg").read_bytes() == b"<svg/>"
    assert (out / "kernel.log").read_text() == "hello\nbye\n"
    assert "30:00 of 1:00:00 (50%)" in run.out
    assert "https://www.kaggle.com/code/tester/tiny-kernel" in run.out


def test_ctrl_c_leaves_the_run_running_and_says_how_to_pick_it_up(
    publish: Publish, pushed: KaggleServer, clock: FakeClock
) -> None:
    clock.interrupts_at = len(clock.pauses_s) + 1
    run = publish("kernel")
    assert run.exit_code == 130
    assert "python publish.py output" in run.err
    assert pushed.state.kernels["tester/tiny-kernel"].coming == ["RUNNING", "COMPLETE"]
    assert publish("output").exit_code == 0


def test_ctrl_c_while_the_output_comes_back_does_not_say_to_push_again(
    publish: Publish, pushed: KaggleServer, clock: FakeClock
) -> None:
    pushed.misbehave("ListKernelSessionOutput", Fault(503))
    waits_for_the_run = 2
    clock.interrupts_at = len(clock.pauses_s) + waits_for_the_run + 1
    run = publish("kernel")
    assert run.exit_code == 130
    assert "no longer fetching" in run.err
    assert "python publish.py output" in run.err
    assert "run this again" not in run.err


def test_the_end_of_the_run_before_is_not_taken_for_the_end_of_this_one(publish: Publish, pushed: KaggleServer) -> None:
    pushed.state.kernels["tester/tiny-kernel"].stale_looks = 2
    run = publish("kernel")
    assert run.exit_code == 0, run.err
    assert run.err.index("not begun") < run.err.index("running") < run.err.index("complete")


def test_a_run_that_is_never_shown_is_not_waited_for_all_day(
    publish: Publish, pushed: KaggleServer, clock: FakeClock
) -> None:
    pushed.state.kernels["tester/tiny-kernel"].stale_looks = 10_000
    run = publish("kernel")
    assert run.exit_code == 1
    assert "Kaggle shows version 1 of tester/tiny-kernel, which is complete, and not version 2" in run.err
    assert "python publish.py output" in run.err
    assert clock.seconds_s < 1200


def test_a_version_that_is_pushed_meanwhile_is_noticed(
    publish: Publish, pushed: KaggleServer, clock: FakeClock
) -> None:
    kernel = pushed.state.kernels["tester/tiny-kernel"]
    clock.at_each_pause = lambda: kernel.versions.append(kernel.versions[0])
    run = publish("kernel")
    assert run.exit_code == 1
    assert "was pushed while version 2 was waited for" in run.err


def test_a_bundle_that_is_out_of_date_stays_here(publish: Publish, uploaded: KaggleServer, project: Path) -> None:
    (project / "app" / "main.py").write_text("def main() -> int:\n    return 1\n")
    run = publish("kernel")
    assert run.exit_code == 2
    assert "out of date" in run.err
    assert "bundle.py" in run.err
    assert uploaded.calls("SaveKernel") == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [('[limits]\ntime = "one hour"', "cannot read 'one hour'"), ('[[limits]]\ntime = "1h"', "expected a table")],
)
def test_limits_that_cannot_be_read_stop_the_push(
    publish: Publish, uploaded: KaggleServer, project: Path, limits: str, words: str
) -> None:
    toml = project / "kernel.toml"
    toml.write_text(toml.read_text().replace('[limits]\ntime = "1h"', limits))
    run = publish("kernel")
    assert run.exit_code == 2
    assert words in run.err
    assert uploaded.calls("SaveKernel") == []


def test_other_weights_at_kaggle_than_here_stop_the_push(
    publish: Publish, uploaded: KaggleServer, project: Path
) -> None:
    manifest = project / "weights" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"none"', '"some"'))
    run = publish("kernel")
    assert run.exit_code == 1
    assert "manifest.json is another one" in run.err
    assert uploaded.calls("SaveKernel") == []


def test_weights_in_a_data_set_of_somebody_elses_are_compared_though_kaggle_tells_its_state_to_nobody_else(
    publish: Publish, uploaded: KaggleServer, project: Path
) -> None:
    uploaded.state.datasets["friend/tiny-weights"] = uploaded.state.datasets.pop("tester/tiny-weights")
    toml = project / "kernel.toml"
    toml.write_text(toml.read_text().replace("tester/tiny-weights", "friend/tiny-weights"))
    bundle(project)
    assert publish("kernel", "--no-wait").exit_code == 0
    uploaded.state.datasets["friend/tiny-weights"].versions[-1]["manifest.json"] = b"{}"
    run = publish("kernel", "--no-wait")
    assert run.exit_code == 1
    assert "does not hold the weights" in run.err


def test_a_notebook_is_pushed_as_one(publish: Publish, uploaded: KaggleServer, project: Path) -> None:
    bundle(project, "--notebook")
    run = publish("kernel", "--no-wait")
    assert run.exit_code == 0, run.err
    (pushed,) = uploaded.state.kernels["tester/tiny-kernel"].versions
    assert pushed.kernel_type == "notebook"
    assert len(json.loads(pushed.text)["cells"]) > 1


@pytest.mark.parametrize("log", ["", "plain words\n"])
def test_a_log_without_times_is_kept_and_no_time_is_made_up(
    publish: Publish, pushed: KaggleServer, project: Path, log: str
) -> None:
    pushed.state.kernels["tester/tiny-kernel"].log = log
    run = publish("output")
    assert run.exit_code == 0, run.err
    assert "does not tell how long it took" in run.out
    assert (project / "build" / "output" / "kernel.log").read_text() == log


@pytest.mark.parametrize(("second", "text"), [("\\ude00!", "\N{GRINNING FACE}!"), ("!", "\N{REPLACEMENT CHARACTER}!")])
def test_a_character_that_is_cut_in_the_log_is_put_together_or_replaced(
    publish: Publish, pushed: KaggleServer, project: Path, second: str, text: str
) -> None:
    pushed.state.kernels[
        "tester/tiny-kernel"
    ].log = f'[{{"time": 1.5, "data": "\\ud83d"}}, {{"time": 2.5, "data": "{second}"}}]'
    run = publish("output")
    assert run.exit_code == 0, run.err
    assert (project / "build" / "output" / "kernel.log").read_text(encoding="utf-8") == text


@pytest.mark.usefixtures("pushed")
def test_a_full_disk_is_told_with_the_file_that_did_not_fit(publish: Publish, project: Path) -> None:
    out = project / "build" / "output"
    out.mkdir()
    state = hashlib.sha256(f'"{hash(SUBMISSION):x}"'.encode()).hexdigest()[:8]
    (out / f"submission.csv.{state}.part").symlink_to("/dev/full")
    run = publish("output")
    assert run.exit_code == 2
    assert f"submission.csv.{state}.part: No space left on device; make room" in run.err


def test_an_old_submission_is_not_taken_for_this_runs(publish: Publish, pushed: KaggleServer, project: Path) -> None:
    assert publish("output").exit_code == 0
    del pushed.state.kernels["tester/tiny-kernel"].output["submission.csv"]
    assert publish("output").exit_code == 1
    assert not (project / "build" / "output" / "submission.csv").exists()


def test_files_of_the_run_before_go_and_what_else_lies_there_stays(
    publish: Publish, pushed: KaggleServer, project: Path
) -> None:
    out, left = project / "build" / "output", pushed.state.kernels["tester/tiny-kernel"].output
    assert publish("output").exit_code == 0
    (out / "plots" / "mine.txt").write_text("my own")
    del left["plots/one.svg"]
    assert publish("output").exit_code == 0
    assert not (out / "plots" / "one.svg").exists()
    assert (out / "notes.txt").exists()
    assert (out / "plots" / "mine.txt").exists()


def test_no_list_of_what_was_brought_back_removes_a_file_outside_of_the_folder(
    publish: Publish, pushed: KaggleServer, project: Path
) -> None:
    pushed.state.kernels["tester/tiny-kernel"].output[".brought-back"] = b"../../kernel.toml\n\n.\nplots\n"
    assert publish("output").exit_code == 0
    assert publish("output").exit_code == 0
    assert (project / "kernel.toml").exists()


def test_the_sample_may_come_from_data_that_are_here(publish: Publish, pushed: KaggleServer, tmp_path: Path) -> None:
    (tmp_path / "sample_submission.csv").write_bytes(SAMPLE)
    assert publish("output", "--data", tmp_path).exit_code == 0
    assert pushed.calls("DownloadDataFile") == []


def test_a_run_over_its_limit_is_a_failure(publish: Publish, pushed: KaggleServer) -> None:
    kernel = pushed.state.kernels["tester/tiny-kernel"]
    kernel.log = kernel.log.replace("1800", "3601")
    run = publish("output")
    assert run.exit_code == 1
    assert "took longer than its limit of 1:00:00" in run.err


def test_a_submission_that_kaggle_would_refuse_is_a_failure(publish: Publish, pushed: KaggleServer) -> None:
    pushed.state.kernels["tester/tiny-kernel"].output["submission.csv"] = SUBMISSION.replace(b"0.25", b"nan")
    run = publish("output")
    assert run.exit_code == 1
    assert "one.wav Meow = 'nan'" in run.err


def test_a_project_without_datasets_or_competition_can_be_pushed(publish: Publish, project: Path) -> None:
    toml = project / "kernel.toml"
    kept = [line for line in toml.read_text().splitlines() if not line.startswith(("datasets", "competition"))]
    toml.write_text("\n".join(kept))
    bundle(project)
    assert publish("kernel").exit_code == 0
