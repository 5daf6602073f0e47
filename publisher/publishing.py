"""What the steps of publishing share: the project, the account, the options."""

import argparse
from pathlib import Path

from bundler.project import KERNEL_TOML, read_project
from kernel_src.errors import KernelError
from kernel_src.limits import KernelLimits, limits_from_table
from publisher.client import Client
from publisher.dataset_folder import DatasetFolder, weights_dataset, write_dataset_folder
from publisher.patience import Clock, Patience
from publisher.remote_kernel import RemoteKernel

DATASET_FOLDER = "dataset"
LICENCE = "CC-BY-4.0"
PLACEHOLDER = "your-name"


class Publishing:
    """One call of publish.py.

    Args:
        options: of the command line.
        patience: how long to wait.
        clock: by which is waited.
    """

    def __init__(self, options: argparse.Namespace, patience: Patience, clock: Clock) -> None:
        self.options = options
        self.project = read_project(options.project)
        self.kernel_toml = self.project.kernel
        self._patience = patience
        self._clock = clock

    def sign_in(self) -> Client:
        """The client; before this nothing is asked of Kaggle."""
        return Client(self._patience, self._clock)

    @property
    def build(self) -> Path:
        """The bundle's folder."""
        return self.options.build or self.project.folder / "build"

    @property
    def dataset_path(self) -> Path:
        """Where the data set of weights is laid out."""
        return self.build / DATASET_FOLDER

    @property
    def weights(self) -> Path:
        """The folder of weights."""
        return self.options.weights or self.project.folder / "weights"

    @property
    def competition(self) -> str:
        """The competition; a KernelError where kernel.toml names none."""
        if not self.kernel_toml.competition:
            raise KernelError(f"{KERNEL_TOML} [kernel]: competition is empty; name it to do this")
        return self.kernel_toml.competition

    @property
    def limit_s(self) -> float:
        """How long the run on commit may take."""
        return self._limits().time_s

    def _limits(self) -> KernelLimits:
        """Those of the run on commit; a KernelError where kernel.toml does not tell."""
        table = self.project.tables.get("limits", {})
        if not isinstance(table, dict):
            raise KernelError(
                f'{KERNEL_TOML}: limits = {table!r}; expected a table [limits] with time = "1h" and others'
            )
        return limits_from_table(table, commit_run=True)

    def kernel(self, client: Client) -> RemoteKernel:
        """The kernel; a KernelError where it is not this account's, or its limits cannot be read."""
        self._limits()  # before anything is pushed: an hour later is too late
        owner = self.kernel_toml.id.partition("/")[0]
        if owner.lower() != client.user.lower():
            raise KernelError(
                f'{KERNEL_TOML} [kernel]: id = "{self.kernel_toml.id}" belongs to {owner}, but your account is'
                f' {client.user}; write "{client.user}/..."'
            )
        return RemoteKernel(client, self.kernel_toml.id)

    def dataset_folder(self, client: Client) -> DatasetFolder:
        """The weights, checked and laid out; a KernelError where kernel.toml does not say whose they are."""
        if weights_dataset(self.project).startswith(f"{PLACEHOLDER}/"):
            raise KernelError(f'{KERNEL_TOML} [kernel]: datasets still says "{PLACEHOLDER}"; write "{client.user}/..."')
        return write_dataset_folder(self.project, self.weights, self.dataset_path, self.licence, client.secrets)

    @property
    def licence(self) -> str:
        """The licence of the weights; a KernelError where kernel.toml says it in a way that would pass unnoticed."""
        table = self.project.tables.get("weights", {})
        if not isinstance(table, dict) or set(table) - {"licence"} or not isinstance(table.get("licence", ""), str):
            raise KernelError(
                f'{KERNEL_TOML} [weights]: {table!r}; expected nothing but a licence, such as licence = "{LICENCE}"'
            )
        licence: str = self.options.licence or table.get("licence", LICENCE)
        return licence
