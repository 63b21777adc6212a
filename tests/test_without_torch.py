"""torch is an optional dependency: nothing but the torch models imports it, and they say how to get it."""

import subprocess
import sys


def test_what_the_torch_models_need_is_said():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from sezoo.base.errors import UserError\n"
        "try: import sezoo.models.torch.mask_model\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("a torch model needs PyTorch: pip install 'sezoo[train]' (")
    assert done.stdout.count("\n") == 1
