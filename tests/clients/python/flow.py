"""An application with Authlib, and PyJWT as the verifier that knows the JWKS only."""

import os
import sys

import jwt
import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session

issuer, client_id, callback = os.environ["ISSUER"], os.environ["CLIENT_ID"], os.environ["CALLBACK"]
# Plain http is for loopback only.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=30).json()
assert metadata["issuer"] == issuer

session = OAuth2Session(
    client_id,
    scope="openid email profile",
    redirect_uri=callback,
    code_challenge_method="S256",
    token_endpoint_auth_method="none",
)
verifier, nonce = generate_token(48), generate_token(20)
url, state = session.create_authorization_url(
    metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce
)
print("open", url, flush=True)
answer = sys.stdin.readline().strip()
token = session.fetch_token(
    metadata["token_endpoint"], authorization_response=answer, code_verifier=verifier, state=state
)

keys = jwt.PyJWKClient(metadata["jwks_uri"])


def verify(text, audience):
    key = keys.get_signing_key_from_jwt(text)
    return jwt.decode(text, key.key, algorithms=["RS256"], issuer=issuer, audience=audience)


identity = verify(token["id_token"], client_id)
assert identity["nonce"] == nonce and identity["email"] == os.environ["EMAIL"]
access = jwt.decode(token["access_token"], options={"verify_signature": False})
access = verify(token["access_token"], access["aud"][0])
assert access["tenant_id"] == os.environ["TENANT"] and access["token_use"] == "access"
try:
    verify(token["access_token"], "https://another.example")
    sys.exit("an audience was not checked")
except jwt.InvalidAudienceError:
    pass

info = session.get(metadata["userinfo_endpoint"]).json()
assert info["sub"] == identity["sub"]
for _ in range(500):
    called = session.get(os.environ["API"])
    if called.status_code != 503:  # the first request draws the tenant's quota
        break
assert called.status_code == 200, called.text
assert os.environ["TENANT"] in called.text

refreshed = session.refresh_token(metadata["token_endpoint"])
assert refreshed["access_token"] != token["access_token"]
revoked = session.revoke_token(
    metadata["revocation_endpoint"], token=refreshed["refresh_token"]
)
assert revoked.status_code == 200, revoked.text
assert session.get(metadata["userinfo_endpoint"]).status_code == 401

query = requests.models.PreparedRequest()
query.prepare_url(
    metadata["end_session_endpoint"],
    {"id_token_hint": token["id_token"], "post_logout_redirect_uri": callback, "state": "bye"},
)
print("logout", query.url, flush=True)
assert sys.stdin.readline().strip() == f"{callback}?state=bye"
print("ok")
