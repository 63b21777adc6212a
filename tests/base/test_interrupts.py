import signal
import threading

import pytest

from sezoo.base.interrupts import defer_interrupts


@pytest.fixture(autouse=True)
def sigterm_as_the_command_has_it():
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_takes_effect_at_the_end(number):
    done = []
    with pytest.raises(KeyboardInterrupt), defer_interrupts():
        signal.raise_signal(number)
        signal.raise_signal(number)
        done.append(True)
    assert done
    with defer_interrupts():
        pass
    assert signal.getsignal(number) is signal.default_int_handler


def test_one_inside_another_waits_for_the_outer_one():
    done = []
    with pytest.raises(KeyboardInterrupt), defer_interrupts():
        with defer_interrupts():
            signal.raise_signal(signal.SIGINT)
        done.append(True)
    assert done


def test_an_error_inside_is_raised_and_the_handlers_are_back():
    with pytest.raises(ValueError, match="mine"), defer_interrupts():
        raise ValueError("mine")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_may_use_it():
    done = []

    def work():
        with defer_interrupts():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done
