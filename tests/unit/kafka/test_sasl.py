"""The mechanisms, by the examples of the RFCs, and the state of one connection."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from fakebus.errors import ConfigError, ErrorCode
from fakebus.kafka.authentication import SaslPolicy, SaslSession
from fakebus.kafka.sasl import (
    MECHANISMS,
    AuthenticationFailed,
    Credentials,
    Plain,
    Scram,
    parse_users,
)
from fakebus.protocol.api_keys import ApiKey
from fakebus.scram_keys import derive_keys

USERS = {"alice": "secret", "bob": "pw", "a,b=c": "odd"}
CREDENTIALS = Credentials(USERS)
HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}

# RFC 7677, section 3.
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
CLIENT_FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = (
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)
CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def example() -> Scram:
    return Scram(
        "SCRAM-SHA-256",
        Credentials({}, lambda name, user: derive_keys(name, "pencil", SALT, 4096)),
        nonce=SERVER_NONCE,
    )


def client_final(mechanism: str, password: str, first: bytes, answer: bytes) -> bytes:
    """Return what a client with this password sends second; written after RFC 5802."""
    name = HASHES[mechanism]
    fields = dict(part.split("=", 1) for part in answer.decode().split(","))
    salted = hashlib.pbkdf2_hmac(
        name, password.encode(), base64.b64decode(fields["s"]), int(fields["i"])
    )
    key = hmac.digest(salted, b"Client Key", name)
    unproved = f"c=biws,r={fields['r']}"
    signed = b",".join((first.removeprefix(b"n,,"), answer, unproved.encode()))
    signature = hmac.digest(hashlib.new(name, key).digest(), signed, name)
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    return f"{unproved},p={base64.b64encode(proof).decode()}".encode()


def log_in(session: SaslSession, user: str, password: str) -> None:
    assert session.handshake("PLAIN", raw_tokens=False) is ErrorCode.NONE
    session.authenticate(f"\0{user}\0{password}".encode())


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def new_session(time: Time | None = None, session_ms: int = 0) -> SaslSession:
    return SaslSession(
        SaslPolicy(
            CREDENTIALS,
            mechanisms=lambda: MECHANISMS,
            session_ms=lambda: session_ms,
            monotonic_s=time or Time(),
            now_ms=lambda: 1_000,
        )
    )


def test_scram_answers_as_in_the_example_of_rfc_7677() -> None:
    scram = example()

    assert scram.respond(CLIENT_FIRST) == SERVER_FIRST
    assert scram.user is None
    assert scram.respond(CLIENT_FINAL) == SERVER_FINAL
    assert scram.user == "user"


@pytest.mark.parametrize(
    "final",
    [
        CLIENT_FINAL.replace(b"p=dH", b"p=dI"),
        CLIENT_FINAL.replace(b"p=dHzb", b"p="),
        CLIENT_FINAL.replace(b"c=biws", b"c=eSws"),
        CLIENT_FINAL.replace(b"k0,", b"k1,"),
        CLIENT_FINAL.replace(b",p=", b",q="),
        b"\xff",
        b"",
    ],
)
def test_scram_refuses_any_other_last_message(final: bytes) -> None:
    scram = example()
    scram.respond(CLIENT_FIRST)

    with pytest.raises(AuthenticationFailed):
        scram.respond(final)

    assert scram.user is None


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"n=user,r=abc",
        b"p=tls-unique,,n=user,r=abc",
        b"n,,n=,r=abc",
        b"n,,n=user,r=",
        b"n,a=bob,n=alice,r=abc",
        b"n,,n=us=er,r=abc",
    ],
)
def test_scram_refuses_a_first_message_that_is_none(first: bytes) -> None:
    with pytest.raises(AuthenticationFailed):
        example().respond(first)


@pytest.mark.parametrize("mechanism", sorted(HASHES))
def test_scram_lets_the_right_password_in_and_no_other(mechanism: str) -> None:
    first = b"n,,n=a=2Cb=3Dc,r=clientnonce"

    right = Scram(mechanism, CREDENTIALS)
    right.respond(client_final(mechanism, "odd", first, right.respond(first)))
    assert right.user == "a,b=c"

    wrong = Scram(mechanism, CREDENTIALS)
    with pytest.raises(AuthenticationFailed, match="invalid credentials"):
        wrong.respond(client_final(mechanism, "even", first, wrong.respond(first)))


@pytest.mark.parametrize("mechanism", sorted(HASHES))
def test_scram_treats_an_unknown_user_like_a_wrong_password(mechanism: str) -> None:
    told = []
    for user in ("alice", "nobody"):
        first = f"n,,n={user},r=abc".encode()
        salts = set()
        for _ in range(2):
            scram = Scram(mechanism, CREDENTIALS)
            answer = scram.respond(first)
            salts.add(answer.split(b",s=")[1])
            with pytest.raises(AuthenticationFailed) as raised:
                scram.respond(client_final(mechanism, "guess", first, answer))
            told.append(str(raised.value))
        assert len(salts) == 1
    assert len(set(told)) == 1


def test_plain_lets_the_right_password_in() -> None:
    plain = Plain(CREDENTIALS)

    assert plain.respond(b"alice\0alice\0secret") == b""
    assert plain.user == "alice"


@pytest.mark.parametrize(
    "token",
    [
        b"\0alice\0wrong",
        b"\0nobody\0secret",
        b"bob\0alice\0secret",
        b"\0alice\0",
        b"\0\0secret",
        b"alice\0secret",
        b"\xff\0\xff\0",
        b"",
    ],
)
def test_plain_refuses_everything_else(token: bytes) -> None:
    plain = Plain(CREDENTIALS)

    with pytest.raises(AuthenticationFailed):
        plain.respond(token)

    assert plain.user is None


def test_plain_treats_an_unknown_user_like_a_wrong_password() -> None:
    with pytest.raises(AuthenticationFailed) as wrong:
        Plain(CREDENTIALS).respond(b"\0alice\0wrong")
    with pytest.raises(AuthenticationFailed) as unknown:
        Plain(CREDENTIALS).respond(b"\0nobody\0wrong")

    assert str(wrong.value) == str(unknown.value)


def test_users_are_separated_by_commas_or_blanks() -> None:
    assert parse_users("alice:secret, bob:p:w carol:x") == {
        "alice": "secret",
        "bob": "p:w",
        "carol": "x",
    }


@pytest.mark.parametrize("text", ["carol", "carol:", ":hush", "carol:a,carol:b", "a:b,,c:d:,x"])
def test_users_that_cannot_be_read_are_refused_without_telling_the_text(text: str) -> None:
    with pytest.raises(ConfigError, match=r"fakebus\.sasl\.users") as raised:
        parse_users(text)

    assert text not in str(raised.value)


def test_stranger_may_ask_for_versions_and_log_in_and_nothing_else() -> None:
    session = new_session()
    allowed = {key for key in ApiKey if session.refusal(int(key)) is None}
    assert allowed == {ApiKey.API_VERSIONS, ApiKey.SASL_HANDSHAKE}

    session.tell_versions()
    allowed = {key for key in ApiKey if session.refusal(int(key)) is None}
    assert allowed == {ApiKey.SASL_HANDSHAKE}

    session.handshake("PLAIN", raw_tokens=False)
    in_place = {key for key in ApiKey if not session.is_out_of_place(int(key))}
    assert in_place == {ApiKey.SASL_AUTHENTICATE}

    session.authenticate(b"\0alice\0secret")
    assert session.refusal(int(ApiKey.METADATA)) is None


def test_mechanism_that_is_not_enabled_is_refused() -> None:
    session = new_session()

    assert session.handshake("GSSAPI", raw_tokens=False) is ErrorCode.UNSUPPORTED_SASL_MECHANISM
    assert not session.authenticating


def test_second_handshake_in_the_middle_of_a_login_is_refused() -> None:
    session = new_session()
    session.handshake("SCRAM-SHA-256", raw_tokens=False)

    assert session.handshake("PLAIN", raw_tokens=False) is ErrorCode.ILLEGAL_SASL_STATE


def test_session_ends_unless_the_client_logs_in_again() -> None:
    time = Time()
    session = new_session(time, session_ms=5_000)
    log_in(session, "alice", "secret")
    assert session.session_lifetime_ms == 5_000

    time.now = 4.9
    assert session.refusal(int(ApiKey.METADATA)) is None
    log_in(session, "alice", "secret")
    time.now = 9.8
    assert session.refusal(int(ApiKey.METADATA)) is None
    time.now = 9.9
    assert session.refusal(int(ApiKey.METADATA)) is not None


def test_session_never_ends_by_default() -> None:
    time = Time()
    session = new_session(time)
    log_in(session, "alice", "secret")

    time.now = 1e9

    assert session.session_lifetime_ms == 0
    assert session.refusal(int(ApiKey.METADATA)) is None


def test_client_cannot_become_somebody_else_by_logging_in_again() -> None:
    session = new_session(session_ms=5_000)
    log_in(session, "alice", "secret")

    with pytest.raises(AuthenticationFailed, match="Cannot change principals"):
        log_in(session, "bob", "pw")

    assert session.user == "alice"
    assert session.is_out_of_place(int(ApiKey.METADATA))


def test_nobody_logs_in_again_whose_session_lasts_for_ever() -> None:
    session = new_session()
    log_in(session, "alice", "secret")

    assert session.handshake("PLAIN", raw_tokens=False) is ErrorCode.ILLEGAL_SASL_STATE
    assert session.refusal(int(ApiKey.METADATA)) is None


def test_client_logs_in_again_by_the_same_mechanism_only() -> None:
    session = new_session(session_ms=5_000)
    log_in(session, "alice", "secret")

    error = session.handshake("SCRAM-SHA-256", raw_tokens=False)

    assert error is ErrorCode.UNSUPPORTED_SASL_MECHANISM
