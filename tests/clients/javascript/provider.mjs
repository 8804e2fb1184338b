// An OpenID provider with the library oidc-provider, as it comes: its people are who they say in
// login_hint. Those whose name starts with "un" have confirmed no address.
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const { CLIENT_ID, CLIENT_SECRET, CALLBACK } = process.env
const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: [{ client_id: CLIENT_ID, client_secret: CLIENT_SECRET, redirect_uris: [CALLBACK] }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    pkce: { required: () => true },
    cookies: { keys: ['of one test'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        email: id,
        email_verified: !id.startsWith('un'),
        name: id.split('@')[0],
      }),
    }),
  })
  const serve = provider.callback()
  server.on('request', async (req, res) => {
    if (!req.url.startsWith('/interaction/')) return serve(req, res)
    const { prompt, params, session, grantId } = await provider.interactionDetails(req, res)
    if (prompt.name === 'login') {
      return provider.interactionFinished(req, res, { login: { accountId: params.login_hint } })
    }
    const grant = grantId
      ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id })
    grant.addOIDCScope(params.scope)
    const consent = { grantId: await grant.save() }
    return provider.interactionFinished(req, res, { consent }, { mergeWithLastSubmission: true })
  })
  console.log(`issuer ${issuer}`)
})
