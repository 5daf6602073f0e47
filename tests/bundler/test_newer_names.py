"""What the image's torch and numpy do not have yet is found before Kaggle finds it."""

import pytest

from bundler.build import build
from bundler.errors import BundleError
from bundler.project import read_project


def problems_of(project, text) -> list[str]:
    try:
        build(read_project(project({"main.py": f"{text}\ndef main(): ..."})))
    except BundleError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import numpy as np\nx = np.unstack([1])", "numpy.unstack"),  # since numpy 2.1
        ("import numpy\nx = numpy.matvec", "numpy.matvec"),  # since numpy 2.2
        ("from numpy import vecmat", "numpy.vecmat"),
        ("import torch\nx = torch.nn.functional.nothing_such", "torch.nn.functional.nothing_such"),
        ("import torch.nn.functional as F\nx = F.nothing_such", "torch.nn.functional.nothing_such"),
        ("from torch.nn import functional as F\nx = F.nothing_such", "torch.nn.functional.nothing_such"),
        ("from torch import nn\nclass N(nn.NothingSuch): ...", "torch.nn.NothingSuch"),
        ("from torch.optim import NothingSuch", "torch.optim.NothingSuch"),
        ("import torch\nx = torch.optim.NothingSuch", "torch.optim.NothingSuch"),
        ("import torch.utils.debug_log", "torch.utils.debug_log"),  # torch 2.10 has none
        ("from torch.nothing_such import something", "torch.nothing_such"),
        ("import torch.nothing_such.deeper as x", "torch.nothing_such"),
    ],
)
def test_a_name_that_the_image_lacks_is_an_error(project, text, name):
    [problem] = problems_of(project, text)
    assert f": {name} is not in the image (numpy 2.0.2, torch 2.10.0)" in problem
    assert problem.startswith(f"app/main.py:{text.count(chr(10)) + 1}:")


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\nx = np.float32(1).nothing_such, np.linalg.norm, np.random.default_rng().integers",
        "import torch\nfrom torch import nn\nx = torch.Tensor.nothing_such, nn.Linear, torch.utils.data.DataLoader",
        "import torch\ntorch.backends.cudnn.benchmark = torch.backends.cuda.matmul.allow_tf32 = True",
        "import torch\nx = torch._C, torch.__version__, torch.unlisted_module",
        "import numpy as np\nif hasattr(np, 'unstack'):\n  x = np.unstack",
        "def f(np): return np.unstack",
        "import torch.nn.functional, torch._dynamo.nothing_such, torch.nn.utils.rnn",
        "from torch.utils.data.sampler import Nothing",
        "import numpy as np\nnp = object()\nx = np.unstack",
        "try:\n  from numpy import unstack\nexcept ImportError: ...",
    ],
)
def test_what_cannot_be_told_or_is_taken_care_of_passes(project, text):
    assert not [problem for problem in problems_of(project, text) if "unlisted" not in problem]


def test_this_says_what_the_installed_packages_have(project):
    """The list is the image's: names of the installed, newer numpy do not count."""
    numpy = pytest.importorskip("numpy")
    if not hasattr(numpy, "unstack"):
        pytest.skip("the numpy that is installed is no newer than the image's")
    assert problems_of(project, "from numpy import unstack")
