"""A stand-in for ST's Developer Cloud on this computer: its routes and its login page, and whatever can go wrong."""

import json
import re
import threading
import time
from contextlib import contextmanager, suppress
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

USER, PASSWORD = "someone@example.com", "pass&word <1>"
SILENCE = "silence"

C_INFO = {
    "memory_footprint": {
        "weights": 1000,
        "activations": 400,
        "io": 80,
        "kernel_flash": 50,
        "kernel_ram": 20,
    },
    "graphs": [
        {
            "nodes": [{"name": "conv_1", "macc": 700}, {"name": "conv_2", "macc": 300}],
            "exec_time": {"cycles": 43008000, "duration_ms": 53.76},
        }
    ],
    "memory_pools": [{"name": "cpuRAM2", "used_size_bytes": 480, "rights": "ACC_WRITE"}],
}


def analysed(**_):
    """What an analysis ends with: a report without times."""
    info = json.loads(json.dumps(C_INFO))
    del info["graphs"][0]["exec_time"]
    return {"state": "done", "result": {"info": info}}


def benchmarked():
    return {"state": "done", "benchmark": {"info": C_INFO}}


class StCloud:
    """The server's state, what it was asked, and what it shall do wrong.

    Attributes
    ----------
    states, run_states : what the polls of a benchmark and of a run are answered with, one after the other; the last
        one for ever. A text stands for {"state": text}.
    versions, boards : as offered.
    lives : seconds that a token is valid, as the server says.
    asked : (method, path, body) of all requests.
    """

    def __init__(self):
        self.base = ""
        self.password = PASSWORD
        self.versions = [{"version": "9.1.0", "platform": "mcu"}, {"version": "10.0.0", "isLatest": True}]
        self.boards = {"STM32N6570-DK": {"boardCount": 2}, "STM32H747I-DISCO": {"boardCount": 1}}
        self.states = ["waiting_for_build", "flashing", benchmarked()]
        self.run_states = ["running", analysed()]
        self.lives = 3600
        self.valid, self.refreshers, self.codes = set(), set(), set()
        self.models = {}
        self.sent_models = {}
        self.arguments = {}
        self.asked = []
        self.bearers = []
        self.wrong = []
        self.issued = []
        self.closing = threading.Event()
        self.lock = threading.Lock()

    def fails(self, method, path, *answers):
        """Answer the requests for a path (a pattern) otherwise: with a status, bytes, silence, or None for as usual.

        A function is called with the stream to write to, and the event that this server ends with.

        After the last of the answers all is as usual; a last `...` repeats the one before it for ever.
        """
        self.wrong.append((method, re.compile(path), list(answers)))

    def expire(self):
        """Let no token be valid any more."""
        self.valid.clear()

    def count(self, method, path):
        """How often something was asked for."""
        return sum(m == method and re.search(path, p) is not None for m, p, _ in self.asked)

    @property
    def secrets(self):
        """All that must not be seen anywhere."""
        return [self.password, *self.issued]

    def variables(self):
        """The environment that leads here."""
        return {
            "VERSIONS_URL": f"{self.base}/assets/versions.json",
            "SSO_URL": self.base,
            "USER_SERVICE_URL": f"{self.base}/api/user_service",
            "FILE_SERVICE_URL": f"{self.base}/api/file",
            "BENCHMARK_SERVICE_URL": f"{self.base}/api/benchmark",
            "STM32AI_SERVICE_URL": f"{self.base}/api/10.0.0/stm32ai",
        }

    def planned(self, method, path):
        for asked_method, pattern, answers in self.wrong:
            if asked_method == method and pattern.search(path) and answers:
                if len(answers) == 2 and answers[1] is ...:
                    return answers[0]
                return answers.pop(0)
        return None

    def new(self, kind, among):
        secret = f"{kind}-secret-{len(self.issued)}-{'x' * 20}"
        self.issued.append(secret)
        among.add(secret)
        return secret

    def tokens(self):
        return {
            "access_token": self.new("access", self.valid),
            "refresh_token": self.new("refresh", self.refreshers),
            "expires_at": time.time() + self.lives,
        }


