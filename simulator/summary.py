"""What is said of a run at its end: some lines for people, summary.json for programs."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from simulator.amounts import gigabytes_text, seconds_text
from simulator.bad_days import DAYS_NAME, Day, Fate, untagged_clips
from simulator.faults import Fault
from simulator.rehearse import RunResult
from simulator.run_events import named

NAMED_CLIPS = 3
"""Of many, so many are named."""


def summary_lines(result: RunResult, report: Path) -> list[str]:
    """The end of the command's output."""
    names = ["kernel.log", "summary.json", "working/submission.csv"]
    there = ", ".join(name for name in names if (result.rehearsal.out / name).exists())
    rows = [*summary_rows(result), ("files", f"{result.rehearsal.out}: {there}")]
    return [f"{name:9} {text}" for name, text in [*rows, ("report", str(report))]]


def summary_rows(result: RunResult) -> list[tuple[str, str]]:
    """What counts, as name and text."""
    limits = result.rehearsal.limits
    soft = [row.text for row in result.enforcements if not row.hard]
    return [
        ("verdict", result.verdict.text),
        ("lwlrap", _score_text(result)),
        ("time", f"{result.wall_s:,.1f} s of {seconds_text(limits.time_s)}"),
        ("memory", f"{result.peak_memory_bytes / 1e9:.2f} GB of {gigabytes_text(limits.memory_bytes)} at its peak"),
        ("disk", f"{result.peak_disk_bytes / 1e9:.3f} GB of {gigabytes_text(limits.disk_bytes)} at its peak"),
        ("passes", f"{passes_done(result)}" if result.events else "not known: the kernel kept no run.jsonl"),
        ("first", _first_text(result)),
        *(("untagged", text) for text in _untagged_texts(result)),
        ("limits", "all hard" if not soft else "; ".join(soft)),
        *(("fault", f"{fault.text}, {when}") for when, fault in dated_faults(result)),
    ]


def dated_faults(result: RunResult) -> list[tuple[str, Fault]]:
    """What went wrong on purpose and when, and what was to and did not."""
    there = [("from the start", fault) for fault in result.rehearsal.faults if fault.from_the_start]
    begun = [(f"at {t_s:.1f} s", fault) for t_s, fault in result.faults]
    return [*there, *begun, *(("never: the kernel ended before", fault) for fault in result.missed_faults)]


def passes_done(result: RunResult) -> int:
    """How many passes the runtime noted."""
    return len(named(result.events, "pass_done"))


def write_summary(result: RunResult) -> Path:
    """Writes summary.json into the run's folder."""
    limits = result.rehearsal.limits
    fields = {
        "verdict": result.verdict.kind,
        "good": result.verdict.good,
        "text": result.verdict.text,
        "lwlrap": result.score.lwlrap if result.score else None,
        "scored_clips": result.score.clips if result.score else 0,
        "time_s": round(result.wall_s, 3),
        "time_limit_s": limits.time_s,
        "memory_bytes": result.peak_memory_bytes,
        "memory_limit_bytes": limits.memory_bytes,
        "disk_bytes": result.peak_disk_bytes,
        "disk_limit_bytes": limits.disk_bytes,
        "passes": passes_done(result),
        "first_valid_s": _first_valid_s(result),
        "invalid_at_s": list(result.invalid_at_s),
        "curve": [[round(t_s, 2), round(lwlrap, 5)] for t_s, lwlrap in result.curve],
        "limits": {row.limit: {"hard": row.hard, "means": row.means} for row in result.enforcements},
        "faults": [{"t_s": round(t_s, 3), "fault": fault.text} for t_s, fault in result.faults],
        "faults_missed": [fault.text for fault in result.missed_faults],
        "unusable_clips": sorted(result.staged.unusable),
    }
    path = result.rehearsal.out / "summary.json"
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    return path


def _first_valid_s(result: RunResult) -> float | None:
    valid = result.valid_submissions
    return round(valid[0][0], 2) if valid and result.staged.sample_submission else None


def _first_text(result: RunResult) -> str:
    first_s = _first_valid_s(result)
    if first_s is None:
        return "no valid submission was seen" if result.staged.sample_submission else "not checked"
    later = f", but {len(result.invalid_at_s)} that were not valid" if result.invalid_at_s else ""
    return f"valid submission after {first_s:.1f} s{later}"


def _untagged_texts(result: RunResult) -> list[str]:
    """Which clips still have their first row at the end, but for those that were damaged on purpose."""
    clips = sorted(untagged_clips(result) - result.staged.unusable)
    if not clips:
        return []
    more = f" and {len(clips) - NAMED_CLIPS:,} more" if len(clips) > NAMED_CLIPS else ""
    return [f"{len(clips):,}, with their first rows at the end: {', '.join(clips[:NAMED_CLIPS])}{more}; see kernel.log"]


def _score_text(result: RunResult) -> str:
    if result.score:
        text = f"{result.score.lwlrap:.4f} over {result.score.clips:,} clips"
        return text if result.verdict.scored else f"{text}, which Kaggle would not count"
    if result.staged.truth is None:
        return "not known: no test.csv with the truth"
    return "not known: no clips with a truth" if result.verdict.scored else "not known: no valid submission to score"


def day_line(day: Day) -> str:
    """One day."""
    name = f"day {day.number:2}  " if day.number else _day_name(day)
    wrong = "; ".join(fault_text(day, fault) for fault in day.faults)
    lost = f"{day.lost_clips} clips lost; " if day.lost_clips else ""
    score = f"{day.result.score.lwlrap:.3f}" if day.result.score else "     "
    return f"{name} {day.fate:9} {day.result.wall_s:7.1f} s  lwlrap {score}  {lost}{wrong}".rstrip()


def _day_name(day: Day) -> str:
    return f"day {day.number}" if day.number else "good day"


def fault_text(day: Day, fault: Fault) -> str:
    """A fault as a sentence, and whether the kernel ended before it."""
    return f"{fault.text} (the kernel ended before)" if fault in day.result.missed_faults else fault.text


def days_lines(good_day: Day, days: Sequence[Day], out: Path, report: Path) -> list[str]:
    """The end of the command's output after many bad days."""
    counts = Counter(day.fate for day in days)
    fates = ", ".join(f"{counts[fate]} {fate}" for fate in Fate)
    return [
        f"{len(days)} bad days: {fates}; {sum(day.lost_clips for day in days)} clips lost",
        *(f"{_day_name(day)}: {day.result.verdict.text}" for day in (good_day, *days) if not day.result.verdict.good),
        f"files     {out}: days.json, and a folder for each day",
        f"report    {report}",
    ]


def write_days_summary(days: Sequence[Day], out: Path) -> Path:
    """Writes days.json into the folder of the days."""
    rows = [
        {
            "day": day.number,
            "fate": day.fate,
            "verdict": day.result.verdict.text,
            "lost_clips": day.lost_clips,
            "unusable_clips": sorted(day.result.staged.unusable),
            "time_s": round(day.result.wall_s, 3),
            "lwlrap": day.result.score.lwlrap if day.result.score else None,
            "kinds": [fault.kind for fault in day.faults],
            "faults": [fault_text(day, fault) for fault in day.faults],
        }
        for day in days
    ]
    path = out / DAYS_NAME
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return path
