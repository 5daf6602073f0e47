"""The bundler beside other ways to make one file out of a package: a table of what works with each.

`python -m benchmarks.bundlers` runs the tests of the behaviours once with each way, on every Python that is here;
`--write` puts the table into docs/bundling.md.
"""

import argparse
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
DOCUMENT = CHECKOUT / "docs" / "bundling.md"
TESTS = {
    "Making it": ("test_bundling_behaviours.py",),
    "Running it": ("test_behaviours.py", "test_behaviours_with_torch.py"),
}
BUNDLERS = {"ours": "this bundler", "stickytape": "stickytape alone", "base64": "base64 template", "zipapp": "zipapp"}
BEGIN, END = "<!-- the table begins -->\n", "<!-- the table ends -->\n"

Verdicts = Mapping[str, list[bool]]
"""By behaviour: whether each of its runs (each Python, each parameter) passed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs all of it and prints the table; 1 where ours fails a row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bundlers", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into docs/bundling.md")
    options = parser.parse_args(arguments)
    verdicts = {name: run_tests(name) for name in BUNDLERS}
    lines = [
        f"| | {' | '.join(BUNDLERS.values())} |",
        f"| --- |{' --- |' * len(BUNDLERS)}",
        *(line for title, files in TESTS.items() for line in section(title, files, verdicts)),
    ]
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if options.write:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        DOCUMENT.write_text(before + BEGIN + table + END + rest.partition(END)[2], encoding="utf-8")
    return 0 if all(all(runs) for runs in verdicts["ours"].values()) else 1


def run_tests(bundler: str) -> Verdicts:
    """Runs the tests of all behaviours with one bundler."""
    files = [f"tests/bundler/{name}" for names in TESTS.values() for name in names]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", *files, "-q", "--bundler", bundler, f"--junitxml={report}"]
        subprocess.run(command, cwd=CHECKOUT, check=False, stdout=subprocess.DEVNULL)
        return read_verdicts(ET.parse(report).iter("testcase"))  # noqa: S314  # pytest wrote it just now


def read_verdicts(cases: Iterable[ET.Element]) -> Verdicts:
    """The outcome of each test function, over all its parameters; skipped ones say nothing."""
    verdicts: dict[str, list[bool]] = {}
    for case in cases:
        if case.find("skipped") is None:
            name = case.attrib["name"].partition("[")[0]
            failed = case.find("failure") is not None or case.find("error") is not None
            verdicts.setdefault(name, []).append(not failed)
    return verdicts


def section(title: str, files: Iterable[str], verdicts: Mapping[str, Verdicts]) -> list[str]:
    """The rows of the behaviours that stand in some test files, in their order."""
    rows = [f"| **{title}** |{' |' * len(BUNDLERS)}"]
    for name in (name for file in files for name in behaviours_in(CHECKOUT / "tests" / "bundler" / file)):
        cells = [word(verdicts[bundler].get(name, [])) for bundler in BUNDLERS]
        rows.append(f"| {sentence(name)} | {' | '.join(cells)} |")
    return rows


def behaviours_in(file: Path) -> list[str]:
    """The names of the tests in a file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("def ").partition("(")[0] for line in lines if line.startswith("def test_")]


def sentence(test_name: str) -> str:
    """A test's name as it is read."""
    return test_name.removeprefix("test_").replace("_", " ")


def word(runs: list[bool]) -> str:
    """What stands in the table for a bundler's runs of one behaviour."""
    if not runs:
        return "not run"
    if all(runs):
        return "yes"
    return f"{sum(runs)} of {len(runs)}" if any(runs) else "no"


if __name__ == "__main__":
    sys.exit(main())
