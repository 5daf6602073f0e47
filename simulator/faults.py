"""The bad days that a kernel may have, and the words for them on the command line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kernel_src.errors import KernelError
from kernel_src.limits import parse_bytes, parse_duration_s
from simulator.amounts import seconds_text


class FaultKind(StrEnum):
    """What can go wrong."""

    SLOW = "slow"
    STALL = "stall"
    SLOW_INPUTS = "slow-inputs"
    DISK_FULL = "disk-full"
    NEIGHBOUR = "neighbour"
    SIGTERM = "sigterm"
    DAMAGED_CLIP = "damaged-clip"
    HANGING_CLIP = "hanging-clip"
    DAMAGED_FOLD = "damaged-fold"
    NO_GPU = "no-gpu"


@dataclass(frozen=True)
class FaultMeaning:
    """What a fault does, and what its amount is."""

    text: str
    """The fault as a sentence, with {amount}."""
    unit: str
    """How the amount is read: factor, seconds, bytes, count, or empty for none."""
    usual: str
    """The amount where none is given."""
    from_the_start: bool = False
    """Whether it is there when the kernel starts, so that a moment means nothing."""


MEANINGS = {
    FaultKind.SLOW: FaultMeaning("the machine goes on at {amount} of its speed", "factor", "0.5"),
    FaultKind.STALL: FaultMeaning("everything stands still for {amount}", "seconds", "5s"),
    FaultKind.SLOW_INPUTS: FaultMeaning("the inputs are read at {amount} a second at most", "bytes", "1MB"),
    FaultKind.DISK_FULL: FaultMeaning("the disk is full", "", ""),
    FaultKind.NEIGHBOUR: FaultMeaning("a neighbour takes {amount} of the memory", "bytes", "1GB"),
    FaultKind.SIGTERM: FaultMeaning("SIGTERM, and SIGKILL {amount} later", "seconds", "10s"),
    FaultKind.DAMAGED_CLIP: FaultMeaning("clips damaged: {amount}", "count", "1", from_the_start=True),
    FaultKind.HANGING_CLIP: FaultMeaning("clips that hang their decoder: {amount}", "count", "1", from_the_start=True),
    FaultKind.DAMAGED_FOLD: FaultMeaning("files of weights damaged: {amount}", "count", "1", from_the_start=True),
    FaultKind.NO_GPU: FaultMeaning("there is no GPU", "", "", from_the_start=True),
}


@dataclass(frozen=True)
class Fault:
    """One fault on one day."""

    kind: FaultKind
    """What goes wrong."""
    amount: float = 0.0
    """How much of it, in the unit of its meaning."""
    at_share: float = 0.0
    """When, as a share of the time limit."""

    @property
    def from_the_start(self) -> bool:
        """Whether it is there when the kernel starts, rather than beginning while it runs."""
        return MEANINGS[self.kind].from_the_start

    @property
    def text(self) -> str:
        """The fault as a sentence."""
        meaning = MEANINGS[self.kind]
        return meaning.text.format(amount=_amount_text(self.amount, meaning.unit))


def parse_fault(text: str, time_limit_s: float) -> Fault:
    """A fault from `NAME[=AMOUNT][@MOMENT]`, such as `slow=0.25@50%`, `stall=5s@20s`, `damaged-clip=3`.

    Args:
        text: the words.
        time_limit_s: what a moment in seconds is a share of.

    Raises:
        KernelError: no such fault, or an amount or moment that cannot be read.
    """
    match = re.fullmatch(r"([a-z-]+)(?:=([^@]+))?(?:@(.+))?", text)
    if match is None or match[1] not in set(FaultKind):
        raise KernelError(f"--fault {text}: expected NAME[=AMOUNT][@MOMENT] with NAME one of {', '.join(FaultKind)}")
    kind = FaultKind(match[1])
    meaning = MEANINGS[kind]
    if match[2] and not meaning.unit:
        raise KernelError(f"--fault {text}: {kind} takes no amount")
    try:
        amount = _parse_amount(match[2] or meaning.usual, meaning.unit)
        return Fault(kind, amount, _parse_moment(match[3], time_limit_s))
    except (ValueError, KernelError) as error:
        raise KernelError(f"--fault {text}: {error}") from error


def amount_of(faults: Sequence[Fault], kind: FaultKind) -> int:
    """How many of a fault that is counted."""
    return sum(round(fault.amount) for fault in faults if fault.kind is kind)


def has(faults: Sequence[Fault], kind: FaultKind) -> bool:
    """Whether one of the faults is of this kind."""
    return any(fault.kind is kind for fault in faults)


def _parse_amount(text: str, unit: str) -> float:
    match unit:
        case "":
            return 0.0
        case "factor":
            return _between(float(text), 0.0, 1.0)
        case "seconds":
            return parse_duration_s(text)
        case "bytes":
            return parse_bytes(text)
        case _:
            return _between(int(text), 0, 10**6)


def _parse_moment(text: str | None, time_limit_s: float) -> float:
    if text is None:
        return 0.5
    share = float(text[:-1]) / 100 if text.endswith("%") else parse_duration_s(text) / time_limit_s
    return share if share == 0 else _between(share, 0.0, 1.0)


def _between(value: float, above: float, at_most: float) -> float:
    if not above < value <= at_most:
        raise ValueError(f"{value:g} is not above {above:g} and at most {at_most:g}")
    return value


def _amount_text(amount: float, unit: str) -> str:
    texts = {"factor": f"{amount:.2f}", "seconds": seconds_text(amount), "bytes": f"{amount / 1e6:,.1f} MB"}
    return texts.get(unit, f"{amount:.0f}")
