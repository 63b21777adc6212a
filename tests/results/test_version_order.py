"""The one order of versions."""

from sezoo.results.version_order import version_order


def test_the_order_is_noisy_float_int8_as_devices_do_and_clean():
    names = ["clean", "int8_board", "int8_tflm", "int8", "rnnoise", "float_patches", "noisy", "int8_stream", "float",
             "int8_patches"]  # fmt: skip
    assert sorted(names, key=version_order) == [
        "noisy", "float", "float_patches", "int8", "int8_patches", "int8_stream", "int8_board", "int8_tflm", "rnnoise",
        "clean",
    ]  # fmt: skip


def test_a_version_without_a_setting_stays_beside_its_own():
    assert version_order("int8_board.silence gate") == version_order("int8_board")
