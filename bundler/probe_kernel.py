"""Writes down what this Python environment has, for the list that bundles are checked against.

Made to run as a kernel of its own: it leaves `image.json` in its working folder and prints a few lines.
`python -m bundler.image image.json` puts that list into use.
"""

import importlib
import importlib.metadata
import json
import pkgutil
import platform
import sys
from pathlib import Path
from types import ModuleType

MODULES_TO_NAME = """
numpy numpy.fft numpy.lib numpy.lib.format numpy.lib.stride_tricks numpy.linalg numpy.ma numpy.polynomial numpy.random
numpy.strings numpy.testing numpy.typing
torch torch.amp torch.autograd torch.backends torch.backends.cpu torch.backends.cuda torch.backends.cudnn
torch.backends.mkldnn torch.compiler torch.cpu torch.cuda torch.cuda.amp torch.distributions torch.export torch.fft
torch.func torch.hub torch.jit torch.linalg torch.multiprocessing torch.nested torch.nn torch.nn.attention
torch.nn.functional torch.nn.init torch.nn.parallel torch.nn.parameter torch.nn.utils torch.nn.utils.parametrizations
torch.nn.utils.rnn torch.optim torch.optim.lr_scheduler torch.optim.swa_utils torch.profiler torch.serialization
torch.signal.windows torch.sparse torch.special torch.testing torch.utils torch.utils.benchmark torch.utils.checkpoint
torch.utils.data torch.utils.dlpack
"""
BUILD_FILES = (Path("/etc/build_date"), Path("/etc/git_commit"))


def packages() -> dict[str, dict[str, str]]:
    """By the name that is imported: the distribution that it comes from, and its version."""
    found = {}
    for name, distributions in importlib.metadata.packages_distributions().items():
        if name.isidentifier() and not name.startswith("_"):
            distribution = min(distributions)
            found[name] = {"distribution": distribution, "version": importlib.metadata.version(distribution)}
    return dict(sorted(found.items()))


def public_names(module_name: str) -> list[str] | None:
    """The public names of a module, those of its submodules among them; None where there is no such module."""
    try:
        module = importlib.import_module(module_name)
    except ImportError:
        return None
    wrapped = getattr(module, "m", None)  # torch.backends.* are objects that stand in front of their modules
    found = {*dir(module), *dir(type(module)), *(dir(wrapped) if isinstance(wrapped, ModuleType) else ())}
    found |= {submodule.name for submodule in pkgutil.iter_modules(getattr(module, "__path__", ()))}
    return sorted(name for name in found if not name.startswith("_"))


def describe_environment() -> dict[str, object]:
    """All that is written to image.json."""
    build = [path.read_text(encoding="utf-8").strip() for path in BUILD_FILES if path.exists()]
    names = {module: public_names(module) for module in MODULES_TO_NAME.split()}
    return {
        "source": " ".join(["a probe kernel, image", *(build or ["of unknown date"])]),
        "complete": True,
        "python": platform.python_version(),
        "standard_library": sorted(sys.stdlib_module_names),
        "packages": packages(),
        "names": {module: " ".join(found) for module, found in names.items() if found is not None},
    }


def main() -> None:
    """Writes image.json and says what is in it."""
    description = describe_environment()
    Path("image.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    print("Python", description["python"])
    for name, package in packages().items():
        print(name, package["distribution"], package["version"])


if __name__ == "__main__":
    main()
