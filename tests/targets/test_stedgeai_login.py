import io
import json
import logging
import os
import stat
import sys
import time
import urllib.request

import pytest

from sezoo.base.errors import UserError
from sezoo.targets.stedgeai import tokens
from sezoo.targets.stedgeai.addresses import addresses
from sezoo.targets.stedgeai.login import Login, login_form
from sezoo.targets.stedgeai.tokens import Token, load_token, token_of
from sezoo.targets.stedgeai.urls import origin, public_url
from sezoo.targets.stedgeai.web import UnreachableError, Web
from st_cloud import PASSWORD, USER, connected_cloud

CALLBACK, REFRESH, FORM = r"login/callback$", r"login/refresh$", r"^/idp/login\?step=2"


@pytest.fixture
def cloud(monkeypatch, tmp_path):
    with connected_cloud(monkeypatch, tmp_path) as cloud:
        yield cloud


def login(**web):
    where = addresses()
    return Login(where, Web(where.origins, **web))


def test_the_way_from_the_first_page_to_the_token(cloud):
    entry = login()
    assert entry.bearer() in cloud.valid
    assert entry.bearer() in cloud.valid and cloud.count("POST", FORM) == 1
    assert not cloud.codes  # the one code was used


def test_the_token_is_kept_for_the_next_run_and_can_be_read_by_the_user_alone(cloud):
    token = login().bearer()
    assert login().bearer() == token and cloud.count("POST", FORM) == 1
    assert [path.name for path in cloud.token_file.parent.iterdir()] == ["token.json"]
    assert PASSWORD not in cloud.token_file.read_text(encoding="utf-8")
    if os.name == "posix":
        assert stat.S_IMODE(cloud.token_file.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_a_token_that_others_could_read_is_not_used(cloud, caplog):
    token = login().bearer()
    cloud.token_file.chmod(0o644)
    assert login().bearer() != token and "could be read by others" in caplog.text
    assert stat.S_IMODE(cloud.token_file.stat().st_mode) == 0o600


def test_the_folder_is_the_users_own_for_caches():
    from platformdirs import user_cache_path

    assert tokens.token_file().parent == user_cache_path("sezoo", appauthor=False)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"access_token": 3}', '{"access_token": "a\\nb"}'])
def test_a_kept_file_that_is_damaged_is_ignored(cloud, content):
    cloud.token_file.parent.mkdir()
    cloud.token_file.write_text(content, encoding="utf-8")
    cloud.token_file.chmod(0o600)
    assert login().bearer() in cloud.valid


def test_a_token_is_for_one_user_of_one_cloud(cloud, monkeypatch):
    token = login().bearer()
    service = f"{cloud.base}/api/user_service"
    assert load_token({"cloud": service, "user": USER}).access == token
    assert load_token({"cloud": service}).access == token  # where it is not known who the user is
    assert load_token({"cloud": service, "user": "other@example.com"}) is None
    assert load_token({"cloud": "https://elsewhere.invalid", "user": USER}) is None
    monkeypatch.setenv("stmai_username", "other@example.com")
    with pytest.raises(UserError, match="does not accept the name and the password"):
        login().bearer()
    monkeypatch.setenv("stmai_username", USER)
    assert login().bearer() == token  # which the other's failure did not take away


