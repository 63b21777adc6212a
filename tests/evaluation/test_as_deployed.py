"""What is told of a loss on the board."""

from dataclasses import replace

import pytest

from sezoo.denoising import Board, WholeClip
from sezoo.evaluation.as_deployed import board_losses, incompatible_boards
from sezoo.evaluation.versions import Version
from sezoo.models.source import OnnxSource
from sezoo.results.scores import ClipScores, mean_scores
from sezoo.zoo import zoo_model

FLOAT = Version("float", "float", "float", "whole", None, WholeClip((0, 0)), "eval_logs")
BOARD = Version("int8_board", "int8 on the board", "int8", "board", None, Board(30, 5), "eval_logs_board")


def told(on_board, *, noisy=1.5, explained=False):
    """What is told where these are the board's PESQ scores, and float's are 2 and a little more from clip to clip."""
    clips = [
        ClipScores(
            f"{i}.wav", 1.0, {"noisy": {"pesq": noisy}, "float": {"pesq": 2 + i / 100}, "int8_board": {"pesq": x}}
        )
        for i, x in enumerate(on_board)
    ]
    means = mean_scores(clips)
    return [str(loss) for loss in board_losses([FLOAT, BOARD], clips, means, "pesq", explained=explained)]


def test_a_loss_on_the_board_is_told_with_what_explains_it():
    (text,) = told([1.7, 1.7, 1.72, 1.73])
    assert text == (
        "int8 on the board: PESQ is 0.302 below float; evaluation.explain_deployment: True shows which of the board's "
        "settings cost it"
    )
    assert told([1.7, 1.7, 1.72, 1.73], explained=True)[0].endswith("the table of the board's settings shows why")


def test_worse_than_noisy_is_told():
    assert "is 0.302 below float, and below the noisy clips; " in told([1.7, 1.7, 1.72, 1.73], noisy=1.8)[0]


@pytest.mark.parametrize(
    "on_board", [[2.0, 2.02, 2.01, 2.04], [1.97, 1.98, 1.99, 2.0], [1.9, 2.2, 1.9, 2.2], [2.5, 2.5, 2.5, 2.5], [1.0]]
)
def test_chance_small_losses_gains_and_single_clips_are_not(on_board):
    assert told(on_board) == []


def test_a_model_that_the_application_cannot_feed_is_told():
    model = zoo_model("utcn_small")
    version = replace(BOARD, source=OnnxSource(model.int8_static))
    (text,) = incompatible_boards([FLOAT, version])
    assert text.startswith("int8 on the board: ")
    assert model.int8_static.name in text
    assert "quantization.target: stm32n6" in text
    assert incompatible_boards([replace(BOARD, source=OnnxSource(model.stm32n6))]) == []
    assert incompatible_boards([replace(BOARD, source=OnnxSource(model.float_model))]) == []
    assert incompatible_boards([replace(version, play=Board(30, 16, half_away=False))]) == []
