import io
import threading
import time

import pytest
import torch

from kernel_src.crew import Crew
from kernel_src.events import EventLog

CPU = torch.device("cpu")
GPU = torch.device("cuda:0")
OTHER_GPU = torch.device("cuda:1")


def make_crew(*devices: torch.device) -> tuple[Crew, io.StringIO]:
    out = io.StringIO()
    return Crew(devices, EventLog(None, time.monotonic, out)), out


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_batches_order_whoever_is_faster(workers: int) -> None:
    crew, _ = make_crew(*[CPU] * workers)
    results: list[int] = []

    def compute(batch: int, _: torch.device) -> int:
        time.sleep(0.002 * (batch % 3))
        return batch

    crew.run(range(20), compute, results.append)
    crew.close()
    assert results == list(range(20))


def test_two_workers_work_at_the_same_time() -> None:
    crew, _ = make_crew(CPU, CPU)
    meeting = threading.Barrier(2, timeout=10)
    crew.run(range(4), lambda *_: meeting.wait(), lambda _: None)
    crew.close()


def test_no_more_batches_begin_than_there_are_workers_for() -> None:
    crew, _ = make_crew(CPU, CPU)
    running: list[int] = []
    most = 0

    def compute(batch: int, _: torch.device) -> None:
        nonlocal most
        running.append(batch)
        most = max(most, len(running))
        time.sleep(0.005)
        running.remove(batch)

    crew.run(range(10), compute, lambda _: None)
    crew.close()
    assert most == 2


def test_one_worker_does_something_aside_while_the_other_goes_on() -> None:
    crew, _ = make_crew(CPU, CPU)
    passed, done = threading.Event(), threading.Event()

    def aside() -> None:
        if passed.wait(timeout=10):
            done.set()

    crew.run_aside(aside)
    crew.run(range(4), lambda *_: None, lambda _: None)
    passed.set()
    crew.close(patience_s=10)
    assert done.is_set()


def test_a_lone_worker_does_nothing_aside() -> None:
    crew, _ = make_crew(CPU)
    done: list[bool] = []
    crew.run_aside(lambda: done.append(True))
    crew.run(range(2), lambda *_: None, lambda _: None)
    crew.close(patience_s=10)
    assert not done


def test_what_a_worker_raises_ends_the_pass_and_the_crew_goes_on() -> None:
    crew, _ = make_crew(CPU, CPU)

    def compute(batch: int, _: torch.device) -> int:
        if batch == 3:
            raise ValueError("batch 3")
        return batch

    results: list[int] = []
    with pytest.raises(ValueError, match="batch 3"):
        crew.run(range(8), compute, results.append)
    assert results == [0, 1, 2]
    crew.run(range(2), compute, results.append)
    crew.close()
    assert results == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    "devices",
    [(GPU,), (GPU, GPU), (GPU, OTHER_GPU), (GPU, OTHER_GPU) * 2],
    ids=["one GPU", "its two workers", "two GPUs", "their four workers"],
)
def test_a_gpu_that_fails_is_left_and_its_batch_goes_to_the_others_or_the_processor(
    devices: tuple[torch.device, ...],
) -> None:
    crew, out = make_crew(*devices)
    used: list[str] = []

    def compute(batch: int, device: torch.device) -> int:
        if device.type == "cuda" and batch >= 2:
            raise RuntimeError("CUDA error: device-side assert")
        used.append(device.type)
        return batch

    results: list[int] = []
    crew.run(range(12), compute, results.append)
    crew.close()
    assert results == list(range(12))
    assert used.count("cuda") <= 2
    assert out.getvalue().count("device failed") == len(set(devices))
