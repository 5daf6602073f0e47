"""A GPU counts only when it has computed something."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from kernel_src.devices import CPU, all_gpus, keep_float32_whole, try_out, usable_gpus, worker_devices
from kernel_src.events import EventLog


def test_each_gpu_is_tried_and_one_that_cannot_is_left_out_with_an_event(tmp_path: Path) -> None:
    gpus = [torch.device("cuda", index) for index in range(3)]

    def trial(device: torch.device) -> None:
        if device.index == 1:
            raise RuntimeError("no kernel image is available for execution on the device\nand more")

    with EventLog(tmp_path / "run.jsonl", lambda: 0.0) as events:
        assert usable_gpus(events, gpus, trial) == [gpus[0], gpus[2]]
    [event] = map(json.loads, (tmp_path / "run.jsonl").read_text().splitlines())
    assert event["event"] == "device_failed"
    assert event["device"] == "cuda:1"
    assert event["reason"] == "no kernel image is available for execution on the device"


def test_a_device_that_computes_passes_the_trial() -> None:
    try_out(CPU)


def test_float32_is_kept_whole_by_an_older_torch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    older = SimpleNamespace(allow_tf32=True)
    monkeypatch.setattr(torch.backends, "cudnn", older)
    keep_float32_whole()
    assert older.allow_tf32 is False


@pytest.mark.skipif(bool(all_gpus()), reason="this machine has a GPU")
def test_without_a_gpu_there_is_a_worker_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernel_src.devices.usable_cpus", lambda: 3)
    assert worker_devices() == [CPU] * 3


@pytest.mark.gpu
def test_every_gpu_of_this_machine_has_two_workers() -> None:
    assert worker_devices() == all_gpus() * 2
