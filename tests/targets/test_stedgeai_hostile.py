"""A server, or a page of it, that wants a password, or that never comes to an end."""

import json
import threading

import pytest

from sezoo.base.errors import UserError
from sezoo.targets.stedgeai.addresses import addresses
from sezoo.targets.stedgeai.cloud import Cloud, Patience
from sezoo.targets.stedgeai.login import Login
from sezoo.targets.stedgeai.urls import AddressError, origin
from sezoo.targets.stedgeai.web import LARGEST_ANSWER, UnreachableError, Web
from st_cloud import PASSWORD, USER, connected_cloud, st_cloud

SOON = 0.1
"""Seconds that a server may be silent."""


@pytest.fixture
def cloud(monkeypatch, tmp_path):
    with connected_cloud(monkeypatch, tmp_path) as cloud:
        yield cloud


@pytest.fixture
def stranger():
    """Another server, which would take a password."""
    with st_cloud() as stranger:
        yield stranger


def login(timeout=5.0):
    where = addresses()
    return Login(where, Web(where.origins, timeout))


def form(action):
    return (
        f'<form action="{action}"><input type=hidden name=lt value=LT-1><input name=username>'
        "<input type=password name=password></form>"
    ).encode()


# -- where a password goes ------------------------------------------------------------------------------


