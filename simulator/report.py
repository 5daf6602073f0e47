"""What happened in a run, drawn on one page that opens without a network."""

from collections.abc import Sequence
from pathlib import Path

from simulator.rehearse import RunResult
from simulator.report_passes import PASSES, pass_lanes, passes_parts
from simulator.run_events import Event, named, number_of
from simulator.summary import dated_faults, summary_rows
from train_offline.drawing import LANE_NAME_WIDTH, Bar, Lane, Level, Mark, Series, lane_chart, line_chart
from train_offline.page import banner, folded, page, paragraph, section, table

TIME_LABEL = "seconds since the kernel's start"
PHASES = {
    "run_started": (3, "to the run's start"),
    "prior_written": (4, "to the prior"),
    "weights_loaded": (5, "to the weights"),
}
"""What ends a phase of the start: the phase's colour and its meaning."""
MARKED = ("spill_began", "spill_ended", "disk_full", "member_failed", "device_failed", "stopped_early", "run_failed")
MOST_EVENTS = 1000


def write_report(result: RunResult, path: Path) -> Path:
    """Writes the page of one run."""
    path.write_text(report_page(result), encoding="utf-8")
    return path


def report_page(result: RunResult) -> str:
    """The page of one run, as HTML."""
    rehearsal = result.rehearsal
    kind = "hidden re-run" if rehearsal.rerun else "run on commit"
    return page(
        f"{rehearsal.script.name}: {kind}",
        [
            banner(result.verdict.text, good=result.verdict.good),
            table(("", ""), summary_rows(result)),
            section("What happened when", _time_line(result)),
            section("Memory", _memory(result)),
            section("Disk", _disk(result)),
            section("The score as it grew", _score(result)),
            section("Passes", *passes_parts(result.events)),
            section("Clips whose ranking has settled", _settled(result)),
            section("Limits", table(("limit", "how hard", "by"), _limit_rows(result))),
            section("What went wrong on purpose", _faults(result)),
            section("Events", _events(result.events)),
        ],
    )


def _time_line(result: RunResult) -> str:
    lanes = [
        Lane("start", _phases(result)),
        *pass_lanes(result.events),
        Lane("submissions", [Bar(t_s, t_s, "submission.csv") for t_s, _ in result.submissions]),
    ]
    failed = named(result.events, "clip_failed")
    if failed:
        lanes.append(Lane("clips lost", [_moment(event, f"{event.get('fname')}", colour=1) for event in failed]))
    return lane_chart(
        lanes,
        title="phases, passes and submissions over time",
        x_label=TIME_LABEL,
        x_end=_end_s(result),
        marks=_marks(result),
        key=_key(result),
    )


def _key(result: RunResult) -> dict[int, str]:
    """The colours of phases and passes that there are."""
    seen = {event["event"] for event in result.events}
    key = {colour: text for name, (colour, text) in PHASES.items() if name in seen}
    return key | {colour: text for name, (colour, text) in PASSES.items() if name in seen}


def _phases(result: RunResult) -> list[Bar]:
    """From the process's start to the weights, each phase up to the event that ends it."""
    ends = [(name, named(result.events, name)[0]["t_s"]) for name in PHASES if named(result.events, name)]
    begins = [0.0, *(t_s for _, t_s in ends)]
    return [Bar(begin, end, PHASES[name][1], PHASES[name][0]) for begin, (name, end) in zip(begins, ends, strict=False)]


def _memory(result: RunResult) -> str:
    return _over_time(
        result,
        Series("memory", [(sample.t_s, sample.memory_bytes / 1e9) for sample in result.samples]),
        title="memory in use over time",
        y_label="GB",
        levels=[Level(result.rehearsal.limits.memory_bytes / 1e9, "limit"), *_spill_level(result.events)],
    )


def _spill_level(events: Sequence[Event]) -> list[Level]:
    """What was in use when spectrograms first had to go to disk."""
    return [Level(number_of(event, "used_bytes") / 1e9, "spill") for event in named(events, "spill_began")[:1]]


def _disk(result: RunResult) -> str:
    return _over_time(
        result,
        Series("disk", [(sample.t_s, sample.disk_bytes / 1e9) for sample in result.samples]),
        title="disk in use over time",
        y_label="GB",
        levels=[Level(result.rehearsal.limits.disk_bytes / 1e9, "quota")],
    )


def _score(result: RunResult) -> str:
    if not result.curve:
        return paragraph("Not known: there is no truth to score against, or no valid submission.")
    points = [*result.curve, (_end_s(result), result.curve[-1][1])]
    return _over_time(
        result,
        Series("lwlrap", points, steps=True),
        title="lwlrap of the submissions as they were written",
        y_label="lwlrap",
        from_zero=False,
    )


def _settled(result: RunResult) -> str:
    """How many clips no further pass can change, as the runtime sees it."""
    points = [(float(event["t_s"]), number_of(event, "settled")) for event in result.events if "settled" in event]
    if not points:
        return paragraph("Not known: the kernel did not say.")
    return _over_time(
        result,
        Series("settled", points, steps=True),
        title="clips whose ranking has settled",
        y_label="clips",
        y_whole=True,
        levels=[Level(number_of(event, "clips"), "all clips") for event in named(result.events, "plan")[:1]],
    )


def _over_time(
    result: RunResult,
    line: Series,
    *,
    title: str,
    y_label: str,
    from_zero: bool = True,
    y_whole: bool = False,
    levels: Sequence[Level] = (),
) -> str:
    """A line below the lanes: a moment lies at the same place in both."""
    return line_chart(
        [line],
        title=title,
        x_label=TIME_LABEL,
        y_label=y_label,
        from_zero=from_zero,
        y_whole=y_whole,
        levels=levels,
        marks=_marks(result),
        x_end=_end_s(result),
        left=LANE_NAME_WIDTH,
    )


def _limit_rows(result: RunResult) -> list[tuple[str, str, str]]:
    return [(row.limit, "hard" if row.hard else "soft", row.means) for row in result.enforcements]


def _faults(result: RunResult) -> str:
    rows = [(when, fault.text) for when, fault in dated_faults(result)]
    return table(("when", "what"), rows) if rows else paragraph("Nothing: this was a good day.")


def _events(events: Sequence[Event]) -> str:
    if not events:
        return paragraph("The kernel kept no run.jsonl.")
    rows = [(event["t_s"], event["event"].replace("_", " "), _fields_text(event)) for event in events[:MOST_EVENTS]]
    more = f", the first {MOST_EVENTS:,} of them" if len(events) > MOST_EVENTS else ""
    return folded(f"{len(events):,} events{more}", table(("s", "event", ""), rows))


def _fields_text(event: Event) -> str:
    return ", ".join(f"{name} {value}" for name, value in event.items() if name not in ("t_s", "event"))


def _marks(result: RunResult) -> list[Mark]:
    marks = [Mark(t_s, fault.text) for t_s, fault in result.faults]
    return marks + [
        Mark(float(event["t_s"]), event["event"].replace("_", " "))
        for event in result.events
        if event["event"] in MARKED
    ]


def _end_s(result: RunResult) -> float:
    """Where the time axis of all drawings ends."""
    moments = [sample.t_s for sample in result.samples[-1:]] + [float(event["t_s"]) for event in result.events]
    moments += [t_s for t_s, _ in (*result.submissions, *result.faults)]  # one may be seen after the kernel's end
    return max([result.wall_s, *moments])


def _moment(event: Event, text: str, colour: int) -> Bar:
    return Bar(float(event["t_s"]), float(event["t_s"]), text, colour)
