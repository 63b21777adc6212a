import copy

import pytest

torch = pytest.importorskip("torch")

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.config.sections import Scheduler  # noqa: E402
from sezoo.training.scheduler import SCHEDULERS, build_scheduler, step_interval  # noqa: E402

ARGUMENTS = {
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "MultiStepLR": {"milestones": [1, 3]},
    "ExponentialLR": {"gamma": 0.9},
    "CosineAnnealingLR": {"T_max": 5},
    "CosineAnnealingWarmRestarts": {"T_0": 2},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.2, "cycle_momentum": False},
    "OneCycleLR": {"max_lr": 0.5},
}


def optimizer_of(lr=0.5):
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr, momentum=0.9)


def scheduler_of(name, arguments=None, metric="pesq", optimizer=None):
    settings = Scheduler(scheduler=name, scheduler_arguments=arguments or ARGUMENTS.get(name, {}))
    return build_scheduler(settings, optimizer or optimizer_of(), total_steps=20, metric=metric)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_is_torchs_and_goes_on_from_its_state(name):
    optimizer = optimizer_of()
    scheduler = scheduler_of(name, optimizer=optimizer)
    direct = getattr(torch.optim.lr_scheduler, name)
    own = {"OneCycleLR": {"total_steps": 20}, "ReduceLROnPlateau": {"mode": "max"}}
    expected_optimizer = optimizer_of()
    expected = direct(expected_optimizer, **(own.get(name, {}) | ARGUMENTS.get(name, {})))
    resumed_optimizer = optimizer_of()
    resumed = scheduler_of(name, optimizer=resumed_optimizer)
    for step in range(12):
        if step == 5:
            resumed_optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            resumed.load_state_dict(copy.deepcopy(scheduler.state_dict()))
        for each, its in ((scheduler, optimizer), (expected, expected_optimizer), (resumed, resumed_optimizer)):
            its.step()
            each.step(1.0) if step_interval(each) == "metric" else each.step()
        assert optimizer.param_groups[0]["lr"] == expected_optimizer.param_groups[0]["lr"]
    assert optimizer.param_groups[0]["lr"] == resumed_optimizer.param_groups[0]["lr"]


def test_none_is_none():
    assert scheduler_of(None) is None


@pytest.mark.parametrize(("name", "each"), [("StepLR", "epoch"), ("OneCycleLR", "step"), ("CyclicLR", "step")])
def test_how_often_it_is_stepped(name, each):
    assert step_interval(scheduler_of(name)) == each


@pytest.mark.parametrize(("metric", "mode"), [("pesq", "max"), ("train_loss", "min"), ("wave_mse", "min")])
def test_a_plateau_is_that_of_the_reference_metric(metric, mode):
    scheduler = scheduler_of("ReduceLROnPlateau", {"patience": 1}, metric)
    assert (scheduler.mode, step_interval(scheduler)) == (mode, "metric")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("StepRL", {}, "training.lr_scheduler.scheduler: found 'StepRL'; did you mean StepLR?"),
        ("LambdaLR", {}, "training.lr_scheduler.scheduler: found 'LambdaLR'; allowed: "),
        ("StepLR", {}, "training.lr_scheduler.scheduler_arguments: TypeError: "),
        ("StepLR", {"step": 3}, "; StepLR takes step_size, gamma, "),
        ("ExponentialLR", {"gamma": "fast"}, "training.lr_scheduler.scheduler_arguments: "),
        ("StepLR", {"step_size": 1, "gamma": -1}, "the learning rate becomes -0.5"),
        (None, {"gamma": 1}, "training.lr_scheduler.scheduler: not set, but "),
    ],
)
def test_bad_schedulers(name, arguments, message):
    with pytest.raises(UserError) as raised:
        build_scheduler(
            Scheduler(scheduler=name, scheduler_arguments=arguments), optimizer_of(), total_steps=5, metric="pesq"
        )
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
