import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.training.snapshot import (  # noqa: E402
    Snapshot,
    load_snapshot,
    random_states,
    save_snapshot,
    set_random_states,
)

SETTINGS = {"training.optimizer": "Adam", "model_specific.n_blocks": 2}


@pytest.fixture
def snapshot():
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.rand(5, 3)).sum().backward()
    optimizer.step()
    best = {"epoch": 1, "value": 2.5, "network": network.state_dict()}
    rows = [{"epoch": 1, "pesq": None, "train_loss": 0.25}]
    return Snapshot(SETTINGS, 1, network.state_dict(), optimizer.state_dict(), None, best, rows, random_states())


def test_what_is_saved_comes_back(snapshot, tmp_path):
    save_snapshot(snapshot, tmp_path / "s.pth")
    back = load_snapshot(tmp_path / "s.pth", SETTINGS)
    for field in dataclasses.fields(Snapshot):
        one, other = getattr(snapshot, field.name), getattr(back, field.name)
        assert str(one) == str(other)


def test_random_numbers_go_on():
    states = random_states()
    expected = torch.rand(3)
    torch.rand(10)
    set_random_states(states)
    assert torch.equal(torch.rand(3), expected)


def test_a_torn_snapshot_is_one_clear_error(snapshot, tmp_path):
    path = tmp_path / "s.pth"
    save_snapshot(snapshot, path)
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 100):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"training\.snapshot_path: .*s\.pth is not a file of torch\.save "):
            load_snapshot(path, SETTINGS)


@pytest.mark.parametrize("content", [{"a": torch.zeros(2)}, [1, 2], {"format": 1, "epoch": 3}])
def test_other_files_are_no_snapshots(content, tmp_path):
    torch.save(content, tmp_path / "s.pth")
    with pytest.raises(UserError, match="no snapshot of sezoo's training"):
        load_snapshot(tmp_path / "s.pth", SETTINGS)


def test_nothing_is_unpickled(tmp_path):
    torch.save({"format": 1, "object": np.random.default_rng(0)}, tmp_path / "s.pth")
    with pytest.raises(UserError, match="holds more than tensors"):
        load_snapshot(tmp_path / "s.pth", SETTINGS)


def test_another_training_is_told_by_its_settings(snapshot, tmp_path):
    save_snapshot(snapshot, tmp_path / "s.pth")
    with pytest.raises(UserError, match=r"of a training with model_specific\.n_blocks: 2, the configuration has 3"):
        load_snapshot(tmp_path / "s.pth", {**SETTINGS, "model_specific.n_blocks": 3})
    with pytest.raises(UserError, match=r"and 1 more differ: model_specific\.n_blocks"):
        load_snapshot(tmp_path / "s.pth", {"training.optimizer": "SGD", "model_specific.n_blocks": 3})


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"training\.snapshot_path: there is no file"):
        load_snapshot(tmp_path / "s.pth", SETTINGS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": 3}, "'network' is int, not a mapping"),
        ({"settings": None}, "'settings' is NoneType, not a mapping"),
        ({"schedule": "cosine"}, "'schedule' is str, not a mapping"),
        ({"epoch": "7"}, "'epoch' is '7', not a number of epochs"),
        ({"epoch": -1}, "'epoch' is -1, not a number of epochs"),
        ({"history": {"epoch": 1}}, "'history' is not a list of rows"),
        ({"history": [{"pesq": 1.0}]}, "'history' is not a list of rows"),
        ({"best": {"epoch": 1}}, "'best' lacks the epoch, the value or the network"),
        ({"random_states": {"cpu": 1, "cuda": []}}, "'random_states' lacks those of torch's generators"),
    ],
)
def test_entries_of_wrong_types(snapshot, tmp_path, changes, words):
    save_snapshot(dataclasses.replace(snapshot, **changes), tmp_path / "s.pth")
    with pytest.raises(UserError) as caught:
        load_snapshot(tmp_path / "s.pth", SETTINGS)
    assert str(caught.value).endswith(f"is no snapshot of sezoo's training, or a damaged one: {words}")
