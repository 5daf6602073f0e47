"""The runtime's notes, and what a kernel may leave in their place."""

from pathlib import Path

from simulated import Simulate

from simulator.run_events import number_of, read_events

HOSTILE = """
write_valid()
pathlib.Path("run.jsonl").write_text(r'''
{"t_s": 0.1, "event": "clip_failed", "fname": "caf\\udce9.wav"}
{"t_s": NaN, "event": "pass_done"}
{"t_s": 1e400, "event": "pass_done"}
{"t_s": 0.2, "event": "pass_done", "seconds_s": NaN, "settled": Infinity}
[1, 2]
''')
"""


def test_events_without_a_moment_are_left_out_and_other_numbers_are_finite(tmp_path: Path) -> None:
    lines = ['{"t_s": NaN, "event": "a"}', '{"t_s": 1e400, "event": "b"}', '{"t_s": 2, "event": "c", "seconds_s": NaN}']
    (tmp_path / "run.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (event,) = read_events(tmp_path / "run.jsonl")
    assert (event["event"], number_of(event, "seconds_s")) == ("c", 0.0)


def test_names_that_are_no_text_are_shown_as_well_as_can_be_and_others_as_they_are(tmp_path: Path) -> None:
    lines = [r'{"t_s": 1, "event": "a", "fname": "caf\udce9"}', r'{"t_s": 1, "event": "a", "fname": "\ud83d\udc04"}']
    (tmp_path / "run.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert [event["fname"] for event in read_events(tmp_path / "run.jsonl")] == ["caf?", "\N{COW}"]


def test_no_note_of_a_kernel_takes_its_report_away(simulate: Simulate, data: Path) -> None:
    run = simulate(HOSTILE, "--data", str(data))
    assert run.exit_code == 0, run.stdout + run.stderr
    assert "caf?.wav" in (run.out.parent / "report.html").read_text(encoding="utf-8")
