"""Many bad days in a row."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from simulated import REPOSITORY, Simulate, SimulateScript

SURVIVES = "write_valid()\ntime.sleep(0.2)"
DIES_OF_A_DAMAGED_CLIP = """
for path in next(inputs.rglob("test")).iterdir():
    if path.stat().st_size != 1200:
        sys.exit(1)
write_valid()
"""
NO_SIGTERM = ("--soft", "--seed", "1")  # this seed draws none, and --soft leaves the same faults on every machine
DAYS = ("--time", "20s", "--bad-days", "3", "--out", "days")


def test_a_kernel_that_survives_all_days_is_a_good_one(simulate: Simulate, data: Path, tmp_path: Path) -> None:
    run = simulate(SURVIVES, "--data", str(data), *DAYS, *NO_SIGTERM)
    assert run.exit_code == 0, run.stdout + run.stderr
    days = json.loads((tmp_path / "days" / "days.json").read_text(encoding="utf-8"))
    assert [day["fate"] for day in days] == ["survived"] * 3
    assert all(day["faults"] for day in days)
    assert "3 bad days: 3 survived, 0 late, 0 killed, 0 invalid; 0 clips lost" in run.stdout


@pytest.mark.parametrize(
    ("later", "lost"), [("", 6), ("emit('run_failed')", 6), ("write_valid()\nemit('submission_written')", 0)]
)
def test_clips_that_never_got_more_than_a_prior_are_lost(
    later: str, lost: int, simulate: Simulate, data: Path, tmp_path: Path
) -> None:
    body = f"""
def emit(event):
    with open("run.jsonl", "a") as log:
        log.write(json.dumps({{"t_s": 0, "event": event}}) + "\\n")

write([row[:1] + ["0.1"] * 3 if number else row for number, row in enumerate(sample())])
emit("prior_written")
time.sleep(0.3)
{later}
"""
    run = simulate(body, "--data", str(data), *DAYS, *NO_SIGTERM, "--bad-days", "1")
    (day,) = json.loads((tmp_path / "days" / "days.json").read_text(encoding="utf-8"))
    assert day["lost_clips"] == lost - len(day["unusable_clips"]) * bool(lost)
    assert run.exit_code == bool(lost)
    page = (tmp_path / "days" / "report.html").read_text(encoding="utf-8")
    assert f"; {day['lost_clips']} clips lost</p>" in page
    outcome = f"{day['lost_clips']} clips lost" if lost else "survived"
    assert f">day 1, {outcome}</text>" in page
    assert "as promised" not in page


def test_a_submission_caught_while_it_is_written_in_place_ends_no_days(
    simulate: Simulate, data: Path, tmp_path: Path
) -> None:
    body = """
open("submission.csv", "w").close()
time.sleep(1)
write_valid()
"""
    run = simulate(body, "--data", str(data), *DAYS, *NO_SIGTERM, "--bad-days", "1")
    assert run.exit_code == 0, run.stdout + run.stderr
    (day,) = json.loads((tmp_path / "days" / "days.json").read_text(encoding="utf-8"))
    assert (day["fate"], day["lost_clips"]) == ("survived", 0)
    kept = json.loads((tmp_path / "days" / "good-day" / "summary.json").read_text(encoding="utf-8"))
    assert kept["invalid_at_s"]


def test_clips_are_lost_on_a_day_whose_sigterm_comes_after_the_kernels_end(
    simulate: Simulate, data: Path, tmp_path: Path
) -> None:
    body = """
for value in ("0.1", "0.9"):
    write([row[:1] + [value if number == 1 else "0.1"] * 3 if number else row for number, row in enumerate(sample())])
    time.sleep(0.5)
