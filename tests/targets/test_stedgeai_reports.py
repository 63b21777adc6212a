import copy
import json

import pytest

from sezoo.base.errors import UserError
from sezoo.targets.stedgeai.facts import Layer, MemoryPool, StEdgeAiResult
from sezoo.targets.stedgeai.reports import read_reports, result_of
from st_cloud import C_INFO

OLD = {"rom_size": 1666000, "ram_size": 102492, "rom_n_macc": 63_000_000}


def result(document):
    return result_of(document, "the report", "local generate", "2.1.0")


def changed(path, value):
    """The report with another value, or without the key if it is `...`."""
    document = copy.deepcopy(C_INFO)
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


def test_c_info_tells_everything():
    assert result(C_INFO) == StEdgeAiResult(
        obtained="local generate",
        tool_version="2.1.0",
        flash_bytes=1050,
        ram_bytes=500,
        weights_bytes=1000,
        macs=1000,
        cycles=43008000,
        milliseconds=53.76,
        layers=(Layer("conv_1", 700, None), Layer("conv_2", 300, None)),
        pools=(MemoryPool("cpuRAM2", 480, "ACC_WRITE"),),
    )


def test_a_report_of_an_older_version_has_sizes_and_macs():
    found = result(OLD)
    assert (found.flash_bytes, found.ram_bytes, found.weights_bytes) == (1666000, 102492, 1666000)
    assert (found.macs, found.milliseconds, found.layers, found.pools) == (63_000_000, None, (), ())


@pytest.mark.parametrize("key", ["io", "kernel_flash", "kernel_ram"])
def test_memory_that_is_not_told_counts_as_none(key):
    whole, without = result(C_INFO), result(changed(["memory_footprint", key], ...))
    lost = C_INFO["memory_footprint"][key]
    assert whole.flash_bytes + whole.ram_bytes - without.flash_bytes - without.ram_bytes == lost


def test_inputs_and_outputs_can_be_listed():
    assert result(changed(["memory_footprint", "io"], [40, 40])) == result(C_INFO)


@pytest.mark.parametrize("part", ["graphs", "memory_pools"])
@pytest.mark.parametrize("value", [..., None, [], "text", [1, "text"]])
def test_optional_parts_may_be_missing_or_other(part, value):
    found = result(changed([part], value))
    assert found.flash_bytes == 1050
    if part == "graphs":
        assert (found.macs, found.cycles, found.milliseconds, found.layers) == (None, None, None, ())
    else:
        assert found.pools == () and found.milliseconds == 53.76


@pytest.mark.parametrize("time", [None, {}, {"cycles": 0, "duration_ms": 0}, {"cycles": -1, "duration_ms": "?"}])
def test_a_time_that_was_not_measured_is_unknown(time):
    found = result(changed(["graphs", 0, "exec_time"], time))
    assert (found.cycles, found.milliseconds) == (None, None)


def test_times_of_layers_where_they_are_told():
    nodes = [{"name": "conv_1", "macc": 7, "exec_time": {"duration_ms": 1.5}}, {"macc": None}]
    found = result(changed(["graphs", 0, "nodes"], nodes))
    assert found.layers == (Layer("conv_1", 7, 1.5), Layer("node 1", None, None))
    assert found.macs == 7


@pytest.mark.parametrize(
    "path, value, words",
    [
        (["memory_footprint"], ..., "no report of ST Edge AI"),
        (["memory_footprint"], 3, "memory_footprint: weights: found nothing"),
        (["memory_footprint", "weights"], ..., "memory_footprint: weights: found nothing"),
        (["memory_footprint", "activations"], "many", 'memory_footprint: activations: found "many"'),
        (["memory_footprint", "io"], [1, -2], "io: found [1, -2]"),
        (["memory_footprint", "weights"], float("nan"), "weights: found NaN"),
        (["memory_footprint", "weights"], True, "weights: found true"),
        (["graphs", 0, "nodes", 1, "macc"], "x", "nodes[1]: macc"),
    ],
)
def test_what_a_report_must_have(path, value, words):
    with pytest.raises(UserError) as caught:
        result(changed(path, value))
    assert str(caught.value).startswith("the report: ") and words in str(caught.value)


@pytest.mark.parametrize("document", [None, [], {}, "text", {"rom_size": 3}, [[[{"a": 1}]]]])
def test_other_documents_are_no_report(document):
    with pytest.raises(UserError, match="found no report of ST Edge AI"):
        result(document)


def test_a_report_deep_in_an_answer_is_found():
    assert result({"state": "done", "results": [{"x": {"info": C_INFO}}]}) == result(C_INFO)


def test_where_both_are_written_the_newer_kind_is_believed_and_the_older_completes_it(tmp_path):
    info = changed(["graphs"], [])
    for name, content in {"network_c_info.json": info, "ws/network_report.json": OLD}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    found, files = read_reports(tmp_path, "local generate", None)
    assert (found.flash_bytes, found.ram_bytes, found.macs) == (1050, 500, OLD["rom_n_macc"])
    assert [file.name for file in files] == ["network_c_info.json", "network_report.json"]


def test_no_report_at_all(tmp_path):
    with pytest.raises(UserError, match=r"neither network_c_info\.json nor network_report\.json"):
        read_reports(tmp_path, "local generate", None)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_not_json(tmp_path, content):
    (tmp_path / "network_c_info.json").write_bytes(content)
    with pytest.raises(
        UserError, match=r"network_c_info\.json is no report of ST Edge AI: (invalid JSON|it is nested too deeply)"
    ):
        read_reports(tmp_path, "local generate", None)
