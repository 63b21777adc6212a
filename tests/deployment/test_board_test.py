"""`sezoo board-test`: a line that loses bytes, a board that is reset, another model, and what is no board at all."""

import os
import re
import select
import shutil
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import sezoo
from c_builds import STRICT, compiled, needs_gcc
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.cli.main import main
from sezoo.deployment.board_test import run
from sezoo.deployment.board_test.link import Answer, Link
from sezoo.deployment.board_test.packets import Decoder, Packet
from sezoo.deployment.validation.command import compare_files
from sezoo.results.board_test import BoardTest
from sezoo.targets.serial_line import open_line
from tiny_graphs import program_of, random_graph, write_tiny_package
from tiny_models import needs_arm_gcc, needs_qemu

CALLS = 40
posix = pytest.mark.skipif(os.name == "nt", reason="the board is a program with pipes")


class Pipes:
    """A line to a program's standard input and output."""

    def __init__(self, program):
        self.program = program
        self.start()

    def start(self):
        self.board = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def read(self, seconds):
        ready, _, _ = select.select([self.board.stdout], [], [], seconds)
        return os.read(self.board.stdout.fileno(), 65536) if ready else b""

    def write(self, data):
        self.board.stdin.write(data)

    def close(self):
        self.board.stdin.close()
        self.board.wait(10)
        self.board.stdout.close()


class Faulty(Pipes):
    """Loses bytes and flips bits, both ways, once begun."""

    def __init__(self, program, rate):
        super().__init__(program)
        self.rate, self.random, self.faults = rate, np.random.default_rng(3), 0

    def spoiled(self, data):
        found = bytearray()
        for byte, chance in zip(data, self.random.random(len(data)), strict=True):
            self.faults += chance < self.rate
            if chance >= self.rate:
                found.append(byte)
            elif chance < self.rate / 2:
                found.append(byte ^ 1 << int(self.random.integers(8)))
        return bytes(found)

    def read(self, seconds):
        return self.spoiled(super().read(seconds))

    def write(self, data):
        super().write(self.spoiled(data))


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    program = program_of(random_graph(3, 33, 2), Stft(64, 20, 50), 2)
    return write_tiny_package(program, tmp_path_factory.mktemp("board") / "p")


@pytest.fixture(scope="module")
def board(package):
    """The firmware, with a board of pipes."""
    folders = [f"-I{package / name}" for name in ("include", "src", "examples")]
    sources = [
        *package.glob("src/*.c"),
        package / "examples" / "board_test.c",
        Path(__file__).with_name("board_pipes.c"),
    ]
    compiled(*STRICT, "-D_POSIX_C_SOURCE=200809L", "-O1", *folders, *sources, "-lm", "-o", package / "board")
    compiled(*STRICT, "-c", *folders, package / "examples" / "board_template.c", "-o", package / "template.o")
    return package / "board"


def answers(line, calls, seconds=0.5):
    link = Link(line, "the line", seconds)
    firmware = link.firmware()
    link.begin()
    random = np.random.default_rng(0)
    blocks = random.integers(-9000, 9000, (calls, firmware.samples_per_call), np.int16)
    return [link.call(number, block, True, firmware) for number, block in enumerate(blocks)], link, firmware


# -- packets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 252, 253, 254, 255, 508, 1500])
def test_packets_come_out_as_they_went_in(length):
    random = np.random.default_rng(length)
    for zeros in (0, 1, 256):
        data = random.integers(0 if zeros else 1, 1 if zeros == 256 else 256, length, np.uint8).tobytes()
        encoded = Packet(b"F", 0x01000200, data).encode()
        assert 0 not in encoded[1:-1]
        decoder = Decoder()
        found = [packet for byte in encoded for packet in decoder.packets(bytes([byte]))]
        assert found == [Packet(b"F", 0x01000200, data)] and not decoder.damaged


def test_what_is_damaged_is_no_packet():
    encoded = Packet(b"F", 7, bytes(range(40))).encode()
    for place in range(1, len(encoded) - 1):
        for spoiled in (encoded[:place] + encoded[place + 1 :],
                        encoded[:place] + bytes([encoded[place] ^ 64]) + encoded[place + 1 :]):  # fmt: skip
            decoder = Decoder()
            assert list(decoder.packets(spoiled + encoded)) == [Packet(b"F", 7, bytes(range(40)))]
            assert decoder.damaged


# -- a board that is a program ----------------------------------------------------------------------------------------


