/** A certified OpenID provider for the tests: node provider.mjs PORT '{"client": {...}, "claims": [...]}' */

import Provider from "oidc-provider";

const [port, text] = process.argv.slice(2);
const options = JSON.parse(text);

/** Anybody may sign in with any password; who is called an admin has the role. */
function account(_context, subject) {
  const roles = subject.startsWith("admin") ? ["admin"] : ["user"];
  return { accountId: subject, claims: async () => ({ sub: subject, name: subject, analytics: { roles } }) };
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ grant_types: ["authorization_code"], response_types: ["code"], ...options.client }],
  claims: { openid: ["sub"], profile: ["name", "analytics"] },
  // Otherwise claims are at the userinfo endpoint alone.
  conformIdTokenClaims: options.isThin,
  clientAuthMethods: [options.client.token_endpoint_auth_method],
  cookies: { keys: ["a key of the tests"] },
  findAccount: account,
  pkce: { required: () => true },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
