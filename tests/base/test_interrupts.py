import signal
import threading

import pytest

from sezoo.base.interrupts import interrupt_deferred


@pytest.fixture(autouse=True)
def sigterm_as_the_command_has_it():
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_takes_effect_at_the_end(number):
    done = []
    with pytest.raises(KeyboardInterrupt), interrupt_deferred():
        signal.raise_signal(number)
        signal.raise_signal(number)
        done.append(True)
    assert done
    with interrupt_deferred():
        pass
    assert signal.getsignal(number) is signal.default_int_handler


def test_one_inside_another_waits_for_the_outer_one():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupt_deferred():
        with interrupt_deferred():
            signal.raise_signal(signal.SIGINT)
        done.append(True)
    assert done


def test_an_error_inside_is_raised_and_the_handlers_are_back():
    with pytest.raises(ValueError, match="mine"), interrupt_deferred():
        raise ValueError("mine")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_may_use_it():
    done = []

    def work():
        with interrupt_deferred():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done