@posix
@needs_gcc
def test_a_thousand_calls_over_a_line_with_faults_are_as_over_one_without(board):
    line = Pipes(board)
    exact, link, firmware = answers(line, 1000)
    line.close()
    assert link.repeated == 0 and firmware.samples_per_call == 40 and firmware.kernels == "plain C"
    assert any(one.samples.tobytes() != other.samples.tobytes() for one, other in pairwise(exact))
    faulty = Faulty(board, 2e-4)
    found, link, _ = answers(faulty, 1000, 0.05)
    faulty.close()
    assert faulty.faults > 50 and link.repeated > 50
    for ours, theirs in zip(found, exact, strict=True):
        assert ours.samples.tobytes() == theirs.samples.tobytes() and ours.masks.tobytes() == theirs.masks.tobytes()
        assert 0 < ours.stack <= 4096 and ours.ticks == 1000


@posix
@needs_gcc
def test_a_reset_in_the_middle(board):
    line = Pipes(board)
    link = Link(line, "the line", 0.5)
    firmware = link.firmware()
    link.begin()
    silence = np.zeros(firmware.samples_per_call, np.int16)
    link.call(0, silence, False, firmware)
    with pytest.raises(UserError, match="the board is at call 1, not at 5: does another program use it"):
        link.call(5, silence, False, firmware)
    line.close()
    line.start()
    with pytest.raises(UserError, match="the board was reset before call 1"):
        link.call(1, silence, False, firmware)
    with pytest.raises(UserError, match="does not know this packet"):
        link.call(0, silence[1:], False, firmware)
    line.close()


@posix
@needs_gcc
def test_another_model(board, package, tmp_path, monkeypatch):
    other = shutil.copytree(package, tmp_path / "other")
    header = other / "include" / "sezoo_denoiser.h"
    header.write_text(header.read_text().replace('MODEL_HASH "0', 'MODEL_HASH "1'))
    monkeypatch.setattr(run, "open_line", lambda port, baud: Pipes(board))
    with pytest.raises(UserError, match=r"COM3: the board runs another model: SHA-256 000000000000.*has 100000000000"):
        run.run_board_test(other, "COM3", tmp_path / "out", calls=2)
    header.write_text(re.sub(r'MODEL_HASH "1', 'MODEL_HASH "0', header.read_text()).replace("HOP 20", "HOP 10"))
    with pytest.raises(UserError, match="the same model in another package: 40 samples a call"):
        run.run_board_test(other, "COM3", tmp_path / "out", calls=2)
    assert not (tmp_path / "out").exists()


class Says:
    """Something that is no board: it says the same whatever it is asked."""

    def __init__(self, answer):
        self.answer = answer

    def read(self, seconds):
        return self.answer

    def write(self, data):
        pass


@pytest.mark.parametrize(
    ("answer", "words"),
    [(b"", "nothing answers the first packet"), (b"login: \r\n", r"\d+ bytes arrived, and none .* another speed"),
     (Packet(b"h", 9).encode(), "speaks version 9 of the protocol, this sezoo 1")],
)  # fmt: skip
def test_what_is_no_board(answer, words):
    with pytest.raises(UserError, match=words):
        Link(Says(answer), "COM3", 0.01).firmware()


# -- ports ------------------------------------------------------------------------------------------------------------


def test_ports_that_cannot_be_opened(monkeypatch):
    for port in ("tcp:here", "tcp:localhost:0", "tcp::99"):
        with pytest.raises(UserError, match=r"allowed: tcp:HOST:PORT"):
            open_line(port, 9600)
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    with pytest.raises(UserError, match=rf"tcp:127\.0\.0\.1:{free}: cannot connect"):
        open_line(f"tcp:127.0.0.1:{free}", 9600)
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(UserError, match=r"pip install 'sezoo\[board\]'"):
        open_line("COM3", 9600)


@posix
def test_a_serial_port_and_one_that_is_busy_or_not_there():
    pytest.importorskip("serial")
    with pytest.raises(UserError, match=r"/dev/ttyNOPE: cannot open it: .*ports of this computer"):
        open_line("/dev/ttyNOPE", 9600)
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    line = open_line(name, 115200)
    with pytest.raises(UserError, match="in use by another program"):
        open_line(name, 115200)
    line.write(b"to it")
    assert os.read(ours, 5) == b"to it"
    os.write(ours, b"from it")
    assert line.read(1) == b"from it" and line.read(0.01) == b""
    line.close()
    os.close(ours), os.close(theirs)


