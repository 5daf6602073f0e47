"""kernel.toml as constants.

Here they are read from the file at the top of the checkout. The bundle carries this module with the values
written out instead, for on Kaggle there is no such file.
"""

import tomllib
from pathlib import Path
from typing import Any

KERNEL_TOML: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parents[1] / "kernel.toml").read_text(encoding="utf-8-sig")
)
