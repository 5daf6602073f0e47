"""Bad use and bad input are one line and exit code 2; a kernel's project says what it needs."""

import json
from pathlib import Path

import pytest
from simulated import PROLOGUE, Simulate

from kernel_src.errors import KernelError
from simulator.command import main
from simulator.project import read_project

TOML = """
[kernel]
competition = "contest"
datasets = ["me/weights", "me/more"]
gpu = true
[limits]
time = "2h"
commit_time = "10m"
memory = "16GB"
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOURGLASS_OVERRIDES", raising=False)
    path = tmp_path / "build" / "kernel.py"
    path.parent.mkdir()
    path.write_text("print('never run')", encoding="utf-8")
    return path


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that a command is refused with."""
    assert main([*map(str, arguments), "--soft"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "nowhere"], "nowhere/sample_submission.csv is missing"),
        (["--script", "gone.py"], "there is no script gone.py"),
        (["--time", "soon"], "cannot read 'soon'"),
        (["--memory", "14XB"], "cannot read '14XB'"),
        (["--memory", "14"], "cannot read '14': expected a number with one of"),
        (["--speed", "0"], "--speed 0: expected a share"),
        (["--speed", "1.5"], "--speed 1.5: expected a share above 0 and at most 1"),
        (["--clips", "-1"], "--clips -1: expected 0 or more"),
        (["--cpus", "0"], "--cpus 0: expected 1 or more"),
        (["--bad-days", "2", "--both"], "--bad-days plays hidden re-runs only; leave out --both"),
        (["--input", "a=.", "--input", "a=.."], "one name is there twice"),
        (["--input", "a/x=.", "--input", "b/x=.."], "a/x, b/x: two inputs would lie in one folder"),
        (["--scale", "1/0"], "--scale 1/0: expected a share"),
        (["--input", "folder"], "expected SLUG=FOLDER"),
        (["--input", "a=nowhere"], "there is no folder nowhere"),
        (["--weights", "nowhere"], "there are no weights at nowhere"),
        (["--fault", "flood"], "--fault flood: expected NAME"),
        (["--fault", "damaged-fold"], "none of the inputs holds a .safetensors file"),
        (["--require", "hard"], "--require hard, but time: soft"),
    ],
)
def test_bad_use_is_refused_in_one_line(
    arguments: list[str], words: str, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refusal(capsys, "--script", script, *arguments)


@pytest.mark.parametrize(
    ("overrides", "words"), [("{", "is no JSON"), ("[]", "must be a JSON object")], ids=["torn", "a list"]
)
def test_bad_overrides_are_refused_too(
    overrides: str, words: str, script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOURGLASS_OVERRIDES", overrides)
    assert words in refusal(capsys, "--script", script)


def test_a_kernel_of_a_competition_wants_its_data_and_weights(
    script: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (script.parent.parent / "kernel.toml").write_text(TOML, encoding="utf-8")
    assert "belongs to the competition contest" in refusal(capsys, "--script", script)
    assert "there are no weights at weights" in refusal(capsys, "--script", script, "--data", data)


def test_each_data_set_of_a_kernel_is_wanted_and_the_first_is_that_of_the_weights(
    script: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (script.parent.parent / "kernel.toml").write_text(TOML, encoding="utf-8")
    script.write_text(PROLOGUE + "print(*sorted(path.name for path in inputs.iterdir()), flush=True)", encoding="utf-8")
    for name in ("weights", "elsewhere"):
        (tmp_path / name).mkdir()
    arguments = ("--script", script, "--data", data)
    assert "wants the data set me/more, too; give it as --input me/more=FOLDER" in refusal(capsys, *arguments)
    assert "wants the data set me/more" in refusal(capsys, *arguments, "--input", "me/weights=elsewhere")
    main([*map(str, arguments), "--soft", "--input", "me/more=elsewhere"])
    assert (script.parent / "run" / "kernel.log").read_text(encoding="utf-8") == "contest more weights\n"


@pytest.mark.parametrize("content", ["", "fname,a\nx.wav,0\n"], ids=["empty", "without its files"])
def test_a_table_without_content_or_files(
    content: str, script: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "sample_submission.csv").write_text(content, encoding="utf-8")
    arguments = ("--script", script, "--data", data, "--weights", "none")
    if content:
        assert main([*map(str, arguments), "--soft"]) == 1  # missing files are the kernel's affair; it wrote nothing
    else:
        assert "sample_submission.csv is empty" in refusal(capsys, *arguments)


def test_a_project_is_read_from_kernel_toml_one_folder_up(script: Path) -> None:
    toml = TOML.replace("\n", "\r\n")
    (script.parent.parent / "kernel.toml").write_text(toml, encoding="utf-8-sig", newline="")  # as Windows writes it
    project = read_project(script)
    assert (project.competition, project.datasets, project.gpu) == ("contest", ("me/weights", "me/more"), True)
    assert project.kernel_limits(rerun=True).time_s == 7200
    assert project.kernel_limits(rerun=False).time_s == 600
    assert project.kernel_limits(rerun=True).memory_bytes == 16 * 10**9
    assert project.kernel_limits(rerun=True).disk_bytes == 5 * 10**9


def test_a_project_is_read_from_kaggles_own_metadata(script: Path) -> None:
    metadata = {"competition_sources": ["birdclef"], "dataset_sources": ["me/w"], "enable_gpu": "true"}
    (script.parent / "kernel-metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    project = read_project(script)
    assert (project.competition, project.datasets, project.gpu) == ("birdclef", ("me/w",), True)


def test_a_script_alone_needs_nothing(script: Path) -> None:
    project = read_project(script)
    assert (project.competition, project.datasets) == (None, ())
    assert project.kernel_limits(rerun=True).time_s == 3600


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("kernel.toml", "kernel = 3", "kernel.toml [kernel]: expected a table"),
        ("kernel.toml", 'limits = "1h"', "kernel.toml [limits]: expected a table"),
        ("kernel.toml", '[kernel]\ndatasets = "me/weights"', "kernel.toml [kernel] datasets: expected a list of texts"),
        ("kernel.toml", '[limit]\ntime = "9h"', "kernel.toml has no table [limits]; add it with time ="),
        ("kernel.toml", "[limits]\nmemory = 14", "kernel.toml [limits] memory: cannot read 14: expected a number with"),
        ("kernel.toml", "[limits]\ndisk = true", "kernel.toml [limits] disk: cannot read True: expected a number with"),
        ("kernel.toml", "[limits]\nmemmory = '1GB'", "kernel.toml [limits]: unknown ['memmory']; known are"),
        ("kernel-metadata.json", "[]", "kernel-metadata.json: expected a table"),
        (
            "kernel-metadata.json",
            '{"competition_sources": "birdclef"}',
            "competition_sources: expected a list of texts",
        ),
        ("kernel-metadata.json", '{"dataset_sources": [3]}', "dataset_sources: expected a list of texts"),
    ],
)
def test_a_project_of_another_shape_is_refused_in_one_line(
    name: str, content: str, words: str, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (script.parent / name).write_text(content, encoding="utf-8")
    assert words in refusal(capsys, "--script", script)


def test_a_project_without_data_sets_may_say_so_in_any_way(script: Path) -> None:
    metadata = {"competition_sources": None, "dataset_sources": None}
    (script.parent / "kernel-metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    assert read_project(script).datasets == ()


@pytest.mark.parametrize("name", ["kernel.toml", "kernel-metadata.json"])
def test_a_project_that_cannot_be_read_is_named(name: str, script: Path) -> None:
    (script.parent / name).write_text("{{", encoding="utf-8")
    with pytest.raises(KernelError, match=name):
        read_project(script)


def test_what_the_user_overrides_reaches_the_kernel_but_no_limit(simulate: Simulate, data: Path) -> None:
    given = {"passes": 2, "backend": "plain", "batch_clips": 8, "stop_early": False, "time_s": 5}
    body = "write_valid()\nprint(json.dumps(overrides))"
    run = simulate(body, "--data", str(data), "--time", "20s", HOURGLASS_OVERRIDES=json.dumps(given))
    assert run.exit_code == 0, run.stdout + run.stderr
    assert json.loads(run.stdout.splitlines()[0]).items() >= {**given, "time_s": 20}.items()


def test_a_run_that_failed_and_fell_back_on_its_first_submission_is_no_good_rehearsal(
    simulate: Simulate, data: Path
) -> None:
    event = {"t_s": 0.4, "event": "run_failed", "reason": "ModuleNotFoundError('soundfile')"}
    body = f"write_valid()\nprint(json.dumps({event}), file=open('run.jsonl', 'w'))"
    run = simulate(body, "--data", str(data))
    assert run.exit_code == 1, run.stdout + run.stderr
    assert "the run failed, and only what it had written by then counts" in run.stdout
    assert "ModuleNotFoundError('soundfile')" in run.stdout
    assert "which Kaggle would not count" not in run.stdout