"""
    late = ("--fault", "sigterm@90%")
    simulate(body, "--data", str(data), *DAYS, *NO_SIGTERM, "--bad-days", "1", *late)
    (day,) = json.loads((tmp_path / "days" / "days.json").read_text(encoding="utf-8"))
    assert "SIGTERM, and SIGKILL 10 s later (the kernel ended before)" in day["faults"]
    assert day["lost_clips"] >= 4


def test_days_are_drawn_that_can_be_had_beside_a_quota_larger_than_the_disk(simulate: Simulate, data: Path) -> None:
    days = ("--bad-days", "6", "--time", "5s", "--disk", "900TB")  # as root, full disks and slow inputs among them
    run = simulate("write_valid()", "--data", str(data), *days, "--out", "days")
    assert run.stderr == ""
    assert "6 bad days" in run.stdout


def test_a_good_day_that_goes_wrong_counts_too(simulate: Simulate, data: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    seen.mkdir()
    body = f"write_valid()\nfirst = not os.path.exists({str(seen / 'again')!r})"
    body += f"\nopen({str(seen / 'again')!r}, 'w').close()\nsys.exit(int(first))"
    run = simulate(body, "--data", str(data), *DAYS, "--soft", "--seed", "1", "--bad-days", "1")
    assert run.exit_code == 1
    assert "1 bad days: 1 survived" in run.stdout
    assert "good day: crashed: exit code 1" in run.stdout


def test_the_same_seed_draws_the_same_days(simulate: Simulate, data: Path, tmp_path: Path) -> None:
    drawn = []
    for seed in ("1", "1", "2"):
        simulate(SURVIVES, "--data", str(data), *DAYS, "--bad-days", "1", "--soft", "--seed", seed)
        days = json.loads((tmp_path / "days" / "days.json").read_text(encoding="utf-8"))
        drawn.append([(day["faults"], day["unusable_clips"]) for day in days])
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_kernel_that_dies_on_a_bad_day_is_found_out(simulate: Simulate, data: Path, tmp_path: Path) -> None:
    faults = ("--fault", "damaged-clip=2")
    run = simulate(DIES_OF_A_DAMAGED_CLIP, "--data", str(data), *DAYS, *faults, "--bad-days", "1")
    assert run.exit_code == 1
    assert "1 killed" in run.stdout
    page = (tmp_path / "days" / "report.html").read_text(encoding="utf-8")
    (linked,) = re.findall(r'href="([^"]+)"', page)
    assert (tmp_path / "days" / linked).is_file()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runtime as one script, with the names of its inputs beside it."""
    out = tmp_path_factory.mktemp("bundle")
    subprocess.run([sys.executable, str(REPOSITORY / "bundle.py"), "--out", str(out)], check=True, cwd=REPOSITORY)
    return out / "kernel.py"


def live_through(script: Path, competition: Path, weights: Path, folder: Path, *arguments: str) -> Counter[str]:
    """The fates of three days half a minute each."""
    inputs = ("--data", str(competition), "--weights", str(weights), "--clips", "100", *arguments)
    days = ("--time", "10m", "--scale", "1/20", "--bad-days", "3", "--seed", "1", "--out", str(folder / script.stem))
    command = [sys.executable, str(REPOSITORY / "simulate.py"), "--script", str(script), *inputs, *days]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    drawn = json.loads((folder / script.stem / "days.json").read_text(encoding="utf-8"))
    assert all(day["lost_clips"] == 0 for day in drawn)
    return Counter(day["fate"] for day in drawn)


@pytest.mark.slow
def test_our_kernel_lives_through_days_that_the_silver_way_does_not(
    bundle: Path, competition: Path, weights: Path, tmp_path: Path
) -> None:
    faults = ("--fault", "damaged-clip=1")
    ours = live_through(bundle, competition, weights, tmp_path, *faults)
    silver_script = Path(__file__).with_name("silver_way.py")
    code = f"kernel_src={REPOSITORY / 'kernel_src'}"
    silver = live_through(silver_script, competition, weights, tmp_path, *faults, "--input", code)
    assert ours == {"survived": 3}
    assert silver["survived"] == 0


@pytest.mark.slow
def test_our_kernel_keeps_its_promises_on_commit_and_in_the_hidden_run(
    bundle: Path, competition: Path, weights: Path, simulate_script: SimulateScript
) -> None:
    inputs = ("--data", str(competition), "--weights", str(weights))
    run = simulate_script(bundle, *inputs, "--both", "--placeholder", "2", "--time", "40s")
    assert run.exit_code == 0, run.stdout + run.stderr
    commit = json.loads((run.out.with_name("run-commit") / "summary.json").read_text(encoding="utf-8"))
    assert (commit["verdict"], run.summary["verdict"]) == ("kept", "kept")
    assert run.summary["passes"] > 0
