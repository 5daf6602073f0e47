"""The report, opened in a real browser without a network."""

import re
from pathlib import Path

import pytest
from browser import look_at
from simulated import make_data, run_simulator

# A small stand-in for the runtime: the same events, some of them, and submissions that get better.
NOTES_EVENTS = """
import random
log = open("run.jsonl", "w", buffering=1)
start = time.monotonic()


def emit(event, **fields):
    log.write(json.dumps({"t_s": round(time.monotonic() - start, 3), "event": event, **fields}) + "\\n")


emit("run_started", time_s=10)
emit("prior_written")
write_valid()
emit("weights_loaded", members=["fold0", "fold1"])
emit("clip_failed", fname="<b>00000001.wav</b>", reason="no samples")
for number in range(4):
    time.sleep(0.2)
    header, *rows = sample()
    write([header, *[[row[0], random.random(), 0, number] for row in rows]])
    event = "pass_done" if number < 3 else "pass_unfinished"
    more = {"planned": 6, "settled": number, "reason": "most gain"} if number else {}
    emit(event, member=f"fold{number % 2}", view=number // 2, clips=6 - number, seconds_s=0.2, **more)
    emit("submission_written", rows=6, passes=number + 1, seconds_s=0.01)
    if number == 1:
        emit("spill_began", used_bytes=12_000_000)
emit("plan_ended", looks_done=18, looks_skipped=7)
emit("something new", anything=[1, 2])
emit("run_ended", reason="the time is up")
log.write('{"t_s": 1, "ev')
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of one run that had a stall in it."""
    folder = tmp_path_factory.mktemp("run")
    data = make_data(folder / "data", truth="Moo")
    arguments = ("--data", str(data), "--time", "10s", "--fault", "stall=0.1s@0.3s")
    run = run_simulator(NOTES_EVENTS, folder, arguments)
    assert run.exit_code == 0, run.stdout + run.stderr
    return folder / "build" / "report.html"


def test_the_drawings_are_seen_in_a_browser_and_nothing_is_fetched(report: Path, tmp_path: Path) -> None:
    seen = look_at(report, tmp_path)
    assert [drawing["title"] for drawing in seen["drawings"]] == [
        "phases, passes and submissions over time",
        "memory in use over time",
        "disk in use over time",
        "lwlrap of the submissions as they were written",
        "clips whose ranking has settled",
    ]
    for drawing in seen["drawings"]:
        assert min(drawing["size"]) > 50
        assert any(max(shape) > 1 for shape in drawing["shapes"])
    assert seen["fetched"] == []
    assert not seen["wide"]


def test_a_moment_lies_at_the_same_place_in_every_drawing(report: Path) -> None:
    drawings = report.read_text(encoding="utf-8").split("<svg")[1:]
    axes = [tuple(re.findall(r'<line class="axis" x1="([\d.]+)" x2="([\d.]+)"', drawing)) for drawing in drawings]
    assert len(axes) == 5
    assert len(axes[0]) > 3  # the axis itself and its ticks
    assert set(axes) == {axes[0]}


def test_the_report_names_no_address_and_trusts_no_text(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert not re.findall(r"(?:src|href|url|@import)\s*[=(]", text)
    assert re.findall(r"https?://[^\s\"<]+", text) == ["http://www.w3.org/2000/svg"] * text.count("<svg")
    assert "<b>" not in text
    assert "<td>passes</td><td>as time allows</td><td>3</td><td>1</td>" in text
    assert "<td>looks at a clip</td><td>25</td><td>18</td><td></td><td>7</td>" in text
    assert "Ended: the time is up." in text
    for meaning in ("to the weights", "pass done", "pass not finished"):
        assert f">{meaning}</text>" in text
    for words in ("something new", "spill began", "view 0, 6 clips", "valid submission after", "4 of 6", "most gain"):
        assert words in text
