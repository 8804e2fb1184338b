// What `bench identity` compares with: the library oidc-provider as it comes, with an adapter that
// keeps everything in PostgreSQL (the connection is described by PGHOST and its like) before it
// answers. Prints one line of JSON when it listens: refresh tokens of one person, for one client.
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'
import pg from 'pg'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, TOKENS } = process.env
const AUDIENCE = `${ISSUER}/apis/bench`

const pool = new pg.Pool({ max: 20 })
await pool.query(`create table if not exists payloads (
  model text, id text, payload jsonb not null, grant_id text, uid text, user_code text,
  consumed_at bigint, expires_at timestamptz, primary key (model, id))`)
await pool.query('create index if not exists payloads_grant on payloads (grant_id)')

/** https://github.com/panva/node-oidc-provider/blob/main/example/my_adapter.js */
class Postgres {
  constructor(model) {
    this.model = model
  }

  async upsert(id, payload, expiresIn) {
    const expires = expiresIn ? new Date(Date.now() + expiresIn * 1000) : null
    await pool.query({
      name: 'upsert',
      text: `insert into payloads (model, id, payload, grant_id, uid, user_code, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (model, id) do update set payload = excluded.payload,
          grant_id = excluded.grant_id, expires_at = excluded.expires_at`,
      values: [this.model, id, payload, payload.grantId, payload.uid, payload.userCode, expires],
    })
  }

  async select(column, value) {
    const { rows } = await pool.query({
      name: `find ${column}`,
      text: `select payload, consumed_at from payloads
        where model = $1 and ${column} = $2 and (expires_at is null or expires_at > now())`,
      values: [this.model, value],
    })
    if (!rows[0]) return undefined
    const consumed = rows[0].consumed_at ? { consumed: Number(rows[0].consumed_at) } : {}
    return { ...rows[0].payload, ...consumed }
  }

  find(id) {
    return this.select('id', id)
  }

  findByUid(uid) {
    return this.select('uid', uid)
  }

  findByUserCode(userCode) {
    return this.select('user_code', userCode)
  }

  async consume(id) {
    await pool.query({
      name: 'consume',
      text: 'update payloads set consumed_at = $3 where model = $1 and id = $2',
      values: [this.model, id, Math.floor(Date.now() / 1000)],
    })
  }

  async destroy(id) {
    await pool.query('delete from payloads where model = $1 and id = $2', [this.model, id])
  }

  async revokeByGrantId(grantId) {
    await pool.query('delete from payloads where model = $1 and grant_id = $2', [this.model, grantId])
  }
}

const { privateKey } = await generateKeyPair('RS256', { extractable: true })
const provider = new Provider(ISSUER, {
  adapter: Postgres,
  clients: [{
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    redirect_uris: ['https://app.example.com/callback'],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    token_endpoint_auth_method: 'client_secret_post',
    id_token_signed_response_alg: 'RS256',
  }],
  cookies: { keys: ['of one run'] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => AUDIENCE,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'orders:read',
        audience: AUDIENCE,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 3600,
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig' }] },
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access', 'orders:read'],
  ttl: { AccessToken: 3600, ClientCredentials: 3600, IdToken: 3600, RefreshToken: 86400, Grant: 86400 },
})

const client = await provider.Client.find(CLIENT_ID)
const scope = 'openid offline_access orders:read'
const tokens = []
for (let number = 0; number < Number(TOKENS); number += 1) {
  const accountId = `person-${number}`
  const grant = new provider.Grant({ accountId, clientId: CLIENT_ID })
  grant.addOIDCScope('openid offline_access')
  grant.addResourceScope(AUDIENCE, 'orders:read')
  const token = new provider.RefreshToken({
    accountId,
    client,
    grantId: await grant.save(),
    authTime: Math.floor(Date.now() / 1000),
    expiresWithSession: false,
    gty: 'authorization_code',
    resource: AUDIENCE,
    rotations: 0,
    scope,
  })
  tokens.push(await token.save())
}

createServer(provider.callback()).listen(Number(new URL(ISSUER).port), '127.0.0.1', () => {
  console.log(JSON.stringify({ tokens }))
})
process.on('SIGTERM', () => process.exit(0))
