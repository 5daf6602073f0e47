"""The kernel as a notebook."""

import json
import subprocess
import sys

import pytest

from bundler.build import build
from bundler.project import read_project

FILES = {
    "main.py": """
        import inspect, threading
        from app.work import boom

        def main():
            print(inspect.getsource(boom), end="")
            thread = threading.Thread(target=boom)
            thread.start()
            thread.join()
            return CODE
    """,
    "work.py": "def boom():\n    raise ValueError('boom')  # here\n",
}
PLAYER = """
import json, sys
cells = json.load(open(sys.argv[1]))["cells"]
namespace = {"__name__": "__main__"}
for cell in cells:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), "<cell>", "exec"), namespace)
print("the end")
"""


@pytest.fixture
def play(project, tmp_path):
    """Bundles a project as a notebook and runs its cells in one namespace, as Jupyter does."""

    def run(files) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "kernel.ipynb"
        path.write_bytes(build(read_project(project(files)), notebook=True).outputs["kernel.ipynb"])
        command = [sys.executable, "-I", "-c", PLAYER, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_its_cells_do_what_the_script_does_and_end_well(play):
    done = play(FILES | {"main.py": FILES["main.py"].replace("CODE", "0")})
    assert done.stdout == f"{FILES['work.py']}the end\n"
    assert "raise ValueError('boom')  # here" in done.stderr
    assert done.returncode == 0


def test_an_exit_code_fails_the_notebook(play):
    assert play(FILES | {"main.py": FILES["main.py"].replace("CODE", "3")}).returncode == 3


def test_it_is_a_valid_notebook_of_a_few_cells(project):
    nbformat = pytest.importorskip("nbformat")
    text = build(read_project(project({"main.py": "def main(): ..."})), notebook=True).outputs["kernel.ipynb"].decode()
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert [cell.id for cell in notebook.cells] == ["about", "loader", "files", "start"]


def test_the_metadata_names_it_and_the_script_is_made_all_the_same(project):
    outputs = build(read_project(project({"main.py": "def main(): ..."})), notebook=True).outputs
    metadata = json.loads(outputs["kernel-metadata.json"])
    assert (metadata["code_file"], metadata["kernel_type"]) == ("kernel.ipynb", "notebook")
    assert "kernel.py" in outputs
