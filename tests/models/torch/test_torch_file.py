"""Files of torch.save that hold something else than tensors of a sane size."""

import io
import zipfile

import pytest

torch = pytest.importorskip("torch")

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.models.torch import file as torch_file  # noqa: E402
from sezoo.models.torch.mask_model import load_weights  # noqa: E402


@pytest.fixture
def refusal(tmp_path):
    """Save something, and load it as the weights of a small layer: the message."""

    def load(content):
        path = tmp_path / "weights.pt"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        with pytest.raises(UserError) as caught:
            load_weights(torch.nn.Linear(3, 2), path)
        message = str(caught.value)
        assert message.startswith(str(path))
        assert "\n" not in message
        return message.removeprefix(str(path)).removeprefix(": ")

    return load


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: torch.eye(3)[:2].to_sparse(), "sparse (sparse_coo)"),
        (lambda: torch.eye(3)[:2].to_sparse_csr(), "sparse (sparse_csr)"),
        (lambda: torch.empty(2, 3, device="meta"), "without data (on the device meta)"),
        (lambda: torch.quantize_per_tensor(torch.ones(2, 3), 0.1, 0, torch.qint8), "quantized (qint8)"),
        (lambda: torch.ones(2, 3, dtype=torch.complex64), "complex"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tensors_that_are_no_arrays_of_numbers(refusal, make, kind):
    for content in ({"weight": make(), "bias": torch.ones(2)}, {"state_dict": {"weight": make()}}):
        name = "weight" if "weight" in content else "state_dict.weight"
        assert refusal(content) == f"the tensor {name} is {kind}; dense tensors of numbers are needed"


def test_names_with_a_newline(refusal):
    content = {"weight\nsecond line": torch.ones(2, 3), "bias": torch.ones(2)}
    message = refusal(content)
    assert r"1 unexpected (weight\nsecond line)" in message


def test_very_many_names(refusal, monkeypatch):
    monkeypatch.setattr(torch_file, "MAX_NAMES", 100)
    tensor = torch.ones(2)
    assert refusal(dict.fromkeys(map(str, range(101)), tensor)) == " holds 101 entries; at most 100 are taken"


def test_a_list_of_contents_that_takes_a_minute(refusal, monkeypatch):
    monkeypatch.setattr(torch_file, "MAX_CONTENTS", 1000)
    message = refusal(dict.fromkeys(map(str, range(1000)), torch.ones(2)))
    assert message.startswith("its list of contents has 0.0 MiB, at most ")


def zip_bomb():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("archive/data/0", bytes(2**25))
        archive.writestr("archive/version", b"3\n")
    return file.getvalue()


def test_a_zip_bomb(refusal):
    assert refusal(zip_bomb()) == " has 0.0 MiB, and declares to hold 32 MiB: it is not unpacked"


def test_a_pointer_of_git_lfs(refusal):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n"
    assert refusal(pointer).startswith("it is a Git LFS pointer")


def test_a_tensor_that_declares_more_than_it_holds(refusal):
    """Strides of 0: a million times a million numbers that are one."""
    huge = torch.ones(1).expand(10**6, 10**6)
    message = refusal({"weight": huge, "bias": torch.ones(2)})
    assert message == " does not fit the network: weight is (1000000, 1000000) in the file, but (2, 3) in the network"