def _next(states):
    state = states.pop(0) if len(states) > 1 else states[0]
    return {"state": state} if isinstance(state, str) else state


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve("GET")

    def do_POST(self):
        self.serve("POST")

    def do_DELETE(self):
        self.serve("DELETE")

    def do_CONNECT(self):
        self.serve("CONNECT")

    def serve(self, method):
        cloud = self.server.cloud
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with cloud.lock:
            cloud.asked.append((method, self.path, body))
            plan = cloud.planned(method, self.path)
            answer = self.usual(cloud, method, body) if plan is None else plan
        if callable(answer):
            with suppress(OSError):  # who asked has had enough
                answer(self.wfile, cloud.closing)
            return
        if answer == SILENCE:
            cloud.closing.wait(20)
            return
        status, kind, content = 200, "application/json", answer
        if isinstance(answer, int):
            # a server that tells its secrets in its errors
            told = {"message": f"status {answer} for {self.headers.get('Authorization')} {cloud.password}"}
            status, content = answer, told
        elif isinstance(answer, bytes):
            kind, content = "text/html", answer
        elif isinstance(answer, tuple):
            status, location = answer
            content = b""
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if isinstance(answer, tuple):
            self.send_header("Location", location)
            self.send_header("Set-Cookie", "session=1; Path=/")
        self.end_headers()
        self.wfile.write(content)

    def usual(self, cloud, method, body):
        parts = urlsplit(self.path)
        route, query = f"{method} {parts.path}", {k: v[0] for k, v in parse_qs(parts.query).items()}
        if route == "GET /assets/versions.json":
            return cloud.versions
        if parts.path.startswith(("/as/", "/idp/")):
            return self.login_page(cloud, route, query, body)
        if parts.path.startswith("/api/user_service/"):
            return self.user_service(cloud, route, json.loads(body))
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        cloud.bearers.append(bearer)
        if bearer not in cloud.valid:
            return 401
        if parts.path.startswith("/api/file/files/models"):
            return self.file_service(cloud, method, parts.path, body)
        if route == "GET /api/benchmark/boards":
            return cloud.boards
        if match := re.fullmatch(r"POST /api/benchmark/benchmark/([a-z0-9-]+)", route):
            cloud.arguments["benchmark"] = json.loads(body)
            return {"benchmarkId": f"b{len(cloud.asked)}"} if match[1].upper() in cloud.boards else 404
        if re.fullmatch(r"GET /api/benchmark/benchmark/b\d+", route):
            return _next(cloud.states)
        if match := re.fullmatch(r"POST /api/10.0.0/stm32ai/(analyze|generate|validate)", route):
            arguments = cloud.arguments[match[1]] = json.loads(parse_qs(body.decode())["args"][0])
            return {"runtimeId": len(cloud.asked)} if arguments["model"] in cloud.models else 404
        if re.fullmatch(r"GET /api/10.0.0/stm32ai/run/\d+", route):
            return _next(cloud.run_states)
        return 404

    def login_page(self, cloud, route, query, body):
        if route == "GET /as/authorization.oauth2":
            assert query["response_type"] == "code" and query["client_id"] == "oidc_prod_client_app_stm32ai"
            assert query["scope"] == "openid" and query["redirect_uri"] == f"{cloud.base}/callback"
            return (302, "/idp/login?step=1")
        if route == "GET /idp/login":
            return _page("LT-1-&amp;-2")
        if route == "POST /idp/login":
            fields = {k: v[0] for k, v in parse_qs(body.decode()).items()}
            assert fields["_eventId"] == "Login" and fields["lt"] == "LT-1-&-2"
            assert "session=1" in (self.headers.get("Cookie") or "")
            if (fields["username"], fields["password"]) != (USER, cloud.password):
                return _page("LT-1-&amp;-2")
            return (302, "/idp/resume")
        if route == "GET /idp/resume":
            return (302, f"{cloud.base}/callback?{urlencode({'code': cloud.new('code', cloud.codes)})}")
        return 404

    def user_service(self, cloud, route, question):
        if route == "POST /api/user_service/login/callback":
            assert question["redirect_url"] == f"{cloud.base}/callback"
            if question["code"] not in cloud.codes:
                return 400
            cloud.codes.discard(question["code"])
            return cloud.tokens()
        if route == "POST /api/user_service/login/refresh":
            if question["refresh_token"] not in cloud.refreshers:
                return 400
            cloud.refreshers.discard(question["refresh_token"])
            return cloud.tokens()
        return 404

    def file_service(self, cloud, method, path, body):
        name = path.removeprefix("/api/file/files/models").strip("/")
        if method == "GET" and not name:
            return [{"name": name} for name in cloud.models]
        if method == "DELETE":
            return {} if cloud.models.pop(name, None) is not None else 404
        message = message_from_bytes(f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode() + body)
        (part,) = message.get_payload()
        assert message.get_content_type() == "multipart/form-data"
        assert part.get_param("name", header="Content-Disposition") == "file"
        name = part.get_filename()
        cloud.models[name] = cloud.sent_models[name] = part.get_payload(decode=True)
        return {}


def _page(ticket):
    return f"""<!doctype html><html><head><title>Login</title></head><body>
    <form action="/search"><input name="q" type="text"></form>
    <form METHOD="post" action="/idp/login?step=2&amp;of=2" id='kc'>
      <p>Log in<br>
      <input type="email" name="username" value=""> <input type="password" name="password">
      <input type=hidden name='lt' value='{ticket}'/> <input type="checkbox" name="remember" value="yes">
      <input type="submit" name="go" value="Login">
    </form></body></html>""".encode()


@contextmanager
def st_cloud():
    """Serve as long as the context lasts."""
    cloud = StCloud()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.cloud = cloud
    cloud.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield cloud
    finally:
        cloud.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def __call__(self):
        return self.now


@contextmanager
def connected_cloud(monkeypatch, folder):
    """Serve, with the environment leading here, an account, no proxies, and the token kept in `folder`."""
    with st_cloud() as cloud:
        for variable, value in {**cloud.variables(), "stmai_username": USER, "stmai_password": PASSWORD}.items():
            monkeypatch.setenv(variable, value)
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setattr("sezoo.targets.stedgeai.tokens.token_file", lambda: folder / "cache" / "token.json")
        cloud.token_file = folder / "cache" / "token.json"
        yield cloud
