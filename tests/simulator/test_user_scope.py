"""A hard limit on memory without root, where the user has a systemd of his own."""

import pytest
from simulated import Simulate

from simulator.user_scope import user_scope_controllers

EATS_MEMORY_IN_A_CHILD = """
subprocess.run([sys.executable, "-c", "held = []\\nwhile True: held.append(b'x' * 5_000_000)"])
"""


@pytest.fixture
def with_systemd() -> None:
    """Skips as root, who needs none, and where `systemd-run --user` does not work."""
    if "memory" not in user_scope_controllers():
        pytest.skip("needs a user, not root, whose systemd hands over memory on cgroup v2")


@pytest.mark.usefixtures("with_systemd")
def test_memory_is_hard_through_the_users_own_systemd(simulate: Simulate) -> None:
    run = simulate(EATS_MEMORY_IN_A_CHILD, "--memory", "200MB")
    assert run.summary["limits"]["memory"] == {"hard": True, "means": "cgroup v2 by systemd-run --user"}
    assert run.summary["verdict"] == "out of memory"
