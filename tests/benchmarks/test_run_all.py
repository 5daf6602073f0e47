"""Results that were kept are never overwritten by a later run of the same day."""

from pathlib import Path

from benchmarks.run_all import unused


def test_a_second_run_of_a_day_has_a_file_of_its_own(tmp_path: Path) -> None:
    kept = []
    for _ in range(3):
        kept.append(unused(tmp_path, "2026-01-02-bench"))
        kept[-1].write_text("{}", encoding="utf-8")
    assert [path.name for path in kept] == [
        "2026-01-02-bench.json",
        "2026-01-02-bench-2.json",
        "2026-01-02-bench-3.json",
    ]
