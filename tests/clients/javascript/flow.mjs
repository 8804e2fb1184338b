// An application with openid-client, and jose as the verifier that knows the JWKS only.
import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import * as client from 'openid-client'

const { ISSUER, CLIENT_ID, CALLBACK, TENANT, EMAIL, API } = process.env
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const ask = async (what, url) => {
  console.log(`${what} ${url}`)
  return (await lines.next()).value
}

// Plain http is for loopback only.
const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, client.None(), {
  execute: [client.allowInsecureRequests],
})
const verifier = client.randomPKCECodeVerifier()
const [state, nonce] = [client.randomState(), client.randomNonce()]
const url = client.buildAuthorizationUrl(config, {
  redirect_uri: CALLBACK,
  scope: 'openid email profile',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
})
const callback = await ask('open', url)
const tokens = await client.authorizationCodeGrant(config, new URL(callback), {
  pkceCodeVerifier: verifier,
  expectedState: state,
  expectedNonce: nonce,
})
assert.equal(tokens.claims().email, EMAIL)

const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri))
const audience = decodeJwt(tokens.access_token).aud[0]
const { payload } = await jwtVerify(tokens.access_token, keys, { issuer: ISSUER, audience, typ: 'at+jwt' })
assert.equal(payload.tenant_id, TENANT)
await assert.rejects(jwtVerify(tokens.id_token, keys, { issuer: ISSUER, audience }))

const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)
assert.equal(info.email, EMAIL)
const call = () => client.fetchProtectedResource(config, tokens.access_token, new URL(API), 'GET')
let called = await call()
// The first request draws the tenant's quota.
for (let tries = 0; called.status === 503 && tries < 500; tries++) called = await call()
assert.equal(called.status, 200)
assert.ok((await called.text()).includes(TENANT))

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
assert.notEqual(refreshed.access_token, tokens.access_token)
await client.tokenRevocation(config, refreshed.refresh_token)
await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token), { error: 'invalid_grant' })

const logout = client.buildEndSessionUrl(config, {
  id_token_hint: tokens.id_token,
  post_logout_redirect_uri: CALLBACK,
  state: 'bye',
})
assert.equal(await ask('logout', logout), `${CALLBACK}?state=bye`)
console.log('ok')
process.exit(0)
