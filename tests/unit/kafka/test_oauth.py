"""Tokens of OAUTHBEARER: which are valid, and what is said of the others."""

from __future__ import annotations

import base64
import http.server
import json
import socketserver
import threading
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.errors import ConfigError
from fakebus.kafka.oauth import TokenValidator
from fakebus.kafka.sasl import AuthenticationFailed, Credentials, start

NOW_S = int(time.time())


def claims(**other: Any) -> dict[str, Any]:
    return {"sub": "alice", "iat": NOW_S, "exp": NOW_S + 3000, **other}


def encoded(*parts: Any) -> str:
    texts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts)
    return ".".join(text.rstrip("=") for text in texts) + "."


def unsecured(**other: Any) -> str:
    return encoded({"alg": "none"}, claims(**other))


def new_keys() -> dict[str, Any]:
    return {
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ec": ec.generate_private_key(ec.SECP256R1()),
    }


KEYS = new_keys()


def jwks(keys: dict[str, Any], *names: str) -> str:
    shown = []
    for name in names:
        kind: Any = jwt.algorithms.RSAAlgorithm if name == "rsa" else jwt.algorithms.ECAlgorithm
        shown.append({**json.loads(kind.to_jwk(keys[name].public_key())), "kid": name})
    return json.dumps({"keys": shown})


def signed(keys: dict[str, Any], name: str, **other: Any) -> str:
    return jwt.encode(
        claims(iss="us", aud=["others", "fakebus"]) | other,
        keys[name],
        algorithm="RS256" if name == "rsa" else "ES256",
        headers={"kid": name},
    )


def validator(**configs: str) -> TokenValidator:
    named = {f"sasl.oauthbearer.{name}": value for name, value in configs.items()}
    return TokenValidator(
        BrokerConfig(named), now_ms=lambda: NOW_S * 1000, monotonic_s=time.monotonic
    )


def refusal(made: TokenValidator, token: str) -> str:
    with pytest.raises(AuthenticationFailed) as refused:
        made.validate(token)
    return str(refused.value)


def test_a_token_says_whose_it_is_and_until_when() -> None:
    assert validator().validate(unsecured()) == ("alice", (NOW_S + 3000) * 1000)
    by_mail = validator(**{"sub.claim.name": "email"})
    assert by_mail.validate(unsecured(email="a@b"))[0] == "a@b"


@pytest.mark.parametrize(
    ("token", "told"),
    [
        (unsecured(exp=NOW_S - 30), "has expired"),
        (unsecured(exp=None), "no claim exp"),
        (unsecured(exp=True), "exp is no time"),
        (unsecured(exp="tomorrow"), "exp is no time"),
        (unsecured(exp=1e300), "exp is no time"),
        (unsecured(nbf=NOW_S + 31), "not valid yet"),
        (unsecured(iat=NOW_S + 31), "not valid yet"),
        (unsecured(sub=""), "no text as claim sub"),
        (unsecured(sub=["alice"]), "no text as claim sub"),
        (jwt.encode(claims(), "s" * 32, algorithm="HS256"), "does not say by which keys"),
        (unsecured() + "AAAA", "does not say by which keys"),
        (encoded({}, claims()), "does not say by which keys"),
        (encoded({"alg": "none"}, [1]), "payload of the token is no JSON object"),
        ("!!.e30.", "header of the token is no JSON object"),
        ("a.b", "no JWS"),
        ("a" * 70_000 + "..", "no JWS"),
        (base64.b64encode(b"[" * 9000).decode() + ".e30.", "header of the token is no JSON object"),
    ],
    ids=lambda value: "" if "." in value else None,  # tokens hold the time
)
def test_a_token_that_is_not_valid_is_refused(token: str, told: str) -> None:
    assert told in refusal(validator(), token)


@pytest.mark.parametrize("seconds", [-29, 29])
def test_clocks_may_differ_by_half_a_minute(seconds: int) -> None:
    token = unsecured(exp=NOW_S + max(seconds, 0) + min(seconds, 0) + (1 if seconds > 0 else 0))
    assert validator().validate(token)[0] == "alice"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "jwks.json"
    written.write_text(jwks(KEYS, "rsa", "ec"))
    return written


