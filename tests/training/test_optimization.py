import copy
import io
import math
import warnings

import pytest

torch = pytest.importorskip("torch")

from typing import get_args  # noqa: E402

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.config.sections import Training  # noqa: E402
from sezoo.models.torch.networks.stft_tcnn import StftTcnn  # noqa: E402
from sezoo.training.optimization import OPTIMIZERS, SCHEDULES, build_optimizer, build_schedule  # noqa: E402

UNFIT = {"LBFGS", "SparseAdam", "Muon"}


def network():
    torch.manual_seed(0)
    return StftTcnn(in_channels=5, tcn_latent_dim=3, n_blocks=1)


def message(name, arguments, parameters=None):
    with pytest.raises(UserError) as caught:
        build_optimizer(name, arguments, network().parameters() if parameters is None else parameters)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - UNFIT))
def test_every_optimizer_trains(name):
    trained = network()
    optimizer = build_optimizer(name, {"lr": 0.01}, trained.parameters())
    assert type(optimizer) is getattr(torch.optim, name)
    assert optimizer.param_groups[0]["lr"] == 0.01
    assert not optimizer.state or name == "Adagrad"  # the trial left nothing behind; Adagrad begins with sums
    magnitude, target = torch.rand(2, 5, 12), torch.rand(2, 5, 12)
    losses = []
    for _ in range(10):
        loss = torch.nn.functional.mse_loss(trained(magnitude), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_arguments_arrive_and_weights_stay():
    trained = network()
    before = copy.deepcopy(trained.state_dict())
    optimizer = build_optimizer("AdamW", {"lr": 1e-4, "betas": [0.8, 0.9]}, trained.parameters())
    assert tuple(optimizer.param_groups[0]["betas"]) == (0.8, 0.9)
    assert len(optimizer.param_groups[0]["params"]) == len(list(trained.parameters()))
    assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())
    assert all(p.grad is None for p in trained.parameters())
    assert build_optimizer("Adam", {}, trained.parameters()).param_groups[0]["lr"] == 1e-3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Adm", "training.optimizer: found 'Adm'; did you mean Adam?"),
        ("adam", "training.optimizer: found 'adam'; did you mean Adam?"),
        ("sgd", "training.optimizer: found 'sgd'; did you mean SGD?"),
        (
            "LBFGS",
            "training.optimizer: LBFGS computes the loss several times a step, which is not done here",
        ),
    ],
)
def test_optimizers_that_cannot_be_had(name, expected):
    assert message(name, {"lr": 0.1}) == expected


def test_all_are_listed_if_none_is_near():
    text = message("zzz", {})
    assert text.startswith("training.optimizer: found 'zzz'; allowed: ASGD, Adadelta, Adafactor, ")
    assert "Optimizer," not in text


def test_optimizers_that_cannot_train_this_network():
    text = message("SparseAdam", {"lr": 0.1})
    assert text.startswith("training.optimizer: SparseAdam cannot train this network: RuntimeError: ")
    assert "dense gradients" in text
    text = message("Adam", {}, [])
    assert text.startswith("training.optimizer: Adam cannot train this network: ")
    assert "empty parameter list" in text


@pytest.mark.skipif("Muon" not in OPTIMIZERS, reason="this torch has no Muon")
def test_muon_is_for_matrices():
    assert message("Muon", {}).startswith("training.optimizer: Muon cannot train this network: ValueError: ")
    build_optimizer("Muon", {"lr": 0.1}, torch.nn.Linear(2, 3, bias=False).parameters())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"lrr": 0.1}, "unexpected keyword argument 'lrr'"),
        ({"lr": -1}, "Invalid learning rate: -1"),
        ({"lr": "fast"}, "; lr is the text 'fast'; "),
        ({"lr": None}, "TypeError"),
        ({"lr": math.nan}, "Invalid learning rate"),
        ({"betas": [0.9]}, "IndexError"),
        ({"betas": [0.9, 0.99, 0.999]}, "too many values"),
        ({"params": []}, "multiple values"),
        ({"differentiable": True}, "RuntimeError"),
    ],
)
def test_wrong_arguments_are_named(arguments, reason):
    text = message("Adam", arguments)
    assert text.startswith("training.optimizer_arguments: ")
    assert reason in text
    assert "; Adam takes lr, betas, eps, weight_decay, amsgrad, " in text
    assert "params," not in text


def rates(name, total, lr=0.5, steps=None):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr)
    schedule = build_schedule(name, optimizer, total)
    seen = []
    for _ in range(steps or total):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return seen


def test_constant_needs_no_schedule():
    assert build_schedule("constant", torch.optim.SGD([torch.zeros(1)], 0.1), 10) is None


def test_every_schedule_of_the_configuration_is_there():
    names = set(get_args(Training.model_fields["lr_schedule"].annotation))
    assert names == {"constant", *SCHEDULES}


@pytest.mark.parametrize("total", [2, 3, 11, 101])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_end_at_a_hundredth(name, total):
    seen = rates(name, total)
    assert max(seen) == pytest.approx(0.5)
    assert min(seen) == pytest.approx(0.005)
    assert seen[-1] == pytest.approx(0.005)
    assert rates(name, total, steps=total + 5)[total:] == pytest.approx([0.005] * 5)
    top = seen.index(max(seen))
    assert top == (round(0.1 * (total - 1)) if name == "one_cycle" else 0)
    assert seen[: top + 1] == sorted(seen[: top + 1])
    assert seen[top:] == sorted(seen[top:], reverse=True)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_single_step_is_done_at_the_full_rate(name):
    assert rates(name, 1) == [0.5]


def test_points_of_the_schedules():
    one_cycle, cosine, exponential = (rates(name, 101, lr=1.0) for name in ("one_cycle", "cosine", "exponential"))
    assert one_cycle[0] == pytest.approx(0.01)
    assert one_cycle[5] == pytest.approx(0.505)
    assert one_cycle[55] == pytest.approx(0.505)
    assert cosine[50] == pytest.approx(0.505)
    assert cosine[25] == pytest.approx(0.01 + 0.99 * (1 + math.cos(math.pi / 4)) / 2)
    assert exponential[50] == pytest.approx(0.1)


@pytest.mark.parametrize("stop", [1, 4, 9, 19])
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("optimizer_name", ["SGD", "Adam"])
def test_a_resumed_training_has_the_rates_of_one_that_was_not_interrupted(name, stop, optimizer_name):
    def built():
        optimizer = build_optimizer(optimizer_name, {"lr": 0.5}, [torch.nn.Parameter(torch.ones(2))])
        return optimizer, build_schedule(name, optimizer, 20)

    def step(optimizer, schedule):
        rate = optimizer.param_groups[0]["lr"]
        optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
        optimizer.step()
        schedule.step()
        return rate

    whole, before, after = built(), built(), built()
    expected = [step(*whole) for _ in range(20)]
    seen = [step(*before) for _ in range(stop)]
    file = io.BytesIO()
    torch.save([part.state_dict() for part in before], file)
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for part, state in zip(after, torch.load(file, weights_only=True), strict=True):
            part.load_state_dict(state)
        seen += [step(*after) for _ in range(stop, 20)]
    assert seen == pytest.approx(expected, rel=1e-12)
