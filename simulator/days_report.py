"""Many bad days on one page."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from simulator.bad_days import Day, Fate
from simulator.summary import fault_text
from train_offline.drawing import Bar, Lane, Mark, lane_chart
from train_offline.page import banner, link, page, section, table

NOT_GOOD_COLOUR = 5
"""Of a day that was survived, but not well: clips were lost, or the run failed after its first submission."""
COLOUR_OF = {Fate.SURVIVED: 2, Fate.LATE: 1, Fate.KILLED: 3, Fate.INVALID: 4}


def write_days_report(days: Sequence[Day], path: Path) -> Path:
    """Writes the page of all days; each day's own page is linked by its place relative to this one."""
    path.write_text(days_page(days, path.parent), encoding="utf-8")
    return path


def days_page(days: Sequence[Day], folder: Path) -> str:
    """The page of all days, as HTML.

    Args:
        days: at least one.
        folder: where the page will lie.
    """
    rehearsal = days[0].result.rehearsal
    counts = Counter(day.fate for day in days)
    fates = ", ".join(f"{counts[fate]} {fate}" for fate in Fate)
    text = f"{fates}; {sum(day.lost_clips for day in days)} clips lost"
    return page(
        f"{rehearsal.script.name}: {len(days)} bad days",
        [
            banner(text, good=all(day.good for day in days)),
            section("How long each day took", _chart(days)),
            section("The days", table(("day", "fate", "s", "lwlrap", "what went wrong"), _rows(days, folder))),
        ],
    )


def _chart(days: Sequence[Day]) -> str:
    limit_s = days[0].result.rehearsal.limits.time_s
    lanes = [
        Lane(f"day {day.number}, {_outcome(day)}", [Bar(0.0, day.result.wall_s, _outcome(day), _colour(day))])
        for day in days
    ]
    return lane_chart(
        lanes,
        title="the time that each day took",
        x_label="seconds since the kernel's start",
        x_end=limit_s,
        marks=[Mark(limit_s, "time limit")],
    )


def _survived_badly(day: Day) -> bool:
    return day.fate is Fate.SURVIVED and not day.good


def _outcome(day: Day) -> str:
    """In a word or two."""
    if not _survived_badly(day):
        return day.fate
    return f"{day.lost_clips} clips lost" if day.lost_clips else "failed"


def _colour(day: Day) -> int:
    return NOT_GOOD_COLOUR if _survived_badly(day) else COLOUR_OF[day.fate]


def _rows(days: Sequence[Day], folder: Path) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for day in days:
        score = day.result.score
        report = os.path.relpath(day.result.rehearsal.out / "report.html", folder)
        wrong = "; ".join(fault_text(day, fault) for fault in day.faults)
        lost = f"; {day.lost_clips} clips lost" if day.lost_clips else ""
        fate = day.fate if day.result.verdict.good else day.result.verdict.text
        rows.append(
            (
                link(str(day.number), report),
                f"{fate}{lost}",
                f"{day.result.wall_s:.1f}",
                f"{score.lwlrap:.4f}" if score else "",
                wrong,
            )
        )
    return rows