def test_where_the_token_cannot_be_kept_the_run_goes_on(cloud, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where the folder should be", encoding="utf-8")
    assert login().bearer() in cloud.valid
    assert "the login is not kept for later runs" in caplog.text


def test_a_token_that_is_over_is_refreshed_without_the_password(cloud, monkeypatch):
    cloud.lives = 30  # less than the margin
    first = login().bearer()
    cloud.lives = 3600
    monkeypatch.delenv("stmai_password")
    second = login().bearer()
    assert second != first and second in cloud.valid
    assert (cloud.count("POST", REFRESH), cloud.count("POST", FORM)) == (1, 1)
    assert json.loads(cloud.token_file.read_text(encoding="utf-8"))["access_token"] == second


@pytest.mark.parametrize("answer", [400, 401, b"garbage"])
def test_where_the_refresh_is_refused_there_is_a_new_login(cloud, answer):
    cloud.lives = 30
    login().bearer()
    cloud.fails("POST", REFRESH, answer)
    assert login().bearer() in cloud.valid
    assert (cloud.count("POST", REFRESH), cloud.count("POST", FORM)) == (1, 2)


def test_a_refresh_that_the_server_fails_at_is_an_error_that_may_pass(cloud):
    cloud.lives = 30
    login().bearer()
    cloud.fails("POST", REFRESH, 503)
    with pytest.raises(UserError, match="answered 503"):
        login().bearer()
    assert cloud.count("POST", FORM) == 1


def test_a_wrong_password_is_tried_once(cloud, monkeypatch):
    monkeypatch.setenv("stmai_password", "wrong-word")
    with pytest.raises(UserError) as caught:
        login().bearer()
    message = str(caught.value)
    assert "does not accept the name and the password (stmai_username, stmai_password)" in message
    assert "wrong-word" not in message and cloud.count("POST", FORM) == 1
    assert not cloud.token_file.exists()


@pytest.mark.parametrize(
    "method, path, answer, words",
    [
        ("GET", "^/as/", 500, "answered 500"),
        ("GET", "^/as/", 404, "answered 404"),
        ("GET", "^/as/", b"<html>Maintenance</html>", "shows no form to log in with"),
        ("GET", "^/as/", b"<![garbage", "shows no form to log in with"),
        ("GET", "^/as/", b"", "shows no form to log in with"),
        ("GET", "^/as/", "silence", "does not answer within 0.2 s"),
        ("GET", "^/as/", (302, "/as/again"), "redirects in a circle"),
        ("GET", "^/as/", (302, "http://[broken"), "redirects to an invalid address"),
        ("GET", "^/as/", (302, "http://login.invalid/"), "a login is not sent unencrypted"),
        ("GET", "^/as/", b'<form action="http://login.invalid/"><input type=password name=p>', "not sent unencrypted"),
        ("POST", FORM, b"<html>Please accept the new terms</html>", "shows another page than expected"),
        ("POST", FORM, 401, "does not accept the name and the password"),
        ("POST", FORM, (302, "/callback?error=access_denied"), "ended without success: access_denied"),
        ("POST", FORM, (302, "/callback"), "ended without success: it gives no code"),
        ("POST", CALLBACK, 401, "answered 401"),
        ("POST", CALLBACK, 500, "answered 500"),
        ("POST", CALLBACK, b"garbage", "did not answer with JSON: 7 bytes of text/html, which begin 'garbage'"),
        ("POST", CALLBACK, b"", "did not answer with JSON: nothing"),
        ("POST", CALLBACK, {"token": 1}, "holds no access_token"),
    ],
)
def test_what_can_go_wrong_at_the_login(cloud, method, path, answer, words):
    cloud.fails(method, path, *([answer, ...] if answer == (302, "/as/again") else [answer]))
    with pytest.raises(UserError) as caught:
        login(timeout=0.2 if answer == "silence" else 20).bearer()
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert not any(secret in str(caught.value) for secret in [*cloud.secrets, USER])
    assert not cloud.token_file.exists()


def test_without_an_account_the_variables_are_named(cloud, monkeypatch):
    monkeypatch.delenv("stmai_username")
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(UserError) as caught:
        login().bearer()
    assert "stmai_username" in str(caught.value) and "stmai_password" in str(caught.value)
    assert cloud.asked == []


def test_somebody_at_a_terminal_is_asked(cloud, monkeypatch):
    monkeypatch.delenv("stmai_username")
    monkeypatch.delenv("stmai_password")
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(sys, stream, Terminal(f"{USER}\n"))
    monkeypatch.setattr("getpass.getpass", lambda question: PASSWORD)
    assert login().bearer() in cloud.valid


def test_a_terminal_that_ends_is_nobody(cloud, monkeypatch):
    monkeypatch.delenv("stmai_username")
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(sys, stream, Terminal(""))
    with pytest.raises(UserError, match="stmai_username"):
        login().bearer()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_nothing_of_a_login_is_logged_or_shown(cloud, caplog):
    caplog.set_level(logging.DEBUG)
    cloud.lives = 30
    entry = login()
    entry.bearer()
    cloud.fails("POST", REFRESH, 400)
    entry.bearer()
    told = caplog.text + repr(entry.token) + repr(vars(entry.token).keys())
    assert "logging in" in told and len(cloud.issued) >= 4
    assert not any(secret in told for secret in [*cloud.secrets, USER])


@pytest.mark.parametrize(
    "expires_at, seconds",
    [(1.7e9, 1.7e9), ("1700000000", 1.7e9), (1.7e12, 1.7e9), (None, None), ("soon", None), (10**400, None)],
)
def test_the_end_of_a_token_in_seconds_or_milliseconds(expires_at, seconds):
    assert token_of({"access_token": "abc", "expires_at": expires_at}, "x") == Token("abc", None, seconds)


def test_a_token_is_not_used_up_to_its_last_second():
    token = Token("abc", None, 1000.0)
    assert not token.is_over(900) and token.is_over(970) and not Token("abc", None, None).is_over(time.time())


def test_the_form_is_that_which_asks_for_a_password():
    page = """<form action="a"><input name=q></form><input name=outside type=hidden>
    <form action="b?x=1&amp;y=2"><input type="hidden" name="lt" value="1 &lt; 2"><input name="username">
    <input type="PASSWORD" name="pw"><button name="do" value="x"></form>"""
    form = login_form(page)
    assert (form.action, form.password) == ("b?x=1&y=2", "pw")
    assert form.fields == {"lt": "1 < 2", "username": ""}


@pytest.mark.parametrize("address", ["ftp://a/b", "localhost:80", "http://", "https://a:x/", "https://u:p@a/", "?"])
def test_addresses_in_the_environment_have_to_be_addresses(monkeypatch, address):
    monkeypatch.setenv("SSO_URL", address)
    with pytest.raises(UserError, match="SSO_URL should be an address like https://host/path"):
        addresses()


def test_addresses_without_an_environment(monkeypatch):
    for variable in ("VERSIONS", "USER_SERVICE", "FILE_SERVICE", "BENCHMARK_SERVICE", "STM32AI_SERVICE", "SSO"):
        monkeypatch.delenv(f"{variable}_URL", raising=False)
    where = addresses()
    assert where.callback == "https://stm32ai-cs.st.com/callback" and where.sso == "https://sso.st.com"
    assert where.stm32ai_of("9.1.0") == "https://stm32ai-cs.st.com/api/9.1.0/stm32ai"


@pytest.mark.parametrize("url", ["http://example.invalid/x", "http://10.0.0.1/x", "ftp://127.0.0.2.invalid/", "x"])
def test_secrets_are_not_sent_unencrypted(url):
    with pytest.raises(UserError, match="not sent unencrypted"):
        Web([str(origin(url))], timeout=0.2).send("GET", url, bearer="token")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "http://[::1]:9/x", "http://localhost:9/x"])
