"""What is to be rehearsed: the script, its inputs, its limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kernel_src.limits import KernelLimits
from simulator.faults import Fault


@dataclass(frozen=True)
class CompetitionData:
    """A folder in the competition's layout: `sample_submission.csv`, `test/`, and the truth where there is one."""

    folder: Path
    """Where the layout lies."""
    slug: str
    """The competition's name at Kaggle; the kernel finds the folder under it."""
    shown: tuple[str, ...] = ("sample_submission.csv", "test")
    """The names in the folder that the kernel may see; the truth and the training tables are not among them."""

    @property
    def sample_submission(self) -> Path:
        """The table whose rows and columns a submission must have."""
        return self.folder / "sample_submission.csv"

    @property
    def truth(self) -> Path | None:
        """The table of the true labels, `fname,labels`; None where nobody knows them."""
        path = self.folder / "test.csv"
        return path if path.is_file() else None


@dataclass(frozen=True)
class Rehearsal:
    """One run of one script kernel, as Kaggle would make it."""

    script: Path
    """The script kernel."""
    out: Path
    """Where the log, the working folder and the summary of the run go."""
    limits: KernelLimits
    """What the kernel may use."""

    data: CompetitionData | None = None
    """The competition's folder; None for a kernel that needs none."""
    datasets: Mapping[str, Path] = field(default_factory=dict)
    """Other input folders, by `owner/slug` or `slug`; shown whole."""
    newer_mounts: bool = False
    """Whether inputs lie under `competitions/` and `datasets/owner/`, as in Kaggle's newer layout."""

    cpus: int | None = None
    """CPUs that the kernel may use; None for all of the machine."""
    speed: float = 1.0
    """The CPUs' speed, as a share of the machine's own."""
    gpu: bool = False
    """Whether the kernel may see the machine's GPU."""
    clips: int | None = None
    """How many test clips there are: a sample of the folder's, or all of them more than once; None for the folder's."""
    mean_duration_s: float | None = None
    """How long the test clips are on average; they are cut or repeated to that. None for as long as they are."""
    faults: tuple[Fault, ...] = ()
    """What goes wrong."""
    seed: int = 0
    """Of the clips that are drawn, and of the faults."""
    day: int = 0
    """Which of the days with this seed: other clips are damaged, but the same ones are drawn."""
    soft: bool = False
    """Whether to use nothing but the watchdog, even where the machine allows more."""
    require_hard: bool = False
    """Whether a limit that is not hard is an error."""
    rerun: bool = True
    """Whether this plays the hidden re-run rather than the run on commit."""
    overrides: Mapping[str, object] = field(default_factory=dict)
    """More for HOURGLASS_OVERRIDES: what it may hold beside limits and folders."""
    live: bool = True
    """Whether the kernel's output is shown while it runs."""
