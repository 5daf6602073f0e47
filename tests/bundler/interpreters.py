"""The Pythons that scripts must run on, as far as this machine has them."""

import shutil
import subprocess
import sys
from functools import cache


@cache
def find_python(version: str) -> str | None:
    """An interpreter of this version that works: on the PATH, or pyenv's."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    candidates = [shutil.which(f"python{version}")]
    if shutil.which("pyenv"):
        prefix = subprocess.run(["pyenv", "prefix", version], capture_output=True, text=True, check=False)
        candidates.append(f"{prefix.stdout.strip()}/bin/python")
    for candidate in filter(None, candidates):
        try:
            found = subprocess.run(
                [candidate, "-c", "import sys; print(sys.executable)"], check=True, capture_output=True, text=True
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return found.stdout.strip()  # the interpreter itself, where the candidate only starts it
    return None
