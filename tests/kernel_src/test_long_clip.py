import pytest

from benchmarks.long_clip import extraction_peak_bytes


@pytest.mark.parametrize(
    ("channels", "rate_hz"),
    [
        pytest.param(1, 44_100, id="mono"),
        pytest.param(2, 48_000, id="stereo and resampled", marks=pytest.mark.slow),
    ],
)
def test_a_clip_of_ten_minutes_takes_at_most_200_mb(channels: int, rate_hz: int) -> None:
    assert extraction_peak_bytes(channels, rate_hz) <= 200e6
