"""The trial run before a bundle leaves."""

import pytest

from bundler.cli import main

PREPARE = """
    import sys
    from pathlib import Path

    folder = Path(sys.argv[1]) / "some-competition"
    folder.mkdir()
    (folder / "sample_submission.csv").write_text("id,a,b\\none,0,0\\ntwo,0,0\\n")
    (folder / "weights").write_text((Path(sys.argv[2]) / "w").read_text())
"""
TOML = """
[smoke]
prepare = ["python", "prepare.py", "$INPUT", "$WEIGHTS"]
environment = { PLACES = "$INPUT:$WORKING" }
time_s = 20
"""
MAIN = """
    import os
    from pathlib import Path

    def main():
        data, working = map(Path, os.environ["PLACES"].split(":"))
        assert Path.cwd() == working and not list(working.iterdir())
        weight = (data / "some-competition" / "weights").read_text()
        Path("submission.csv").write_text(f"id,a,b\\ntwo,1,{weight}\\none,0,0.5\\n")
"""


@pytest.fixture
def smoke(project, capsys):
    """Bundles a project with --smoke: the exit code and what was said."""

    def run(main_text=MAIN, toml=TOML, prepare=PREPARE, weight="0.25"):
        folder = project({"main.py": main_text}, toml=toml, **{"prepare.py": prepare, "weights/w": weight})
        code = main(["--project", str(folder), "--smoke"])
        said = capsys.readouterr()
        assert (folder / "build" / "kernel.py").exists() == (code == 0)
        return code, said.out + said.err

    return run


def test_a_script_that_makes_a_submission_like_the_sample_passes(smoke):
    code, said = smoke()
    assert code == 0
    assert "left a submission.csv with 2 rows like the sample's" in said


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (('Path("submission.csv")', 'Path("other.csv")'), "left no submission.csv"),
        (("id,a,b\\\\n", "id,a,c\\\\n"), "has other columns than sample_submission.csv"),
        (("\\\\none,", "\\\\nthree,"), "has other rows than sample_submission.csv"),
        (("one,0,0.5", "one,0,nan"), "line 3: b is 'nan'"),
        (("one,0,0.5", "one,0,"), "line 3: b is ''"),
        (('0.5\\\\n"', "\\\\udce4\", 'utf-8', 'surrogateescape'"), "cannot be read: 'utf-8' codec can't decode"),
        (("weight = ", "1 / 0; weight = "), "ended with exit code 1: ZeroDivisionError: division by zero"),
    ],
)
def test_a_script_that_does_not_is_told_and_not_written(smoke, change, fault):
    before, after = (text.replace("\\\\", "\\") for text in change)
    assert before in MAIN
    code, said = smoke(MAIN.replace(before, after))
    assert code == 2
    assert fault in said
    assert "Traceback" not in said


def test_a_script_that_does_not_end_is_stopped(smoke):
    code, said = smoke("import time\ndef main(): time.sleep(60)", toml=TOML.replace("20", "0.5"))
    assert code == 2
    assert "took more than 0.5 s" in said


def test_an_input_that_cannot_be_made_is_told(smoke):
    code, said = smoke(prepare="import sys\nsys.exit('no sounds here')")
    assert code == 2
    assert "cannot be made" in said
    assert "no sounds here" in said


def test_what_an_input_maker_says_in_another_encoding_is_told(smoke):
    code, said = smoke(prepare="import sys\nsys.stderr.buffer.write(b'no \\xe4')\nsys.exit(3)")
    assert code == 2
    assert "ended with exit code 3: no \ufffd" in said


def test_an_empty_sample_is_told(smoke):
    code, said = smoke(
        "def main(): open('submission.csv', 'w')",
        prepare="import sys\nopen(sys.argv[1] + '/sample_submission.csv', 'w')",
    )
    assert code == 2
    assert "sample_submission.csv is empty; expected a header at least" in said


def test_a_sample_that_is_missing_is_told(smoke):
    code, said = smoke("def main(): open('submission.csv', 'w')", prepare="")
    assert code == 2
    assert "has no sample_submission.csv in its input" in said


def test_a_project_without_a_table_for_it_only_has_to_run(smoke):
    code, said = smoke("def main(): ...", toml="")
    assert code == 0
    assert "ran in an empty folder and ended with exit code 0" in said
