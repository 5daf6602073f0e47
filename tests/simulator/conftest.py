"""Runs script kernels under the simulator, and sees that nothing is left of them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated import Run, Simulate, SimulateScript, leftovers, make_data, run_script, run_simulator


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder in the competition's layout; nobody knows its truth."""
    return make_data(tmp_path / "data")


@pytest.fixture
def scored_data(tmp_path: Path) -> Path:
    """The same with a truth, which the kernel must not see: every clip is a cow."""
    return make_data(tmp_path / "data", truth="Moo")


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Simulate]:
    """Runs simulate.py on a kernel given as text; afterwards nothing of it may be left on the machine."""

    def run(body: str, *arguments: str, **environment: str) -> Run:
        return run_simulator(body, tmp_path, arguments, **environment)

    yield run
    assert leftovers(tmp_path) == []


@pytest.fixture
def simulate_script(tmp_path: Path) -> Iterator[SimulateScript]:
    """The same for a script that lies somewhere already."""

    def run(script: Path, *arguments: str) -> Run:
        return run_script(script, tmp_path, arguments)

    yield run
    assert leftovers(tmp_path) == []


@pytest.fixture
def as_root() -> None:
    """Skips where limits cannot be hard for want of privileges or tools."""
    if os.geteuid() != 0:
        pytest.skip("needs root: control groups and loop devices")
    from simulator.means import can_sandbox, group_abilities

    if not can_sandbox():
        pytest.skip("needs bubblewrap: apt-get install bubblewrap")
    if not group_abilities().memory:
        pytest.skip("needs control groups that this container does not hand down")
