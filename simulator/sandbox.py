"""Bubblewrap around the kernel: Kaggle's paths, read-only inputs, no network, process numbers of its own."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from simulator.kernel_folders import KAGGLE_VIEW, WritableArea

SHARED_MEMORY_BYTES = 64 * 2**20  # what container runtimes give by default
SYSTEM_FOLDERS = ("/usr", "/etc", "/opt", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
NAMESPACES = ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")
PROBE_S = 10.0


def bubblewrap_works() -> bool:
    """Whether bubblewrap is installed and this machine lets this user make a sandbox."""
    if shutil.which("bwrap") is None:
        return False
    command = [*_machine(()), sys.executable, "-I", "-S", "-c", ""]
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=PROBE_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def sandbox_command(
    script_folder: Path,
    inputs: Mapping[str, Path],
    area: WritableArea,
    extra: Mapping[Path, Path],
    devices: tuple[Path, ...] = (),
) -> list[str]:
    """The command that puts the command after it into the sandbox.

    Args:
        script_folder: holds the script and nothing else.
        inputs: where each input lies, by its path below the kernel's input folder.
        area: the folders that may be written to.
        extra: where other read-only files and folders lie, by the path at which they are seen.
        devices: the devices of a GPU.
    """
    command = _machine(devices)
    command += ["--bind", str(area.temporary), str(KAGGLE_VIEW.temporary)]
    command += ["--bind", str(area.working), str(KAGGLE_VIEW.working)]
    command += _read_only(script_folder, KAGGLE_VIEW.script.parent)
    for name, path in inputs.items():
        command += _read_only(path.resolve(), KAGGLE_VIEW.inputs / name)
    for seen, path in extra.items():
        command += _read_only(path, seen)
    for folder in _python_folders():  # again, for one may lie below /tmp
        command += _read_only(folder, folder)
    return [*command, "--remount-ro", "/", "--chdir", str(KAGGLE_VIEW.working)]


def _machine(devices: tuple[Path, ...]) -> list[str]:
    # By its full path: the kernel's clean environment has a PATH of its own.
    command = [shutil.which("bwrap") or "bwrap", *NAMESPACES, "--die-with-parent", "--cap-drop", "ALL"]
    for folder in (Path(name) for name in SYSTEM_FOLDERS):
        if folder.is_symlink():
            command += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            command += _read_only(folder, folder)
    command += [*_read_only(Path("/sys"), Path("/sys")), "--proc", "/proc", "--dev", "/dev"]
    command += ["--size", str(SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"]  # noqa: S108 - the sandbox's own
    for device in devices:
        command += ["--dev-bind", str(device), str(device)]
    for folder in _python_folders():
        command += _read_only(folder, folder)
    return command


def _python_folders() -> list[Path]:
    """The interpreter that runs this, and its packages."""
    folders = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.base_prefix).resolve()}
    return sorted(folder for folder in folders if not folder.is_relative_to("/usr"))


def _read_only(source: Path, target: Path) -> list[str]:
    return ["--ro-bind", str(source), str(target)]