def test_bad_words(tmp_path, package, capsys):
    for words, said in (
        ([str(tmp_path / "nothing")], "; sezoo deploy writes one"),
        ([str(package.parent)], f"is no C package: there is no include/..._denoiser.h; did you mean {package}?"),
        ([str(package), "--calls", "0"], "--calls: found 0"),
        ([str(package), "--baud", "0"], "--baud: found 0"),
        ([str(package), "--clean", "c.wav"], "--clean: needs --noisy"),
        ([str(package), "--noisy", "no_such.wav"], "no_such.wav: no such file"),
        ([str(package), "--port", ""], "--port: found nothing; allowed: "),
        ([str(package), "--port", "emulated:cortex-m3"], "allowed: emulated:cortex-m55"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["board-test", "--port", "COM77", *words])
        assert ended.value.code == 2 and said in capsys.readouterr().err
    (package / "examples" / "board_test.c").rename(tmp_path / "aside.c")
    with pytest.raises(UserError, match="an earlier version wrote it"):
        run.run_board_test(package, "COM77", tmp_path / "out")
    (tmp_path / "aside.c").rename(package / "examples" / "board_test.c")


def test_the_log_of_a_build_that_fails_stays(tmp_path, package, monkeypatch):
    """It names what is wrong with the package's sources, and the message names it."""

    def failing(compiler, core, folder, program, elf, log_file):
        log_file.write_text("error: no such thing", encoding="utf-8")
        raise UserError(f"gcc failed; {log_file}")

    monkeypatch.setattr(run, "build_program", failing)
    monkeypatch.setattr(run, "find_compiler", lambda path: None)
    monkeypatch.setattr(run, "find_emulator", lambda path: None)
    with pytest.raises(UserError, match=r"out_build_cortex-m7\.log"):
        sezoo.board_test(package, "emulated:cortex-m7", folder=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out_build_cortex-m7.log"]
    with pytest.raises(UserError, match="calls: found 0; allowed: 1 or more"):
        sezoo.board_test(package, "COM77", calls=0, folder=tmp_path / "out")


# -- the whole command ------------------------------------------------------------------------------------------------


@needs_qemu
@needs_arm_gcc
def test_on_an_emulated_board(package, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["board-test", str(package), "--port", "emulated:cortex-m55", "--calls", "40", "-o", "out"])
    said = capsys.readouterr().out
    assert "equal bit by bit: 40 calls, 1,600 samples and 80 masks" in said and "Helium (MVE)" in said
    found = BoardTest.required(tmp_path / "out")
    assert found.is_equal and found.calls == 40 and 0 < found.stack_bytes < 4096
    assert found.ticks_per_call <= found.ticks_of_the_longest_call and found.milliseconds_per_call is None
    vectors, comparison = compare_files(tmp_path / "out/vectors.npz", tmp_path / "out/board.npz", 0)
    assert comparison.within and vectors.layer("mask").values.shape == (40, 33, 2)


@needs_qemu
@needs_arm_gcc
def test_other_kernels_are_compared_with_a_core_that_has_them(package, tmp_path):
    """Helium's multiplications of spectra are fused: a sample of another core may round to another integer."""
    found = sezoo.board_test(package, "emulated:cortex-m7", calls=CALLS, folder=tmp_path / "out")
    assert (found.kernels, found.reference, found.calls) == ("DSP extension", "cortex-m7", CALLS)
    assert found.is_equal


@posix
@needs_gcc
@needs_qemu
@needs_arm_gcc
def test_a_board_in_plain_c(package, board, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "open_line", lambda port, baud: Pipes(board))
    found = sezoo.board_test(package, "COM3", calls=CALLS, folder=tmp_path / "out")
    assert (found.kernels, found.reference, found.calls) == ("plain C", "cortex-m7", CALLS)
    assert found.is_equal


def test_a_board_that_differs():
    mask, samples = np.full((2, 3), 0.5, np.float32), np.arange(4, dtype=np.int16)
    right = [Answer(7, 9, samples, mask) for _ in range(5)]
    wrong = [*right[:3], Answer(9, 9, samples + 2, mask.copy()), Answer(9, 9, samples, mask)]
    wrong[3].masks[1, 2] = np.nextafter(np.float32(0.5), np.float32(1))
    firmware = run.Firmware(16000, 4, 2, 3, 100, 200, 2000, "ab", "1", "plain C", "cycles")
    facts = run.Package(None, "ab", 16000, 4, 0)
    found = run._compare(wrong, right, firmware, facts, "COM3", "cortex-m7", 1)
    assert not found.is_equal and found.first_different_call == 3 and found.samples_differing == 4
    assert (found.masks_differing, found.masks_compared, found.largest_difference) == (1, 10, 2)
    assert found.milliseconds_per_call == pytest.approx(3.9) and found.milliseconds_of_the_longest_call == 4.5