def test_the_addresses_that_a_login_goes_to(monkeypatch):
    names = ("VERSIONS", "USER_SERVICE", "FILE_SERVICE", "BENCHMARK_SERVICE", "STM32AI_SERVICE", "SSO")
    for name in names:
        monkeypatch.delenv(f"{name}_URL", raising=False)
    assert addresses().origins == {"https://stm32ai-cs.st.com", "https://sso.st.com", "https://my.st.com"}
    for name in names:
        monkeypatch.setenv(f"{name}_URL", "https://cloud.example:8443/api")
    assert addresses().origins == {"https://cloud.example:8443"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method, path", [("GET", "^/as/"), ("GET", "^/idp/login"), ("POST", "^/idp/login")])
def test_a_redirect_of_the_login_to_another_host_is_not_followed(cloud, stranger, method, path, status):
    cloud.fails(method, path, (status, f"{stranger.base}/idp/login?step=1"))
    with pytest.raises(AddressError) as caught:
        login().bearer()
    assert str(caught.value) == (f"{stranger.base}/idp/login: a login is sent to {cloud.base} only; nothing was sent")
    assert stranger.asked == []


@pytest.mark.parametrize(
    "action",
    [
        "{stranger}/idp/login",
        "//{host}/idp/login",
        "{localhost}/idp/login",
        "{base}@{host}/idp/login",
        "http://{host}\\@{own}/idp/login",
        "\\\\{host}/idp/login",
        "HTTP://{host}/",
        "http://[::1]:{port}/",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://{host}/x",
    ],
)
def test_a_form_that_goes_to_another_host_is_not_sent(cloud, stranger, action):
    host, own = stranger.base.removeprefix("http://"), cloud.base.removeprefix("http://")
    action = action.format(
        stranger=stranger.base,
        base=cloud.base,
        host=host,
        own=own,
        localhost=cloud.base.replace("127.0.0.1", "localhost"),
        port=host.split(":")[1],
    )
    cloud.fails("GET", "^/idp/login", form(action))
    with pytest.raises(UserError):
        login().bearer()
    assert stranger.asked == []
    # a path on the server itself, which is what a reference without a host is, may be sent to
    assert not any(PASSWORD.encode() in body for _, path, body in cloud.asked if not path.startswith("/idp/"))


@pytest.mark.parametrize("location", ["file://localhost/etc/passwd", "file:///etc/passwd", "ftp://127.0.0.1/x", "x:y"])
def test_a_redirect_to_what_is_no_address_of_the_web(cloud, location):
    cloud.fails("GET", "^/as/", (302, location))
    with pytest.raises(AddressError, match="a login is not sent unencrypted"):
        login().bearer()


def test_a_token_goes_where_the_login_does(cloud, stranger):
    web = login().web
    with pytest.raises(AddressError):
        web.send("GET", f"{stranger.base}/api/file/files/models", bearer="a-token")
    assert stranger.asked == []
    assert web.send("GET", f"{stranger.base}/assets/versions.json", secret=False).status == 200


@pytest.mark.parametrize(
    "url, expected",
    [
        ("https://sso.st.com/a?b", "https://sso.st.com"),
        ("https://SSO.ST.COM:443/", "https://sso.st.com"),
        ("http://h:8080", "http://h:8080"),
        ("http://[::1]:80/x", "http://[::1]"),
        ("https://sso.st.com@evil.example/", None),
        ("https://evil.example\\@sso.st.com/", None),
        ("https://sso.st.com\x1b/", None),
        ("https://sso.st.com /", None),
        ("https://ss\u00f6.st.com/", None),
        ("https:///x", None),
        ("//sso.st.com/", None),
        ("file://sso.st.com/", None),
        ("https://a:x/", None),
        ("", None),
    ],
)
def test_the_origin_of_an_address(url, expected):
    assert origin(url) == expected


@pytest.mark.parametrize("url", ["https://sso.st.com.evil.example/", "https://sso.st.com./", "http://sso.st.com/"])
def test_hosts_with_names_that_are_nearly_the_same(url):
    with pytest.raises(AddressError, match="a login "):
        Web(["https://sso.st.com"], timeout=0.2).send("GET", url)


# -- servers that never come to an end ------------------------------------------------------------------


def drip(head, part, pause=0.02):
    """Answer with a beginning, and then with the same part again and again."""

    def answer(stream, ended):
        stream.write(head)
        while not ended.wait(pause):
            stream.write(part)
            stream.flush()

    return answer


ENDLESS = {
    "status line": drip(b"HTTP/1.1 2", b"0"),
    "header": drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "headers": drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.05),
    "body": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
    "body without a length": drip(b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    "chunks": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "comment": drip(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<!--", b"x" * 1000),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_server_that_sends_a_little_for_ever_is_given_up(cloud, what):
    cloud.fails("GET", "^/as/", ENDLESS[what])
    threads = threading.active_count()
    with pytest.raises(
        UnreachableError, match=r"^http://127\.0\.0\.1:\d+/as/authorization\.oauth2 does not answer within"
    ):
        login(SOON).bearer()
    assert threading.active_count() <= threads + 1  # the server's own


def test_a_question_that_is_asked_again_and_again_has_a_limit_too(cloud):
    cloud.fails("GET", "^/api/benchmark/boards", ENDLESS["body"])
    with pytest.raises(UnreachableError, match="does not answer within"):
        Cloud(Patience(request=0.5)).boards()


def test_a_server_that_sends_without_an_end_is_given_up(cloud, monkeypatch):
    monkeypatch.setattr("sezoo.targets.stedgeai.web.LARGEST_ANSWER", 2**20)
    cloud.fails("GET", "^/as/", drip(b"HTTP/1.1 200 OK\r\n\r\n<!--", b"x" * 2**18, 0))
    with pytest.raises(UserError, match="answers with more than 1 MiB"):
        login().bearer()
    assert LARGEST_ANSWER < 2**25


@pytest.mark.parametrize("part", ["<!--", "<a ", "<![CDATA[", "<a b='", "&#", "</", "<script>"])
def test_a_page_of_a_megabyte_that_is_no_html_is_looked_through_at_once(part):
    from sezoo.targets.stedgeai.login import login_form

    assert login_form("<form>" + part * (2**18 // len(part))) is None


# -- what a server says ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["message", "state"])
def test_what_a_server_says_is_short_and_printable(cloud, key, caplog):
    caplog.set_level("INFO", "sezoo")
    said = "\x1b[2J\x1b]0;title\x07\x00\r\n" + "x" * 60_000
    body = {"message": {"state": "error", "message": said}, "state": {"state": said}}[key]
    cloud.states = [body, {"state": "error"}]
    with pytest.raises(UserError) as caught:
        Cloud(Patience(benchmark_pause=0)).benchmark("STM32N6570-DK", {}, "10.0.0")
    for text in (str(caught.value), *(record.getMessage() for record in caplog.records)):
        assert text.isprintable()
        assert len(text) < 2000


@pytest.mark.parametrize("status", [200, 302, 400, 500])
def test_bodies_of_control_characters(cloud, status):
    body = b"\x1b[31m\x00\x07" * 20_000

    def answer(stream, _):
        head = f"HTTP/1.1 {status} \x1b[31m\r\nLocation: /\x1b[31mx\r\nContent-Length: {len(body)}\r\n\r\n"
        stream.write(head.encode() + body)

    cloud.fails("GET", "^/assets", answer)
    with pytest.raises(UserError) as caught:
        Cloud().version("10.0.0")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_names_of_versions_and_boards(cloud, caplog):
    name = "\x1b[31m" + "9" * 60_000
    cloud.versions, cloud.boards = [{"version": name, "isLatest": True}, {"version": "9.1.0"}], {name: {}}
    assert Cloud().version("10.0.0") == "9.1.0"
    with pytest.raises(UserError) as caught:
        Cloud().benchmark("STM32N6570-DK", {}, "10.0.0")
    for text in (str(caught.value), caplog.records[-1].getMessage()):
        assert len(text) < 2000
        assert text.isprintable()


def test_an_error_of_the_login_is_short_and_printable(cloud):
    said = "\x1b[31m" + "x" * 60_000
    cloud.fails("POST", "^/idp/login", (302, f"{cloud.base}/callback?error_description={json.dumps(said)}"))
    with pytest.raises(UserError) as caught:
        login().bearer()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000
    assert USER not in str(caught.value)
