"""A JWT that we sign is exchanged for a token: what is claimed, by which key, and which one cannot be."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from pydantic import SecretStr

from strandline.errors import CredentialsRejected, DeclarationError
from strandline.source import JwtAssertion
from strandline.testing.server import Response, ScriptedApi
from strandline.testing.tokens import Tokens

SHARED = "a shared secret of thirty-two bytes or more"


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(*kinds).decode()


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    kinds = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(*kinds)


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
KEYS: dict[str, tuple[str, Any]] = {
    "RS256": (pem(RSA), RSAKey.import_key(public(RSA))),
    "ES256": (pem(EC).replace("\n", "\\n"), ECKey.import_key(public(EC))),
    "HS256": (SHARED, OctKey.import_key(SHARED)),
}


@pytest.fixture
def tokens(api: ScriptedApi) -> Tokens:
    tokens = Tokens()
    api.respond("/token", tokens)
    api.respond("/customers", tokens.guarded(lambda _: Response(b'{"data": []}')))
    return tokens


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_jwt_is_signed_and_exchanged(
    api: ScriptedApi, open_crm: Callable[..., Any], tokens: Tokens, algorithm: Any
) -> None:
    private, public_key = KEYS[algorithm]
    crm = open_crm(
        credentials=staticmethod(
            lambda _: JwtAssertion(
                "/token",
                issuer="us@example.com",
                subject="reader@example.com",
                scope="read",
                key=SecretStr(private),
                key_id="key 7",
                algorithm=algorithm,
            )
        )
    )
    crm.read()
    crm.read()

    assert tokens.granted == 1
    form = tokens.forms[0]
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert form["scope"] == "read"
    found = jwt.decode(form["assertion"], public_key, algorithms=[algorithm])
    assert found.header == {"alg": algorithm, "typ": "JWT", "kid": "key 7"}
    claims = found.claims
    assert abs(claims.pop("iat") - time.time()) < 5
    assert 170 < claims.pop("exp") - time.time() <= 180
    assert len(claims.pop("jti")) == 32
    assert claims == {
        "iss": "us@example.com",
        "sub": "reader@example.com",
        "scope": "read",
        "aud": f"{api.url}/token",
    }


def test_a_jwt_that_is_refused_is_told(
    api: ScriptedApi, open_crm: Callable[..., Any], tokens: Tokens
) -> None:
    """Each is signed anew, so nobody refuses it for having been used."""
    api.respond("/token", Response(b'{"error": "invalid_grant"}', status=400))
    crm = open_crm(
        credentials=staticmethod(
            lambda _: JwtAssertion(
                "/token", issuer="us", audience="https://login.example.com", key=SHARED, algorithm="HS256"
            )
        )
    )

    with pytest.raises(CredentialsRejected, match=r"400 Bad Request \(invalid_grant\) to the JWT assertion"):
        crm.read()
    with pytest.raises(CredentialsRejected):
        crm.read()
    sent = [dict(it.split("=") for it in request.body.decode().split("&")) for request in api.requests]
    assert sent[0]["assertion"] != sent[1]["assertion"]


@pytest.mark.parametrize("key", ["not a key", public(RSA).decode()], ids=["text", "public key"])
def test_a_key_that_cannot_sign_is_told_before_anything_is_read(
    api: ScriptedApi, open_crm: Callable[..., Any], key: str
) -> None:
    crm = open_crm(credentials=staticmethod(lambda _: JwtAssertion("/token", issuer="us", key=key)))

    with pytest.raises(DeclarationError, match="the key cannot be read as one for RS256") as caught, crm:
        pass
    assert key not in str(caught.value)
    assert api.requests == []


def test_an_algorithm_is_one_that_is_known() -> None:
    with pytest.raises(DeclarationError, match="one of RS256, ES256, HS256"):
        JwtAssertion("/token", issuer="us", key="key", algorithm="none")  # type: ignore[arg-type]
