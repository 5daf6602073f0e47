"""The command's options as a rehearsal; the one place where the simulator reads its environment."""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

from kernel_src.errors import KernelError
from kernel_src.limits import KernelLimits, parse_bytes, parse_duration_s
from simulator.durations import LEAST_MEAN_S, MOST_MEAN_S
from simulator.faults import FaultKind, has, parse_fault
from simulator.project import Project, read_project
from simulator.run_folder import folder_beside
from simulator.settings import CompetitionData, Rehearsal

NO_WEIGHTS = "none"
KEPT_OVERRIDES = ("passes", "seed", "stop_early", "backend", "batch_clips")


def rehearsal_from(options: argparse.Namespace) -> Rehearsal:
    """The hidden re-run that the options describe.

    Raises:
        KernelError: an option cannot be read, or something that it names is missing.
    """
    _check_numbers(options)
    if options.bad_days and options.mode != "rerun":
        raise KernelError(f"--bad-days plays hidden re-runs only; leave out --{options.mode}")
    if not options.script.is_file():
        raise KernelError(f"there is no script {options.script}; make it with `python bundle.py`")
    project = read_project(options.script)
    limits = _limits(options, project, rerun=True)
    faults = tuple(parse_fault(text, limits.time_s) for text in options.fault)
    return Rehearsal(
        script=options.script,
        out=options.out,
        limits=limits,
        data=_data(options, project),
        datasets=_datasets(options, project),
        newer_mounts=options.newer_mounts,
        cpus=options.cpus,
        speed=options.speed,
        gpu=project.gpu and not has(faults, FaultKind.NO_GPU),
        clips=options.clips,
        mean_duration_s=_mean_duration_s(options.mean_duration),
        faults=faults,
        seed=options.seed,
        soft=options.soft,
        require_hard=options.require == "hard",
        overrides=_kept_overrides(os.environ.get("HOURGLASS_OVERRIDES", "")),
    )


def commit_run(rehearsal: Rehearsal, options: argparse.Namespace, *, beside: bool) -> Rehearsal:
    """The run on commit that belongs to a re-run: a placeholder test set, and a limit of its own where given.

    Args:
        rehearsal: the re-run.
        options: the command's options.
        beside: whether its files go to a folder beside the re-run's.
    """
    limits = _limits(options, read_project(options.script), rerun=False)
    time_s = min(limits.time_s, rehearsal.limits.time_s)
    return replace(
        rehearsal,
        rerun=False,
        out=folder_beside(options.out, "commit") if beside else options.out,
        limits=replace(rehearsal.limits, time_s=time_s),
        clips=options.placeholder if rehearsal.data else None,
    )


def _check_numbers(options: argparse.Namespace) -> None:
    bounds = {"--cpus": (options.cpus, 1), "--clips": (options.clips, 0), "--placeholder": (options.placeholder, 0)}
    for name, (value, least) in {**bounds, "--bad-days": (options.bad_days, 0)}.items():
        if value is not None and value < least:
            raise KernelError(f"{name} {value}: expected {least} or more")
    if not 0 < options.speed <= 1:
        raise KernelError(f"--speed {options.speed:g}: expected a share above 0 and at most 1")


def _mean_duration_s(text: str | None) -> float | None:
    if text is None:
        return None
    mean_s = parse_duration_s(text)
    if not LEAST_MEAN_S <= mean_s <= MOST_MEAN_S:
        raise KernelError(f"--mean-duration {text}: expected {LEAST_MEAN_S:g}s to {MOST_MEAN_S:g}s")
    return mean_s


def _limits(options: argparse.Namespace, project: Project, *, rerun: bool) -> KernelLimits:
    limits = project.kernel_limits(rerun=rerun)
    if options.time is not None:
        limits = replace(limits, time_s=parse_duration_s(options.time))
    if options.memory is not None:
        limits = replace(limits, memory_bytes=parse_bytes(options.memory))
    if options.disk is not None:
        limits = replace(limits, disk_bytes=parse_bytes(options.disk))
    return limits


def _data(options: argparse.Namespace, project: Project) -> CompetitionData | None:
    if options.data is None:
        if project.competition:
            raise KernelError(
                f"this kernel belongs to the competition {project.competition}; give its folder as --data"
            )
        return None
    data = CompetitionData(options.data, project.competition or options.data.resolve().name)
    for name in data.shown:
        if not (data.folder / name).exists():
            raise KernelError(f"{data.folder / name} is missing; --data takes a folder in the competition's layout")
    return data


def _datasets(options: argparse.Namespace, project: Project) -> dict[str, Path]:
    datasets = dict(_named_folder(text) for text in options.input)
    if len(datasets) < len(options.input):
        raise KernelError(f"--input {' '.join(options.input)}: one name is there twice")
    for_weights = project.datasets[0] if project.datasets else "weights"
    if options.weights is not None or (project.datasets and for_weights not in datasets):
        datasets |= _weights(options, for_weights)
    if options.weights != NO_WEIGHTS and (missing := [name for name in project.datasets if name not in datasets]):
        raise KernelError(f"this kernel wants the data set {missing[0]}, too; give it as --input {missing[0]}=FOLDER")
    return datasets


def _weights(options: argparse.Namespace, name: str) -> dict[str, Path]:
    if options.weights == NO_WEIGHTS:
        return {}
    weights = Path(options.weights or "weights")
    if not weights.is_dir():
        raise KernelError(f"there are no weights at {weights}; train some, or give --weights FOLDER or {NO_WEIGHTS}")
    return {name: weights}


def _named_folder(text: str) -> tuple[str, Path]:
    slug, equals, folder = text.partition("=")
    if not (slug and equals and folder):
        raise KernelError(f"--input {text}: expected SLUG=FOLDER")
    if not Path(folder).is_dir():
        raise KernelError(f"--input {text}: there is no folder {folder}")
    return slug, Path(folder)


def _kept_overrides(text: str) -> dict[str, object]:
    """What the user has set of HOURGLASS_OVERRIDES and a rehearsal does not set itself."""
    try:
        given = json.loads(text) if text else {}
    except ValueError as error:
        raise KernelError(f"HOURGLASS_OVERRIDES is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise KernelError('HOURGLASS_OVERRIDES must be a JSON object, such as {"passes": 2}')
    return {name: given[name] for name in KEPT_OVERRIDES if name in given}
