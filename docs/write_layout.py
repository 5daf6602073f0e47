"""Writes the layout in README.md, one line a file, from the first lines of the modules' docstrings.

python docs/write_layout.py [--check]
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PACKAGES = ("kernel_src", "train_offline", "bundler", "simulator", "publisher", "benchmarks")
BEGIN, END = "<!-- layout: make layout -->\n", "<!-- end of layout -->\n"


def main() -> int:
    """Rewrites the layout; with --check only says whether it is up to date."""
    old = README.read_text(encoding="utf-8")
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    new = f"{before}{BEGIN}{layout()}{END}{after}"
    if "--check" in sys.argv[1:]:
        if new != old:
            print("README.md: the layout is not that of the packages; run make layout", file=sys.stderr)
        return int(new != old)
    README.write_text(new, encoding="utf-8")
    return 0


def layout() -> str:
    """The layout of all packages that are there."""
    return "".join(_package(ROOT / name) for name in PACKAGES if (ROOT / name / "__init__.py").exists())


def _package(folder: Path) -> str:
    modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    rows = "".join(f"| `{path.name}` | {_first_line(path)} |\n" for path in modules)
    title = f"<b><code>{folder.name}/</code></b> {_first_line(folder / '__init__.py')}"
    return f"\n<details><summary>{title}</summary>\n\n| file | what it does |\n| --- | --- |\n{rows}\n</details>\n"


def _first_line(path: Path) -> str:
    """The first line of a module's docstring, fit for a cell of a table."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    line = docstring.partition("\n\n")[0].replace("\n", " ")
    return re.sub(r"\|", r"\\|", line)


if __name__ == "__main__":
    sys.exit(main())
