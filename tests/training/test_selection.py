import pytest

pytest.importorskip("torch")

from sezoo.training.selection import Selection


def row(**values):
    return {"pesq": 2.0, "stoi": 0.9, "si-snr": 15.0, "speech_cut": 0.1, "wave_mse": 0.5, **values}


def test_one_metric_decides_where_nothing_else_is_said():
    plain = Selection("pesq", {}, {})
    assert plain.is_plain and plain.name == "pesq" and plain.metrics == ("pesq",)
    assert plain.score(row()) == 2.0
    assert plain.rejection_reason(row(pesq=-9), {}) is None
    assert Selection("wave_mse", {}, {"stoi": 0.0}).score(row()) == -0.5


def test_several_metrics_are_added_up_and_those_where_less_is_better_taken_off():
    selection = Selection("pesq", {"pesq": 1, "si-snr": 0.1, "stoi": 10, "speech_cut": 2}, {})
    assert selection.name == "score" and selection.metrics == ("pesq", "si-snr", "stoi", "speech_cut")
    assert selection.score(row()) == pytest.approx(2 + 1.5 + 9 - 0.2)


@pytest.mark.parametrize(
    ("values", "refused"),
    [({"si-snr": 14.71}, False), ({"si-snr": 14.69}, True), ({"si-snr": 20.0}, False),
     ({"speech_cut": 0.119}, False), ({"speech_cut": 0.121}, True), ({"speech_cut": 0.0}, False)],
)  # fmt: skip
def test_guards_refuse_what_is_paid_for_with_another_metric(values, refused):
    selection = Selection("pesq", {}, {"si-snr": -0.3, "speech_cut": 0.02})
    held = selection.guard_values(row(), {})
    assert held == {"si-snr": 15.0, "speech_cut": 0.1}
    why = selection.rejection_reason(row(**values), held)
    assert (why is not None) == refused
    if refused:
        ((name, value),) = values.items()
        assert f"{name} {value:.4g} is" in why and "is allowed" in why


def test_guards_hold_the_best_that_there_was_so_that_it_is_not_lost_step_by_step():
    selection = Selection("pesq", {}, {"si-snr": -0.3})
    held = {}
    for value in (15.0, 14.8, 14.71):
        assert selection.rejection_reason(row(**{"si-snr": value}), held) is None
        held = selection.guard_values(row(**{"si-snr": value}), held)
    assert held == {"si-snr": 15.0}
    assert selection.rejection_reason(row(**{"si-snr": 14.6}), held) is not None


def test_what_could_not_be_measured():
    selection = Selection("pesq", {"stoi": 1}, {"dnsmos_sig": -0.1})
    assert selection.missing(row(dnsmos_sig=3.0)) is None
    assert selection.missing(row()) == "dnsmos_sig"
    assert selection.missing(row(dnsmos_sig=3.0, stoi=None)) == "stoi"


def test_messages_name_the_key_that_looks_at_a_metric():
    selection = Selection("pesq", {"csig": 1.0, "stoi": 10.0}, {"dnsmos_sig": -0.05, "stoi": -0.01})
    keys = {metric: selection.key(metric) for metric in ("csig", "dnsmos_sig", "stoi", "pesq")}
    assert keys == {
        "csig": "training.select_by.csig", "dnsmos_sig": "training.guards.dnsmos_sig", "stoi": "training.guards.stoi",
        "pesq": "training.reference_metric",
    }  # fmt: skip
