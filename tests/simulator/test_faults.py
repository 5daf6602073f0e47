"""The words for bad days."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_src.errors import KernelError
from kernel_src.limits import KernelLimits
from simulator.bad_days import draw_faults
from simulator.faults import MEANINGS, Fault, FaultKind, parse_fault
from simulator.settings import CompetitionData, Rehearsal

LIMITS = KernelLimits(time_s=60, memory_bytes=10**9, disk_bytes=10**8)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("slow=0.25@50%", Fault(FaultKind.SLOW, 0.25, 0.5)),
        ("stall=5s@15s", Fault(FaultKind.STALL, 5.0, 0.25)),
        ("neighbour=200MB", Fault(FaultKind.NEIGHBOUR, 2e8, 0.5)),
        ("disk-full@0%", Fault(FaultKind.DISK_FULL, 0.0, 0.0)),
        ("disk-full@90%", Fault(FaultKind.DISK_FULL, 0.0, 0.9)),
        ("damaged-clip=3", Fault(FaultKind.DAMAGED_CLIP, 3, 0.5)),
        ("no-gpu", Fault(FaultKind.NO_GPU, 0.0, 0.5)),
        ("slow=2", None),
        ("slow=fast", None),
        ("earthquake", None),
        ("no-gpu=1", None),
        ("stall=5s@2h", None),
    ],
)
def test_a_fault_is_read_or_refused_in_one_line(text: str, fault: Fault | None) -> None:
    if fault is not None:
        assert parse_fault(text, 60) == fault
        return
    with pytest.raises(KernelError, match=f"--fault {text}") as refused:
        parse_fault(text, 60)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", FaultKind)
def test_every_fault_has_a_usual_amount_and_a_sentence(kind: FaultKind) -> None:
    text = parse_fault(kind, 60).text
    assert text
    assert "{" not in text
    assert kind in MEANINGS


@given(seed=st.integers(0, 10**6))
def test_drawn_faults_leave_a_kernel_a_chance(seed: int) -> None:
    data = CompetitionData(Path("data"), "data")
    rehearsal = Rehearsal(Path("kernel.py"), Path("run"), LIMITS, data=data, clips=56, mean_duration_s=10.4)
    faults = draw_faults(random.Random(seed), rehearsal, list(FaultKind))
    assert 1 <= len(faults) <= 3
    assert len({fault.kind for fault in faults}) == len(faults)
    for fault in faults:
        end_share = fault.at_share + (fault.amount / LIMITS.time_s if fault.kind is FaultKind.STALL else 0)
        assert end_share < 0.95
        if fault.kind is FaultKind.SLOW_INPUTS:
            assert 56 * 10.4 * 88_200 / fault.amount < 0.5 * LIMITS.time_s
    assert faults == draw_faults(random.Random(seed), replace(rehearsal, live=False), list(FaultKind))
