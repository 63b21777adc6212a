"""Models by their https:// address, from a server with a certificate of its own."""

import contextlib
import http.server
import shutil
import ssl
import subprocess
import threading

import onnx
import pytest

from builders import mask_graph, quantization_config
from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.models import download as model_download
from sezoo.models.download import download, with_local_model

MODEL = mask_graph().SerializeToString()


ASKED = []


class Handler(http.server.BaseHTTPRequestHandler):
    """What the addresses of the server give."""

    def do_GET(self):
        ASKED.append(self.path)
        name, port = self.path.partition("?")[0], self.server.server_address[1]
        leads = {
            "/moved.onnx": f"https://localhost:{port}/model.onnx",
            "/plain.onnx": f"http://localhost:{port}/model.onnx",
            "/file.onnx": "file:///etc/passwd",
            "/round.onnx": f"https://localhost:{port}/round.onnx",
        }
        if name in leads:
            self.send_response(302)
            self.send_header("Location", leads[name])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        bodies = {"/model.onnx": MODEL, "/page.onnx": b"<html>a page</html>", "/short.onnx": MODEL[:-5]}
        self.send_response(200 if name in (*bodies, "/large.onnx", "/slow.onnx") else 404)
        lengths = {"/short.onnx": len(MODEL), "/large.onnx": 1 << 40}
        if name != "/slow.onnx":
            self.send_header("Content-Length", str(lengths.get(name, len(bodies.get(name, b"")))))
        self.end_headers()
        with contextlib.suppress(OSError):
            if name == "/slow.onnx":
                for byte in MODEL:
                    self.wfile.write(bytes([byte]))
                    self.server.stopped.wait(0.02)
            self.wfile.write(bodies.get(name, b""))

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("server")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.stopped = threading.Event()
        running.socket = context.wrap_socket(running.socket, server_side=True)
        thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", str(folder / "cert.pem"))
            patch.setenv("no_proxy", "localhost")
            yield f"https://localhost:{running.server_address[1]}"
        running.stopped.set()
        running.shutdown()
        thread.join()


def test_a_model_is_downloaded_once(server, tmp_path):
    ASKED.clear()
    first = download(f"{server}/moved.onnx?token=secret", tmp_path)
    assert first.name == "moved.onnx"
    assert first.read_bytes() == MODEL
    assert download(f"{server}/moved.onnx?token=secret", tmp_path) == first
    assert ASKED == ["/moved.onnx?token=secret", "/model.onnx"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [first]


def test_a_configuration_gets_the_path_and_the_log_the_checksum(server, tmp_path, monkeypatch):
    monkeypatch.setattr(model_download, "_cache_folder", lambda: tmp_path)
    raw = quantization_config()
    raw["model"] = {"model_path": f"{server}/model.onnx?token=secret"}
    config = build_config(raw)
    assert config.model.onnx_path == f"{server}/model.onnx?token=secret"
    local, told = with_local_model(config)
    assert onnx.load(local.model.onnx_path).graph.node
    assert "SHA-256 " in told
    assert "secret" not in told
    assert local.name_in_file("model.onnx_path") == "model.model_path"
    other = build_config(quantization_config())
    assert with_local_model(other) == (other, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("plain.onnx", "which is no https:// address"),
        ("file.onnx", "answers 302 Found; only https:// addresses are followed"),
        ("round.onnx", "answers 302 Found; only https:// addresses are followed, ten of them at most"),
        ("nothing.onnx", "answers 404 "),
        ("page.onnx", "is no ONNX model"),
        ("short.onnx", "bytes arrived; try again"),
        ("large.onnx", "is larger than 1024 MiB"),
        ("slow.onnx", "takes too long to answer"),
    ],
)
def test_what_cannot_be_downloaded(name, message, server, tmp_path):
    with pytest.raises(UserError) as raised:
        download(f"{server}/{name}?token=secret", tmp_path, seconds=0.3)
    assert message in " ".join(str(raised.value).split())
    assert "secret" not in str(raised.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_stranger_is_not_trusted(server, tmp_path, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(UserError, match="certificate"):
        download(f"{server}/model.onnx", tmp_path)


@pytest.mark.parametrize("address", ["http://x/y.onnx", "ftp://x/y.onnx", "file:///y.onnx", "https:///y.onnx"])
def test_other_schemes(address, tmp_path):
    with pytest.raises(UserError, match="only https:// addresses"):
        download(address, tmp_path)


def test_no_password_in_an_address(tmp_path):
    with pytest.raises(UserError) as raised:
        download("https://me:secret@x.invalid/y.onnx", tmp_path)
    assert "secret" not in str(raised.value)
