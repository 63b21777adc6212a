"""What the log of a deployment says about the agreement with onnxruntime."""

from types import SimpleNamespace

import numpy as np
import pytest

from sezoo.deployment.c_package.report import DeploymentReport
from sezoo.deployment.engine.agreement import Agreement, OperatorAgreement


@pytest.mark.parametrize(
    ("differing", "largest", "mask", "expected"),
    [
        (0, 0, 0.0, "checked against onnxruntime: all operators and the mask are identical"),
        (
            5, 2, 0.001,
            "checked against onnxruntime: 2.5 % of the operators' integers differ, by at most 2; the mask differs by "
            "1.0e-03 on average",
        ),
    ],
)  # fmt: skip
def test_the_agreement_is_a_sentence(differing, largest, mask, expected):
    operator = OperatorAgreement(name="conv", values=200, differing=differing, largest=largest)
    program = SimpleNamespace(
        arena_bytes=1024, state_bytes=0, stft=None, engine=SimpleNamespace(latency=lambda stft: 400, new=1)
    )
    report = DeploymentReport(
        "m.onnx", program, SimpleNamespace(sample_rate=16000), 8, Agreement((operator,), mask),
        SimpleNamespace(clean=None), np.zeros(1, np.float32), None,
    )  # fmt: skip
    assert next(iter(report.log_lines())) == expected
