"""The passes of a run: as bars, as a table, and what they came to."""

from collections.abc import Sequence

from simulator.run_events import Event, named, number_of
from train_offline.drawing import Bar, Lane
from train_offline.page import folded, paragraph, table

MOST_PASSES = 1000
PASSES = {"pass_done": (2, "pass done"), "pass_unfinished": (1, "pass not finished")}
"""The events of a pass: its colour and its meaning."""


def pass_lanes(events: Sequence[Event]) -> list[Lane]:
    """A lane for each member, for a pass is a member and a view."""
    passes = [event for event in events if event["event"] in PASSES]
    members = list(dict.fromkeys(str(event.get("member", "passes")) for event in passes))
    return [
        Lane(member, [_pass_bar(event) for event in passes if str(event.get("member", "passes")) == member])
        for member in members
    ]


def _pass_bar(event: Event) -> Bar:
    end = float(event["t_s"])
    done = event["event"] == "pass_done"
    text = f"view {event.get('view', '?')}, {event.get('clips', '?')} clips{'' if done else ', not finished'}"
    return Bar(max(0.0, end - number_of(event, "seconds_s")), end, text, PASSES[event["event"]][0])


def passes_parts(events: Sequence[Event]) -> list[str]:
    """How many were planned, done and skipped, why there were no more, and each of them."""
    if not events:
        return [paragraph("Not known: the kernel kept no run.jsonl.")]
    passes = [event for event in events if event["event"] in PASSES]
    rows = [_pass_row(event) for event in passes[:MOST_PASSES]]
    more = f", the first {MOST_PASSES:,} of them" if len(passes) > MOST_PASSES else ""
    head = ("ended at s", "member", "view", "clips", "took s", "why then")
    return [
        table(("", "planned", "done", "not finished", "skipped"), _plan_rows(events)),
        *(paragraph(f"Ended: {event.get('reason')}.") for event in named(events, "run_ended")[-1:]),
        folded(f"each pass{more}", table(head, rows)),
    ]


def _plan_rows(events: Sequence[Event]) -> list[tuple[object, ...]]:
    """Passes; and looks, which are one view of one clip each, where the runtime counts them."""
    unfinished = len(named(events, "pass_unfinished"))
    most = [event["most_passes"] for event in named(events, "plan") if event.get("most_passes") is not None]
    skipped = len(named(events, "pass_skipped")) or ""
    rows: list[tuple[object, ...]] = [
        ("passes", *(most[-1:] or ["as time allows"]), len(named(events, "pass_done")), unfinished, skipped)
    ]
    for event in named(events, "plan_ended")[-1:]:
        done, left = round(number_of(event, "looks_done")), round(number_of(event, "looks_skipped"))
        rows.append(("looks at a clip", f"{done + left:,}", f"{done:,}", "", f"{left:,}"))
    return rows


def _pass_row(event: Event) -> tuple[object, ...]:
    clips, planned = event.get("clips", ""), event.get("planned")
    text = clips if planned in (None, clips) else f"{clips} of {planned}"
    return (
        event["t_s"],
        event.get("member", ""),
        event.get("view", ""),
        text,
        number_of(event, "seconds_s"),
        event.get("reason", ""),
    )
