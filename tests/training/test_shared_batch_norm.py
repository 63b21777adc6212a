"""Two processes: batch norms that see the clips of both, and recordings that are not the same in both."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
if not torch.distributed.is_available():
    pytest.skip("this torch has no torch.distributed", allow_module_level=True)
from torch import nn  # noqa: E402

from sezoo.base.errors import UserError  # noqa: E402
from sezoo.training.parallel import Parallel, _Several  # noqa: E402
from sezoo.training.shared_batch_norm import with_shared_batch_norms  # noqa: E402
from warm_sezoo import FORKS, TRAINING  # noqa: E402

SHARES = (slice(0, 3), slice(3, 8))


def network():
    torch.manual_seed(0)
    tail = nn.Sequential(nn.BatchNorm1d(6, momentum=None))
    made = nn.Sequential(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.ReLU(), tail)
    nn.init.normal_(made[1].weight)
    return made


def clips():
    return 100 + torch.randn(8, 4, 20, generator=torch.Generator().manual_seed(1))


def one_step(trained, batch):
    """Outputs, gradients, running statistics."""
    made = trained(batch)
    (made * torch.arange(made[0].numel()).reshape(made[0].shape) / 100).sum().backward()
    gradients = [weight.grad for weight in trained.parameters()]
    statistics = [buffer for name, buffer in trained.named_buffers() if "running" in name]
    return made.detach(), gradients, statistics


def process(rank, folder):
    store = torch.distributed.FileStore(str(folder / "store"), 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    made, gradients, statistics = one_step(with_shared_batch_norms(network()), clips()[SHARES[rank]])
    for gradient in gradients:
        torch.distributed.all_reduce(gradient)
    together = _Several(torch.device("cpu"))
    together.count, together.rank = 2, rank
    together.check_alike("the recordings", "5 files")
    try:
        together.check_alike("the recordings", f"{5 + rank} files")
        told = ""
    except UserError as error:
        told = str(error)
    torch.save({"made": made, "gradients": gradients, "statistics": statistics, "told": told}, folder / f"{rank}.pth")
    torch.distributed.destroy_process_group()


FORKED = """
import os, sys
from pathlib import Path

sys.path[:0] = sys.argv[2:]
from test_shared_batch_norm import process

other = os.fork()
process(0 if other else 1, Path(sys.argv[1]))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) if other else 0)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory, pythons):
    folder = tmp_path_factory.mktemp("group")
    if FORKS:  # of a Python that has imported torch
        (folder / "forked.py").write_text(FORKED, encoding="utf-8")
        words = [folder / "forked.py", folder, *Path(__file__).parents[:2]]
        done = pythons.run(words, folder, imported=TRAINING)
        assert done.returncode == 0, done.stderr
    else:
        torch.multiprocessing.spawn(process, (folder,), nprocs=2)
    return [torch.load(Path(folder, f"{rank}.pth"), weights_only=True) for rank in range(2)]


def test_statistics_are_those_of_all_clips(results):
    made, gradients, statistics = one_step(network(), clips())
    for result, share in zip(results, SHARES, strict=True):
        torch.testing.assert_close(result["made"], made[share], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(result["statistics"], statistics)
        torch.testing.assert_close(result["gradients"], gradients, rtol=1e-3, atol=1e-2)


def test_processes_that_have_found_other_files_say_so(results):
    assert {result["told"] for result in results} == {
        "the recordings: process 1 of 2 has 6 files, process 0 has 5 files; processes that train together need the "
        "same on every machine"
    }
    Parallel().check_alike("the recordings", "5 files")  # alone there is nobody to ask


def test_alone_it_is_torchs_own():
    made = network()
    shared = with_shared_batch_norms(network())
    assert shared.state_dict().keys() == made.state_dict().keys()
    torch.testing.assert_close(one_step(shared, clips()), one_step(made, clips()), rtol=0, atol=0)
    torch.testing.assert_close(shared.eval()(clips()), made.eval()(clips()), rtol=0, atol=0)