def test_signed_tokens_are_checked_with_the_keys_of_a_file(file: Path) -> None:
    made = validator(
        **{
            "jwks.endpoint.url": file.as_uri(),
            "expected.audience": "fakebus",
            "expected.issuer": "us",
        }
    )
    assert made.validate(signed(KEYS, "rsa"))[0] == made.validate(signed(KEYS, "ec"))[0] == "alice"
    forged = signed(KEYS, "rsa").rpartition(".")[0] + "." + "A" * 342
    assert "Signature verification failed" in refusal(made, forged)
    assert "another audience" in refusal(made, signed(KEYS, "ec", aud="others"))
    assert "another issuer" in refusal(made, signed(KEYS, "ec", iss="them"))
    assert "has expired" in refusal(made, signed(KEYS, "ec", exp=NOW_S - 100))
    assert "not signed by a key pair" in refusal(made, unsecured())
    confused = jwt.encode(claims(), "s" * 32, algorithm="HS256", headers={"kid": "rsa"})
    assert "not signed by a key pair" in refusal(made, confused)
    swapped = jwt.encode(claims(), KEYS["ec"], algorithm="ES256", headers={"kid": "rsa"})
    assert "not valid" in refusal(made, swapped)


def test_a_key_that_is_not_known_is_fetched_from_a_server_of_this_machine() -> None:
    shown = [jwks(KEYS, "rsa")]

    class Provider(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(shown[0].encode())

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Provider) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made = validator(**{"jwks.endpoint.url": f"http://127.0.0.1:{server.server_port}/jwks"})
        assert made.validate(signed(KEYS, "rsa"))[0] == "alice"
        shown[0] = jwks(KEYS, "ec")
        assert "not known (yet)" in refusal(made, signed(KEYS, "ec"))
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                assert made.validate(signed(KEYS, "ec"))[0] == "alice"
                break
            except AuthenticationFailed:
                time.sleep(0.01)
        server.shutdown()
    assert made.validate(signed(KEYS, "ec"))[0] == "alice"


def test_a_server_that_does_not_speak_http_yet_is_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Babbler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"hello\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Babbler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/jwks"
        made = validator(**{"jwks.endpoint.url": url})
    assert "cannot be read yet" in caplog.text
    assert "not known (yet)" in refusal(made, signed(KEYS, "ec"))


@pytest.mark.parametrize("names", [["ec"], ["rsa", "ec"]])
def test_a_token_that_names_no_key_is_checked_with_the_only_one(
    tmp_path: Path, names: list[str]
) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(jwks(KEYS, *names))
    made = validator(**{"jwks.endpoint.url": file.as_uri()})
    token = jwt.encode(claims(), KEYS[names[0]], algorithm="RS256" if names[1:] else "ES256")
    if names[1:]:
        assert "a key that is not known" in refusal(made, token)
    else:
        assert made.validate(token)[0] == "alice"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://example.com/jwks", "neither a file nor an address of this machine"),
        ("ftp://localhost/jwks", "neither a file nor an address of this machine"),
        ("http://localhost:x/jwks", "neither a file nor an address of this machine"),
        ("http://ann:secret@localhost/jwks", "takes no user and no password"),
        ("http://[::1/jwks", "neither a file nor an address of this machine"),
        ("/nowhere/jwks.json", "cannot be read"),
        ("file://[nowhere", "cannot be read"),
    ],
)
def test_keys_of_other_machines_or_of_nowhere_are_refused(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        validator(**{"jwks.endpoint.url": url})


def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text('{"keys": 1}')
    with pytest.raises(ConfigError, match="it is no JWKS"):
        validator(**{"jwks.endpoint.url": str(file)})


def exchange() -> Any:
    return start("OAUTHBEARER", Credentials({}, tokens=validator().validate))


def test_the_message_may_have_an_authorization_id_and_extensions() -> None:
    made = exchange()
    message = f"n,a=alice,\x01traceId=1\x01auth=Bearer {unsecured()}\x01a=b\x01\x01"
    assert made.respond(message.encode()) == b""
    assert (made.user, made.expires_ms) == ("alice", (NOW_S + 3000) * 1000)


@pytest.mark.parametrize(
    "message",
    [
        f"n,a=bob,\x01auth=Bearer {unsecured()}\x01\x01".encode(),
        f"n,,\x01auth=Bearer {unsecured(exp=1)}\x01\x01".encode(),
    ],
    ids=["another's", "expired"],
)
def test_a_client_acknowledges_a_refusal_and_is_told_why(message: bytes) -> None:
    made = exchange()
    assert made.respond(message) == b'{"status":"invalid_token"}'
    assert made.user is None
    with pytest.raises(AuthenticationFailed, match="Authentication failed: the"):
        made.respond(b"\x01")


@pytest.mark.parametrize(
    "message", [b"", b"\xff", b"n,,\x01\x01", b"n,,\x01auth=Basic a.b.c\x01\x01"]
)
def test_what_is_no_bearer_token_is_refused_at_once(message: bytes) -> None:
    with pytest.raises(AuthenticationFailed, match="no bearer token"):
        exchange().respond(message)