def test_what_stays_on_this_computer_may_be_unencrypted(url):
    with pytest.raises(UnreachableError, match="cannot be reached"):
        Web([origin(url)], timeout=5).send("GET", url, bearer="token")


def test_requests_go_through_the_proxy_of_the_environment(cloud, monkeypatch):
    cloud.fails("GET", r"^http://cloud\.invalid/assets", [{"version": "10.0.0"}])
    monkeypatch.setenv("HTTP_PROXY", cloud.base)
    monkeypatch.setenv("HTTPS_PROXY", cloud.base.replace("http://", "http://me:proxy-word@"))
    web = Web(["https://cloud.invalid"], timeout=5)
    answer = web.send("GET", "http://cloud.invalid/assets/versions.json", secret=False)
    assert web.json_of(answer, "versions") == [{"version": "10.0.0"}]
    cloud.fails("CONNECT", r"^cloud\.invalid:443", 502)
    with pytest.raises(UnreachableError) as caught:
        web.send("GET", "https://cloud.invalid/api", bearer="a-token")
    assert "Tunnel connection failed: 502" in str(caught.value) and "HTTPS_PROXY" in str(caught.value)
    assert "proxy-word" not in str(caught.value)
    assert cloud.count("CONNECT", "cloud.invalid:443") == 1 and cloud.bearers == []


def test_no_proxy_for_hosts_that_are_excepted_and_for_this_computer(cloud, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", cloud.base)
    monkeypatch.setenv("NO_PROXY", "cloud.invalid")
    if not urllib.request.proxy_bypass("cloud.invalid"):
        pytest.skip("proxies are not those of the environment here")
    with pytest.raises(UnreachableError):
        Web([], timeout=5).send("GET", "http://cloud.invalid/assets/versions.json", secret=False)
    assert login().bearer() in cloud.valid
    assert not any(path.startswith("http") for _, path, _ in cloud.asked)


def test_secrets_are_hidden_however_they_are_written():
    web = Web([], secrets={'pa"ss &<word>', "abc"})
    text = (
        'abc pa"ss &<word> pa%22ss%20%26%3Cword%3E pa%22ss+%26%3Cword%3E pa\\"ss &<word> pa&quot;ss &amp;&lt;word&gt;'
    )
    assert web.clean(text) == "abc *** *** *** *** ***"
    document = {'pa"ss &<word>': [1, {"a": 'x pa"ss &<word>'}, None]}
    assert web.clean_document(document) == {"***": [1, {"a": "x ***"}, None]}


def test_addresses_in_messages_have_no_secrets():
    assert public_url("https://me:word@host:8443/a/b?code=1#x") == "https://host:8443/a/b"
    assert public_url("http://[::1]:80/") == "http://[::1]:80/" and public_url("http://[x") == "?"
