from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from sezoo.deployment.engine.memory_plan import ALIGNMENT, Buffer, plan_memory


def aligned(size):
    return -(-size // ALIGNMENT) * ALIGNMENT


def check(buffers):
    """All that has to hold of a plan; gives its size."""
    plan = plan_memory(buffers)
    assert set(plan.offsets) == {buffer.name for buffer in buffers}
    for buffer in buffers:
        assert plan.offsets[buffer.name] % ALIGNMENT == 0
        assert 0 <= plan.offsets[buffer.name] <= plan.size - buffer.size
    for one, other in combinations(buffers, 2):
        if one.first <= other.last and other.first <= one.last:
            first, second = sorted((one, other), key=lambda each: plan.offsets[each.name])
            assert plan.offsets[first.name] + first.size <= plan.offsets[second.name], (first, second)
    return plan.size


def needed_at_once(buffers):
    """No plan can be smaller than what is needed in one step."""
    steps = {buffer.first for buffer in buffers}
    return max((sum(aligned(b.size) for b in buffers if b.first <= step <= b.last) for step in steps), default=0)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 12), st.integers(0, 5)), max_size=14))
def test_no_two_buffers_are_in_each_others_way(sizes):
    buffers = [Buffer(f"b{i}", size, first, first + length) for i, (size, first, length) in enumerate(sizes)]
    size = check(buffers)
    assert needed_at_once(buffers) <= size <= sum(aligned(buffer.size) for buffer in buffers)
    assert plan_memory(reversed(buffers)).size == size  # whatever order they come in


def test_nothing_needs_nothing():
    assert plan_memory([]).size == 0


def test_a_chain_takes_the_two_largest_neighbours():
    sizes = [160, 320, 640, 320, 160]
    assert check([Buffer(f"t{i}", size, i, i + 1) for i, size in enumerate(sizes)]) == 960


def test_buffers_that_meet_in_one_step_do_not_share():
    assert check([Buffer("made", 16, 0, 3), Buffer("next", 16, 3, 5)]) == 32
    assert check([Buffer("made", 16, 0, 2), Buffer("next", 16, 3, 5)]) == 16


def test_the_smallest_gap_that_fits_is_taken():
    """Two gaps, of 64 and of 32 bytes, below what is needed all the time."""
    buffers = [
        *(Buffer("a", 200, 0, 9), Buffer("early", 64, 0, 4), Buffer("b", 100, 0, 9), Buffer("early too", 32, 0, 4)),
        Buffer("c", 90, 0, 9),
        Buffer("late", 32, 5, 9),
    ]
    plan = plan_memory(buffers)
    check(buffers)
    assert plan.offsets["late"] in (plan.offsets["early too"], plan.offsets["early"])
    assert plan.size == needed_at_once(buffers)
