import contextlib
import io
import json
import os
import threading
from pathlib import Path

import pytest

from kernel_src.events import EventLog


def test_an_event_is_a_line_for_people_and_a_json_line_for_programs(tmp_path: Path) -> None:
    out = io.StringIO()
    with EventLog(tmp_path / "run.jsonl", lambda: 12.34, out) as events:
        events.emit("clip_failed", "a.wav: has no samples", fname="a.wav", path=Path("a"))
        events.emit("pass_done", view=3, clips=20)
    first, second = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert first == {"t_s": 12.34, "event": "clip_failed", "fname": "a.wav", "path": "a"}
    assert second == {"t_s": 12.34, "event": "pass_done", "view": 3, "clips": 20}
    assert out.getvalue() == "    12.3 s  clip failed: a.wav: has no samples\n    12.3 s  pass done: view 3, clips 20\n"


def test_both_lines_are_out_at_once_for_a_process_may_be_killed_any_moment(tmp_path: Path) -> None:
    with (tmp_path / "stdout").open("w") as out, EventLog(tmp_path / "run.jsonl", lambda: 0.0, out) as events:
        events.emit("pass_done")
        assert "pass done" in (tmp_path / "stdout").read_text()
        assert "pass_done" in (tmp_path / "run.jsonl").read_text()


def test_nothing_follows_the_last_word(tmp_path: Path) -> None:
    out = io.StringIO()
    with EventLog(tmp_path / "run.jsonl", lambda: 0.0, out) as events:
        events.emit_last("run_ended", "the time is up")
        events.emit("pass_done", "by a thread that has not noticed")
    assert [json.loads(line)["event"] for line in (tmp_path / "run.jsonl").read_text().splitlines()] == ["run_ended"]
    assert len(out.getvalue().splitlines()) == 1


class FullDisk(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("kind", ["full", "closed"])
def test_a_stdout_that_takes_nothing_is_no_reason_to_fail(tmp_path: Path, kind: str) -> None:
    out = FullDisk() if kind == "full" else io.StringIO()
    if kind == "closed":
        out.close()
    with EventLog(tmp_path / "run.jsonl", lambda: 0.0, out) as events:
        events.emit("pass_done")
    assert (tmp_path / "run.jsonl").read_text()


def test_a_log_that_cannot_be_opened_or_ends_is_said_once(tmp_path: Path) -> None:
    out = io.StringIO()
    with EventLog(tmp_path / "missing" / "run.jsonl", lambda: 0.0, out) as events:
        events.emit("pass_done", "still said")
    assert "cannot be written" in out.getvalue()
    assert "still said" in out.getvalue()


def test_a_disk_that_fills_ends_the_log_and_not_the_run(tmp_path: Path) -> None:
    out = io.StringIO()
    with EventLog(tmp_path / "run.jsonl", lambda: 0.0, out) as events:
        assert events._file is not None
        events._file.close()
        events._file = FullDisk()
        events.emit("first")
        events.emit("second")
    assert out.getvalue().count("the event log ends here") == 1
    assert "second" in out.getvalue()


def test_a_disk_that_stalls_holds_up_nobody_who_tells(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # takes 64 KB, and then no more before it is read
    log = EventLog(path, lambda: 1.0, io.StringIO())
    log.write_aside()
    teller = threading.Thread(target=lambda: [log.emit("told", text="x" * 1000) for _ in range(100)], daemon=True)
    teller.start()
    teller.join(10)
    assert not teller.is_alive()
    content = b""
    while content.count(b"\n") < 100:
        with contextlib.suppress(BlockingIOError):
            content += os.read(reader, 1 << 20)
    log.emit_last("ended", "")
    assert json.loads(os.read(reader, 1 << 20))["event"] == "ended"
    log.close()
    os.close(reader)
