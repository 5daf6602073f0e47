"""Which trainings are compiled, and what becomes of those that cannot be."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_train_network import StopsAfter, trained
from training_settings import TINY

from kernel_src.errors import KernelError
from train_offline import compilation, compile_costs
from train_offline.batches import Batch
from train_offline.checkpoints import Checkpoint
from train_offline.compilation import Work, choose_forward, compiled_forward, pays
from train_offline.evaluate import StoppedError
from train_offline.optimization import Forward, Optimization, plain_forward
from train_offline.recipes import BEST
from train_offline.train_network import new_network

WORK = Work(BEST, TINY, n_labels=3, batch_clips=8, device=torch.device("cpu"), steps_left=1000)


@pytest.fixture(autouse=True)
def compilers_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    return tmp_path / "inductor"


def fake(monkeypatch: pytest.MonkeyPatch, plain_s: float, compiled: Callable[[], float]) -> list[str]:
    """Steps and compiler by name alone: what was timed, in order."""
    timed: list[str] = []

    def step_s(_: Work, forward: Forward) -> float:
        timed.append("plain" if forward is plain_forward else "compiled")
        return plain_s if forward is plain_forward else compiled()

    monkeypatch.setattr(compilation, "_step_s", step_s)
    return timed


def test_what_is_saved_must_exceed_what_compiling_costs_by_half_a_minute() -> None:
    # 1.4 times as fast, as on a CPU, saves 2 of 7 seconds; 1.7 times, as on a GPU, 7 of 17.
    cpu, gpu = torch.device("cpu"), torch.device("cuda", 0)
    assert pays(steps=700, plain_step_s=0.5, cost_s=60, device=cpu)  # 100 s
    assert not pays(steps=700, plain_step_s=0.4, cost_s=60, device=cpu)  # 80 s
    assert pays(steps=700, plain_step_s=0.4, cost_s=60, device=gpu)  # 115 s
    assert pays(steps=700, plain_step_s=0.4, cost_s=15, device=cpu)
    assert not pays(steps=100, plain_step_s=0.4, cost_s=0, device=cpu)


@pytest.mark.parametrize(
    ("choice", "plain_s", "timed"),
    [
        ("no", 10.0, []),
        ("auto", 0.01, ["plain"]),
        ("auto", 0.5, ["plain", "compiled"]),
        ("yes", 0.01, ["plain", "compiled"]),
    ],
)
def test_compiling_is_chosen_by_what_it_saves(
    monkeypatch: pytest.MonkeyPatch, choice: compilation.CompileChoice, plain_s: float, timed: list[str]
) -> None:
    done = fake(monkeypatch, plain_s, lambda: plain_s / 2)
    assert (choose_forward(choice, WORK) is plain_forward) == ("compiled" not in timed)
    assert done == timed


def test_a_training_that_is_done_times_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    done = fake(monkeypatch, 10.0, lambda: 1.0)
    assert choose_forward("yes", replace(WORK, steps_left=0)) is plain_forward
    assert done == []


def test_compiled_steps_that_turn_out_no_faster_are_not_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake(monkeypatch, 0.5, lambda: 0.6)
    assert choose_forward("auto", WORK) is plain_forward
    assert "a step takes 0.6 s instead of 0.5 s; training goes on without" in capsys.readouterr().err


def no_compiler() -> float:
    raise RuntimeError("No working C++ compiler found\nand a long traceback")


def test_without_a_compiler_training_goes_on_and_says_so_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake(monkeypatch, 0.5, no_compiler)
    assert choose_forward("auto", WORK) is plain_forward
    compiling, failed = capsys.readouterr().err.splitlines()
    assert compiling == "compiling the training step, about 1:00; --compile no trains without"
    assert failed == (
        "the training step cannot be compiled here (No working C++ compiler found); training goes on without"
    )


def test_a_demand_that_cannot_be_met_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, 0.5, no_compiler)
    with pytest.raises(KernelError, match=r"--compile yes: .*No working C\+\+ compiler found\)"):
        choose_forward("yes", WORK)


def test_costs_are_remembered_beside_the_compiled_code_and_go_with_it(compilers_cache: Path) -> None:
    assert compile_costs.expected_s("a") == compile_costs.COLD_S
    compile_costs.note("a", 80.0)
    assert compile_costs.expected_s("a") == 20.0  # the code is there now
    compile_costs.note("a", 6.0)
    assert (compile_costs.expected_s("a"), compile_costs.expected_s("b")) == (6.0, compile_costs.COLD_S)
    (file,) = compilers_cache.iterdir()
    file.write_text("{")
    assert compile_costs.expected_s("a") == compile_costs.COLD_S
    file.unlink()
    compilers_cache.rmdir()
    compilers_cache.write_text("no folder")
    compile_costs.note("a", 6.0)
    assert compile_costs.expected_s("a") == compile_costs.COLD_S


def test_other_shapes_are_computed_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[torch.Size] = []

    def compile_(function: Callable[..., torch.Tensor], **_: object) -> Forward:
        return lambda model, images: (taken.append(images.shape), function(model, images))[1]

    monkeypatch.setattr(torch, "compile", compile_)
    model, forward = new_network(BEST, TINY, 3, 0), compiled_forward((8, 1, 16, 16))
    for batch in (8, 5):
        images = torch.rand(batch, 1, 16, 16)
        torch.testing.assert_close(forward(model, images), model(images))
    assert taken == [(8, 1, 16, 16)]


def losses_of(forward: Forward, seed: int) -> list[float]:
    """Some steps of a network of its own, looked at once on the way, as a fold's is."""
    model = new_network(BEST, TINY, 3, seed).to(memory_format=torch.channels_last)
    optimization = Optimization(model, BEST, 1e-3, steps=8, forward=forward)
    generator, losses = torch.Generator().manual_seed(seed), []
    for step in range(8):
        images = torch.rand(8, 1, 16, 16, generator=generator)
        targets = (torch.rand(8, 3, generator=generator) < 0.3).float()
        losses.append(optimization.step(Batch((), images, targets, torch.ones(8))).value())
        if step == 4:
            with torch.inference_mode():
                model.eval()(images)
            model.train()
    return losses


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # what the compiler warns of is not ours to mend
def test_compiled_once_all_folds_learn_as_they_would_have_and_go_on_where_they_stopped(tmp_path: Path) -> None:
    try:
        forward = choose_forward("yes", WORK)
    except KernelError as error:
        pytest.skip(str(error))
    with ThreadPoolExecutor(4) as pool:
        compiled = list(pool.map(lambda seed: losses_of(forward, seed), range(12)))
    plain = [losses_of(plain_forward, seed) for seed in range(12)]
    np.testing.assert_allclose(compiled, plain, rtol=0.02)
    assert not np.array_equal(compiled, plain)  # else nothing was compiled

    # Killed and taken up again: the same network within rounding, by compiled steps or, from there on, without.
    whole = trained(forward=forward)
    for rest, rtol, atol in ((forward, 1e-3, 1e-4), (plain_forward, 0.0, 0.02)):
        checkpoint = Checkpoint(tmp_path / "a.checkpoint", "this")
        with pytest.raises(StoppedError):
            trained(checkpoint=checkpoint, stop=StopsAfter(7), forward=forward)
        torch.testing.assert_close(trained(checkpoint=checkpoint, forward=rest), whole, rtol=rtol, atol=atol)
        checkpoint.remove()
    assert list(whole) == list(trained())
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1  # for all networks and threads
