"""Start and end of quantization-aware training: a float model and its int8 form, with the same names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from sezoo.base.errors import UserError
from sezoo.config.sections import Quantization
from sezoo.models.onnx_graph import copy_model, set_weights
from sezoo.quantization.graph.preparation import with_known_shapes
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.plan import Grid, Plan
from sezoo.quantization.planning import make_plan
from sezoo.quantization.prepared_model import prepared_model
from sezoo.quantization.recovery.input_precision import before_layers
from sezoo.quantization.recurrent.expansion import recurrences
from sezoo.quantization.trained import with_plan
from sezoo.run.run import Run

__all__ = ["Int8Start", "int8_start"]


@dataclass(frozen=True)
class Int8Start:
    """A float model, and the QDQ model that quantization writes of it.

    Attributes
    ----------
    int8_model : with its weights in float, each behind a QuantizeLinear and a DequantizeLinear; biases are integers.
    fixed : names of tensors whose integers are part of a transform, or of what comes before the first layer.
    """

    float_model: onnx.ModelProto
    int8_model: onnx.ModelProto
    fixed: frozenset[str]
    plan: Plan
    settings: Quantization

    def finished(
        self, weights: Mapping[str, np.ndarray], grids: Mapping[str, tuple[np.ndarray, np.ndarray, int | None]]
    ) -> tuple[onnx.ModelProto, onnx.ModelProto]:
        """The float model with other weights, which carries its integers, and the int8 model that it quantizes to.

        Parameters
        ----------
        weights : by the names that they have in `float_model`.
        grids : scales, zero points and axis by the names of the tensors that they are of: all that `int8_model` has.
        """
        model = copy_model(self.float_model)
        set_weights(model.graph, weights)
        model = with_known_shapes(model)
        plan = replace(
            self.plan, model=model, exact=model, weight_scales={},
            grids={name: Grid(*grid) for name, grid in grids.items()},
        )  # fmt: skip
        return with_plan(model, plan, self.settings), write_qdq(plan, self.settings)


def int8_start(run: Run, path: Path) -> Int8Start:
    """Prepare, calibrate and recover a trained float model as `quantization` does, as the start of training.

    Raises
    ------
    UserError : the model, the clips or the settings of `quantization` are not fit for it; a recurrent layer that would
        be in int8, which has no gradient here.
    """
    settings = run.config.quantization or Quantization()
    _check_recurrent_layers(prepared_model(path, run.config)[0].model)
    result = make_plan(run, path).result
    options: dict[str, Any] = {**settings.extra_options, "AddQDQPairToWeight": True}
    int8_model = write_qdq(result.plan, settings.model_copy(update={"extra_options": options}))
    fixed = result.plan.fixed_ranges | before_layers(result.plan)
    return Int8Start(result.plan.model, int8_model, fixed, result.plan, settings)


def _check_recurrent_layers(model: onnx.ModelProto) -> None:
    """Check that no recurrent layer is written out for int8, as its frames cannot be trained with their integers."""
    if layers := recurrences(model):
        names = [layer.node.name for layer in layers]
        raise UserError(
            f"training.quantization_aware: the recurrent layer '{names[0]}' cannot be trained with its integers; train "
            f"without quantization_aware, and quantize the float model; or leave it in float, which no board runs: "
            f"quantization.nodes_to_exclude: [{', '.join(names)}]"
        )
