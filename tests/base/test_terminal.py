"""What is shown to a person, and what a run's log file has whatever is shown."""

from __future__ import annotations

import logging

import pytest

from builders import quantization_config
from sezoo.api.running import _fill_log_files
from sezoo.base.terminal import configure_logging, console
from sezoo.config.validation import build_config
from sezoo.run.folder import LOG_NAME
from sezoo.run.run import open_run

CONFIG = {**quantization_config(), "mlflow": {"uri": ""}}


@pytest.fixture(autouse=True)
def logger():
    """The package's logger, as it was before when the test is done."""
    logger = logging.getLogger("sezoo")
    level, handlers, propagate = logger.level, list(logger.handlers), logger.propagate
    yield logger
    logger.setLevel(level)
    logger.handlers[:], logger.propagate = handlers, propagate
    console.cache_clear()


def run_log(folder):
    """The log of a run that says something on three levels."""
    with open_run(build_config(CONFIG), folder):
        log = logging.getLogger("sezoo.test")
        log.debug("a detail")
        log.info("calibrated on 3 clips, 2 s of audio")
        log.warning("few clips")
    return (folder / LOG_NAME).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (logging.WARNING, ["few"]),
        (logging.INFO, ["calibrated", "few"]),
        (logging.DEBUG, ["detail", "calibrated", "few"]),
    ],
)
def test_the_log_file_has_more_than_a_quiet_terminal(tmp_path, capsys, level, shown):
    configure_logging(level)
    text, err = run_log(tmp_path / "run"), capsys.readouterr().err
    for word in ("detail", "calibrated", "few"):
        assert (word in err) == (word in shown)
        assert word in text


def test_a_quiet_terminal_has_no_bars():
    configure_logging(logging.WARNING)
    assert not console().is_terminal


@pytest.mark.parametrize("level", [logging.NOTSET, logging.WARNING, logging.ERROR])
def test_a_program_that_calls_sezoo_sees_what_it_asked_for(tmp_path, logger, level, caplog):
    """The file has all, the caller's own handlers what their levels and sezoo's let through."""
    seen = []
    own = logging.Handler()
    own.emit = lambda record: seen.append(record.levelno)
    logger.setLevel(level)
    logger.handlers[:], logger.propagate = [own], True
    with caplog.at_level(logging.WARNING), _fill_log_files():
        text = run_log(tmp_path / "run")
    assert "calibrated" in text and "few clips" in text
    assert seen == ([] if level == logging.ERROR else [logging.WARNING])
    assert [record.levelno for record in caplog.records if record.name == "sezoo.test"] == seen
    assert (logger.level, logger.handlers, logger.propagate) == (level, [own], True)
