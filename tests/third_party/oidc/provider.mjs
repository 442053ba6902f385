// panva's certified OpenID Connect provider, with one client and anybody who says a name. Says where it listens.
import { createServer } from "node:https";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, key, cert, redirectUri] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(createRequire(`${modules}/`).resolve("oidc-provider")));
const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) });
server.listen(0, "127.0.0.1", () => {
  const issuer = `https://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: "thermae", client_secret: "a secret of at least 32 characters", redirect_uris: [redirectUri] }],
    pkce: { required: () => true, methods: ["S256"] },
    claims: { openid: ["sub", "groups"], email: ["email", "email_verified"], profile: ["name", "preferred_username"] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id, email: `${id}@acme.example`, email_verified: id !== "mallory", name: `${id} of Acme`, preferred_username: id, groups: ["staff"],
      }),
    }),
    ttl: { Session: 600, Interaction: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
