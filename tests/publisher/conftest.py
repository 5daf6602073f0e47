"""A Kaggle of our own for every test, an account on it, and a clock that need not be waited for."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kaggle_server import KaggleServer
from kaggle_state import SIGNATURE, Competition
from published import COMPETITION, KERNEL_TOML, LOG, SAMPLE, SUBMISSION, FakeClock, Publish, Run, bundle

from sample_data import make_weights


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleServer]:
    """The server, with an environment in which the client finds nothing else."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith("KAGGLE_") or name.lower() == "all_proxy"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(home))
    monkeypatch.setattr("tempfile.tempdir", str(home))
    with KaggleServer() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        from kaggle.api.kaggle_api_extended import KaggleApi

        assert KaggleApi.args == ["--local"], "the client was imported before these tests, and heads for the real site"
        monkeypatch.setattr(KaggleApi, "config", str(home / "kaggle.json"))
        yield server
        assert server.problems == []
        assert server.hosts <= {"localhost"}


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a tiny kernel, its fresh bundle, and real weights; to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "app").mkdir()
    (folder / "kernel.toml").write_text(KERNEL_TOML)
    (folder / "app" / "__init__.py").write_text("")
    (folder / "app" / "main.py").write_text('def main() -> int:\n    print("hello")\n    return 0\n')
    make_weights(folder / "weights")
    bundle(folder)
    return folder


@pytest.fixture
def project(finished_project: Path, tmp_path: Path) -> Path:
    """A project of one's own."""
    return Path(shutil.copytree(finished_project, tmp_path / "project"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def publish(
    kaggle: KaggleServer, project: Path, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> Iterator[Publish]:
    """Runs a step of publish.py on the project; whatever happens, no secret may be in what it says."""
    from publisher.command import main
    from publisher.patience import Patience

    def run(step: str, *options: object, **patient: float) -> Run:
        capsys.readouterr()
        patience = replace(Patience(timeout_s=5.0, tries=4), **patient)
        code = main([step, "--project", str(project), *map(str, options)], patience=patience, clock=clock)
        said = capsys.readouterr()
        for secret in (kaggle.state.key, SIGNATURE, *kaggle.state.tokens):
            assert secret not in said.out + said.err
        assert "Traceback" not in said.err
        return Run(code, said.out, said.err)

    return run


@pytest.fixture
def uploaded(publish: Publish, kaggle: KaggleServer) -> KaggleServer:
    """A Kaggle that has the competition and the project's weights."""
    kaggle.state.competitions[COMPETITION] = Competition({"sample_submission.csv": SAMPLE})
    assert publish("weights").exit_code == 0
    kaggle.seen.clear()
    return kaggle


@pytest.fixture
def pushed(uploaded: KaggleServer, publish: Publish) -> KaggleServer:
    """The same with a kernel whose run left a good submission."""
    assert publish("kernel", "--no-wait").exit_code == 0
    kernel = uploaded.state.kernels["tester/tiny-kernel"]
    kernel.output = {"submission.csv": SUBMISSION, "run.jsonl": b"{}\n", "plots/one.svg": b"<svg/>", "notes.txt": b""}
    kernel.log = LOG
    uploaded.seen.clear()
    return uploaded
