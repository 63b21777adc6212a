import copy

import pytest

torch = pytest.importorskip("torch")

from sezoo.training.weight_average import WeightAverage  # noqa: E402


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv1d(3, 4, 1), torch.nn.BatchNorm1d(4))


def after_a_step(made):
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter))
    made(torch.randn(5, 3, 7))  # moves the batch norm's statistics
    return made


def test_the_average_by_hand():
    made = network()
    average, expected = WeightAverage(made, 0.5), copy.deepcopy(made.state_dict())
    for step in range(12):
        after_a_step(made)
        average.update(made)
        decay = min(0.5, (1 + step) / (10 + step))
        for name, tensor in made.state_dict().items():
            if name.endswith("num_batches_tracked"):
                expected[name] = tensor.clone()
            else:
                expected[name] = decay * expected[name] + (1 - decay) * tensor
    for name, tensor in average.network.state_dict().items():
        torch.testing.assert_close(tensor, expected[name])


def test_weights_that_stay_are_their_average():
    made = after_a_step(network())
    average = WeightAverage(network(), 0.9)
    for _ in range(200):
        average.update(made)
    torch.testing.assert_close(average.network.state_dict(), made.state_dict())


def test_it_goes_on_from_its_state():
    made = network()
    whole, half = WeightAverage(made, 0.99), WeightAverage(made, 0.99)
    for step in range(6):
        after_a_step(made)
        for average in (whole, half):
            average.update(made)
        if step == 2:
            state = copy.deepcopy(half.state_dict())
            half = WeightAverage(network(), 0.99)
            half.load_state_dict(state)
    torch.testing.assert_close(whole.network.state_dict(), half.network.state_dict(), rtol=0, atol=0)


def test_the_network_is_left_alone():
    made = after_a_step(network())
    before = copy.deepcopy(made.state_dict())
    WeightAverage(made, 0.9).update(made)
    torch.testing.assert_close(made.state_dict(), before, rtol=0, atol=0)
