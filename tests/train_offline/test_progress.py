import re

import pytest

from train_offline import progress
from train_offline.progress import Progress, clock_text


def test_a_log_tells_rate_time_left_and_what_is_worth_knowing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times_s = iter([0.0, 20.0, 20.0, 20.0, 90.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times_s))
    with Progress("fold 0", 100, "step") as bar:
        bar.advance(10, "loss 0.5, lwlrap 0.700")
    told, end = capsys.readouterr().err.splitlines()
    assert told == "fold 0: 10 of 100 steps, 0.5/s, 3:00 left, loss 0.5, lwlrap 0.700"
    assert re.fullmatch(r"fold 0: 10 steps in 90\.0 s", end)


@pytest.mark.parametrize(("seconds_s", "text"), [(4.6, "0:05"), (754, "12:34"), (3723, "1:02:03")])
def test_durations_read_as_on_a_clock(seconds_s: float, text: str) -> None:
    assert clock_text(seconds_s) == text
