"""The script behaves like the package where torch looks at it. A row of the table in docs/bundling.md."""

import pytest

pytest.importorskip("torch")


def test_data_loader_workers_and_torch_save_find_its_classes(bundled):
    script = bundled(
        {
            "data.py": """
        import torch

        class Squares(torch.utils.data.Dataset):
            def __len__(self):
                return 4

            def __getitem__(self, i):
                from app.late import square
                return torch.tensor(square(i))

        class Net(torch.nn.Module):
            def forward(self, x):
                return x + 1
    """,
            "late.py": "def square(x):\n    return x * x\n",
            "main.py": """
        import io, torch
        from app.data import Net, Squares

        def main():
            for method in ("fork", "spawn"):
                loader = torch.utils.data.DataLoader(Squares(), 2, num_workers=1, multiprocessing_context=method)
                print([batch.tolist() for batch in loader])
            file = io.BytesIO()
            torch.save(Net(), file)
            file.seek(0)
            print(torch.load(file, weights_only=False)(torch.tensor(1)).item())
            print(torch.jit.script(Net())(torch.tensor(2)).item())
    """,
        }
    )
    assert script.run(python_flags=["-I", "-W", "ignore"]).out == "[[0, 1], [4, 9]]\n[[0, 1], [4, 9]]\n2\n3\n"
