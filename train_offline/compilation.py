"""Compiles the training step once for all folds, where enough steps are left to pay for it."""

import sys
import time
from dataclasses import asdict, dataclass
from typing import Literal

import torch

from kernel_src.errors import KernelError
from kernel_src.model import SEDenseNet
from kernel_src.weights import device_name
from train_offline import compile_costs
from train_offline.batches import Batch
from train_offline.optimization import Forward, Optimization, plain_forward
from train_offline.progress import clock_text
from train_offline.recipes import Recipe, Size
from train_offline.train_network import new_network

CompileChoice = Literal["auto", "yes", "no"]

LIKELY_GAINS = {"cpu": 1.4, "cuda": 1.7}
"""How many times as fast a compiled step is, before it has been measured (docs/speed.md has what was)."""
LEAST_PROFIT_S = 30.0
"""Less than this is not worth the compiler, which keeps a user waiting before anything is seen of the training."""
_TRIAL_STEPS = 4
_TRIAL_S = 10.0


@dataclass(frozen=True)
class Work:
    """What is about to be trained."""

    recipe: Recipe
    size: Size
    n_labels: int
    batch_clips: int
    device: torch.device
    steps_left: int
    """Steps that one core, or the GPU, has before it, of all folds and stages together."""


def choose_forward(choice: CompileChoice, work: Work) -> Forward:
    """How all networks of a training are computed: compiled where that pays, else as they are.

    Call it where and when nothing is trained yet: it times some steps of a network that is thrown away, and folds that
    are trained side by side then share what was compiled here.

    Args:
        choice: "auto" compiles if the time that is saved is worth it, and goes on without where that fails.
        work: what is about to be trained.

    Raises:
        KernelError: the choice is "yes", and it cannot be compiled here.
    """
    if choice == "no" or not work.steps_left:
        return plain_forward
    try:
        plain_step_s = _step_s(work, plain_forward)
    except torch.cuda.OutOfMemoryError:
        return plain_forward  # the training itself says what to lower
    if choice == "auto" and saved_s(work.steps_left, plain_step_s, work.device) < LEAST_PROFIT_S:
        return plain_forward  # so that short trainings need not even load the compiler
    cost_s = compile_costs.expected_s(_key(work))
    if choice == "auto" and not pays(work.steps_left, plain_step_s, cost_s, work.device):
        return plain_forward
    _tell(f"compiling the training step, about {clock_text(cost_s)}; --compile no trains without")
    try:
        return _compiled_if_faster(choice, work, plain_step_s)
    except Exception as error:  # compilers fail in many ways, and the training goes on without one
        reason = _reason(error)
        if choice == "yes":
            raise KernelError(f"--compile yes: the training step cannot be compiled here ({reason})") from error
        _tell(f"the training step cannot be compiled here ({reason}); training goes on without")
        return plain_forward


def saved_s(steps: int, plain_step_s: float, device: torch.device) -> float:
    """The time that compiled steps are likely to save."""
    return steps * plain_step_s * (1 - 1 / LIKELY_GAINS[device.type])


def pays(steps: int, plain_step_s: float, cost_s: float, device: torch.device) -> bool:
    """Whether steps are likely to save what compiling costs, and something worth having beside."""
    return saved_s(steps, plain_step_s, device) - cost_s >= LEAST_PROFIT_S


def compiled_forward(shape: tuple[int, ...]) -> Forward:
    """The network's forward pass, compiled at its first call, and its backward pass with it.

    It is a function of the network, so that all networks of a size share it, in whichever thread they are trained.

    Args:
        shape: [batch, 1, mels, frames] that it is compiled for. Networks of another input are computed as they are:
            they would be compiled in the midst of their training.
    """
    compiled = torch.compile(SEDenseNet.forward, dynamic=False, fullgraph=True)

    def forward(model: SEDenseNet, images: torch.Tensor) -> torch.Tensor:
        return compiled(model, images) if images.shape == shape else model(images)

    return forward


def _compiled_if_faster(choice: CompileChoice, work: Work, plain_step_s: float) -> Forward:
    forward = compiled_forward(_shape(work))
    began_s = time.perf_counter()
    compiled_step_s = _step_s(work, forward)
    took_s = time.perf_counter() - began_s
    compile_costs.note(_key(work), took_s)
    told = f"compiled in {clock_text(took_s)}: a step takes {compiled_step_s:.3g} s instead of {plain_step_s:.3g} s"
    if choice == "auto" and compiled_step_s >= plain_step_s:
        _tell(f"{told}; training goes on without")
        return plain_forward
    _tell(told)
    return forward


def _step_s(work: Work, forward: Forward) -> float:
    """The quickest of some steps of a network that is thrown away."""
    model = new_network(work.recipe, work.size, work.n_labels, seed=0).to(work.device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    optimization = Optimization(model, work.recipe, 1e-3, steps=10 * _TRIAL_STEPS, forward=forward)
    images = torch.rand(_shape(work), generator=torch.Generator().manual_seed(0)).to(work.device)
    targets = torch.zeros(work.batch_clips, work.n_labels, device=work.device)
    batch = Batch((), images, targets, torch.ones(work.batch_clips, device=work.device))
    times_s: list[float] = []
    while len(times_s) < 2 or (len(times_s) < _TRIAL_STEPS and sum(times_s) < _TRIAL_S):
        began_s = time.perf_counter()
        optimization.step(batch).value()
        times_s.append(time.perf_counter() - began_s)
    return min(times_s)


def _shape(work: Work) -> tuple[int, ...]:
    return (work.batch_clips, 1, work.size.frontend.n_mels, work.size.crop_frames)


def _key(work: Work) -> str:
    model = work.size.model(work.n_labels, work.recipe.padding)
    return f"{asdict(model)} {_shape(work)} {device_name(work.device)} {torch.get_num_threads()} {torch.__version__}"


def _reason(error: BaseException) -> str:
    inner = getattr(error, "inner_exception", error)  # torch wraps what its compiler raised
    lines = str(inner).strip().splitlines()
    return lines[0] if lines else type(inner).__name__


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
