"""The backend is chosen by measurement, and only among those that are right."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from kernel_src import backends, choice, weights, winograd
from kernel_src.backend_names import BACKENDS, EXACT, PLAIN, WINOGRAD
from kernel_src.backends import build, candidates
from kernel_src.choice import choose_backend
from kernel_src.devices import CPU
from kernel_src.errors import KernelError
from kernel_src.events import EventLog
from kernel_src.model import SEDenseNet
from kernel_src.native_code import NativeCodeError
from kernel_src.weights import LoadedMember, load_member
from sample_data import make_weights

WITHOUT_GRAPHS = pytest.mark.filterwarnings("ignore:no CUDA graph:RuntimeWarning")
"""A processor has none."""


@pytest.fixture
def member(tmp_path: Path) -> LoadedMember:
    return load_member(tmp_path, make_weights(tmp_path, n_members=1).members[0], 3, CPU, PLAIN)


@pytest.fixture
def events(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog(tmp_path / "run.jsonl", lambda: 0.0) as log:
        yield log


def told(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]


def replace_networks(monkeypatch: pytest.MonkeyPatch, change: Callable[[str, torch.Tensor], torch.Tensor]) -> None:
    """Lets `change` have the logits of every backend but the plain one."""

    def changed(backend: str, model: SEDenseNet, *more: Any) -> Callable[[torch.Tensor], torch.Tensor]:
        network = build(backend, model, *more)
        return network if backend == PLAIN else lambda images: change(backend, network(images))

    monkeypatch.setattr(weights, "build", changed)


@pytest.mark.usefixtures("a_compiler")
def test_the_choice_is_one_that_works_and_is_told_with_what_was_measured(
    member: LoadedMember, events: EventLog, tmp_path: Path
) -> None:
    chosen = choose_backend(member, CPU, 4, events, left_s=60)
    [event] = told(tmp_path)
    assert event["event"] == "backend_chosen"
    assert event["backend"] == chosen
    assert set(event["windows_per_s"]) == set(candidates(CPU)) - {PLAIN}
    assert event["windows_per_s"][chosen] == max(event["windows_per_s"].values())


def test_a_processor_computes_in_float32_even_where_it_multiplies_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "multiplies_bfloat16", lambda _: True)
    assert candidates(CPU) == (WINOGRAD, EXACT, PLAIN)


@pytest.mark.parametrize(("call_s", "calls"), [(1.4, 3), (1.6, 1)])
def test_a_backend_far_slower_than_another_is_not_timed_for_long(
    member: LoadedMember, events: EventLog, monkeypatch: pytest.MonkeyPatch, call_s: float, calls: int
) -> None:
    now_s, called = 0.0, 0

    def take_a_while(name: str, logits: torch.Tensor) -> torch.Tensor:
        nonlocal now_s, called
        now_s += call_s if name == EXACT else 1.0
        called += name == EXACT
        return logits

    replace_networks(monkeypatch, take_a_while)
    monkeypatch.setattr(choice, "thread_time", lambda: now_s)
    assert choose_backend(member, CPU, 4, events, left_s=60, names=["folded-bfloat16", EXACT]) == "folded-bfloat16"
    assert called == calls


def test_an_override_is_the_choice(member: LoadedMember, events: EventLog, tmp_path: Path) -> None:
    assert choose_backend(member, CPU, 4, events, left_s=60, forced="plain") == "plain"
    assert told(tmp_path)[0]["backend"] == "plain"


def test_a_backend_that_cannot_be_had_is_done_without_and_an_override_for_it_refused(
    member: LoadedMember, events: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int | None) -> None:
        raise NativeCodeError("there is no C++ compiler")

    monkeypatch.setattr(winograd, "library", fail)
    assert choose_backend(member, CPU, 4, events, left_s=60, names=[WINOGRAD, EXACT, PLAIN]) == EXACT
    failed, _ = told(tmp_path)
    assert failed["event"] == "backend_failed"
    assert failed["reason"] == "there is no C++ compiler"
    with pytest.raises(KernelError, match="winograd-float32, an override, cannot be had on cpu: there is no C"):
        choose_backend(member, CPU, 4, events, left_s=60, forced=WINOGRAD)


@pytest.mark.parametrize("wrong", [float("nan"), 1.0])
def test_a_backend_with_wrong_logits_is_left_out_however_quick(
    member: LoadedMember, events: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    replace_networks(monkeypatch, lambda name, logits: logits + wrong if name == "folded-bfloat16" else logits)
    chosen = choose_backend(member, CPU, 4, events, left_s=60, names=["folded-bfloat16", "folded-float32", PLAIN])
    assert chosen == "folded-float32"
    assert [(event["event"], event["backend"]) for event in told(tmp_path)] == [
        ("backend_failed", "folded-bfloat16"),
        ("backend_chosen", "folded-float32"),
    ]


@WITHOUT_GRAPHS
@pytest.mark.parametrize(("left_s", "tried"), [(3600.0, True), (60.0, False)])
def test_what_is_dear_to_start_is_tried_only_where_time_is_left_to_pay_for_it(
    member: LoadedMember, events: EventLog, tmp_path: Path, left_s: float, *, tried: bool
) -> None:
    choose_backend(member, CPU, 4, events, left_s=left_s, names=["compiled-bfloat16", "folded-float32"])
    [event] = told(tmp_path)
    assert ("compiled-bfloat16" in event["windows_per_s"]) == tried


def test_where_every_other_way_fails_the_plain_network_is_left(
    member: LoadedMember, events: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str, _: torch.Tensor) -> torch.Tensor:
        raise RuntimeError(f"{name}: out of something")

    replace_networks(monkeypatch, fail)
    assert choose_backend(member, CPU, 4, events, left_s=60) == PLAIN


def test_a_device_that_fails_at_everything_ends_its_trials_and_not_the_run(
    member: LoadedMember, events: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's meta device, which computes nothing, stands for such a GPU."""
    monkeypatch.setattr(LoadedMember, "on", failing_on_meta(LoadedMember.on))
    assert choose_backend(member, torch.device("meta"), 4, events, left_s=60, names=["folded-float32", PLAIN]) == PLAIN
    assert [event["event"] for event in told(tmp_path)] == ["backend_failed", "backend_chosen"]


def failing_on_meta(on: Callable[..., LoadedMember]) -> Callable[..., LoadedMember]:
    def failing(member: LoadedMember, device: torch.device, *backend: str) -> LoadedMember:
        if device.type == "meta":
            raise RuntimeError("CUDA error: out of memory")
        return on(member, device, *backend)

    return failing


@pytest.mark.usefixtures("a_compiler")
@WITHOUT_GRAPHS
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_can_be_forced_on_a_processor(member: LoadedMember, backend: str) -> None:
    images = torch.rand(5, 1, 16, 32)
    expected = member.on(CPU, PLAIN).logits(images)
    other = member.on(CPU, backend)
    for _ in range(4):  # a GPU's graph would be made at the third call
        assert abs(other.logits(images) - expected).max() < 0.02
