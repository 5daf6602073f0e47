import json
from pathlib import Path
from typing import Any

import pytest

from kernel_src.errors import KernelError
from kernel_src.overrides import OVERRIDES_VARIABLE, RERUN_VARIABLE, RunSettings, read_settings

TOML = {
    "kernel": {"competition": "a-competition", "datasets": ["me/weights"]},
    "limits": {"time": "1h", "commit_time": "10m", "memory": "14GB", "disk": "5GB"},
}


def settings(overrides: dict[str, Any] | None = None, *, rerun: bool = True) -> RunSettings:
    environment = {RERUN_VARIABLE: "1"} if rerun else {}
    if overrides is not None:
        environment[OVERRIDES_VARIABLE] = json.dumps(overrides)
    return read_settings(TOML, environment)


def test_without_overrides_kernel_toml_holds() -> None:
    found = settings()
    assert found.limits.time_s == 3600
    assert found.competition == "a-competition"
    assert found.datasets == ("me/weights",)
    assert found.input_dir == Path("/kaggle/input")
    assert found.is_rerun


def test_the_run_on_commit_has_its_own_time() -> None:
    found = settings(rerun=False)
    assert found.limits.time_s == 600
    assert not found.is_rerun


def test_overrides_may_lower_limits_and_never_raise_them() -> None:
    limits = settings({"time_s": 60, "memory_bytes": 10**12, "disk_bytes": 1000}).limits
    assert (limits.time_s, limits.memory_bytes, limits.disk_bytes) == (60, 14 * 10**9, 1000)


def test_everything_else_is_taken_as_given() -> None:
    found = settings({"passes": 3, "seed": 7, "stop_early": False, "input_dir": "/in", "working_dir": "/out"})
    assert (found.passes, found.seed, found.stop_early) == (3, 7, False)
    tuned = settings({"backend": "folded-float32", "batch_clips": 4})
    assert (tuned.backend, tuned.batch_clips) == ("folded-float32", 4)
    assert (found.input_dir, found.working_dir) == (Path("/in"), Path("/out"))


@pytest.mark.parametrize(
    ("overrides", "word"),
    [
        ({"tims_s": 60}, "tims_s"),
        ({"passes": "3"}, "passes"),
        ({"passes": True}, "passes"),
        ({"backend": "quickest"}, "backend is 'quickest', expected one of"),
        ({"batch_clips": 0}, "batch_clips is 0, expected 1 to"),
        ({"seed": 1 << 70}, "seed is .* expected 0 to"),
        ({"time_s": float("nan")}, "time_s is nan"),
        ({"time_s": None}, "time_s"),
    ],
)
def test_a_misspelt_or_wrong_override_is_refused_by_name(overrides: dict[str, Any], word: str) -> None:
    with pytest.raises(KernelError, match=word):
        settings(overrides)


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_overrides_that_are_no_object_are_refused(text: str) -> None:
    with pytest.raises(KernelError, match=OVERRIDES_VARIABLE):
        read_settings(TOML, {OVERRIDES_VARIABLE: text})


def test_a_data_set_of_a_certain_version_is_found_by_its_name() -> None:
    toml = {**TOML, "kernel": {"datasets": ["me/weights/3", "me/more"]}}
    assert read_settings(toml, {OVERRIDES_VARIABLE: ""}).datasets == ("me/weights", "me/more")
