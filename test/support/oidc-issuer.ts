import { createServer } from 'node:https';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import Provider, { type Configuration, type KoaContextWithOIDC } from 'oidc-provider';
import type { BrowserClient } from './browser-client.ts';
import type { Certificate } from './certificate.ts';

export interface Person {
  name: string;
  department: string;
  groups: string[];
  disabled?: boolean;
}

/** A real OpenID provider. Refresh tokens are rotated, and one that is used twice ends the whole grant. */
export interface OidcIssuer {
  url: string;
  clientId: string;
  clientSecret: string;
  people: Map<string, Person>;
  /** Refresh grants of a person so far, by how they ended. */
  refreshes: (login: string) => { given: number; refused: number };
  /** Serves, once it is known where people come back to. */
  serve(gatewayUrl: string, providerName: string): Promise<void>;
  /** New keys; the old ones are gone at once. */
  rotateKeys(): Promise<void>;
  /** While true, nothing is answered. */
  away: { value: boolean };
  /** Goes through the provider's own pages; gives the address that it sends the browser back to. */
  signIn(browser: BrowserClient, startUrl: string, login: string): Promise<string>;
  close(): Promise<void>;
}

export async function startOidcIssuer({ cert, key }: Certificate): Promise<OidcIssuer> {
  const clientId = 'imageplane';
  const clientSecret = 'a-secret-of-the-test';
  const people = new Map<string, Person>();
  const grants: { login: string | undefined; given: boolean }[] = [];
  const away = { value: false };
  let handler: RequestListener | undefined;
  let rotation = 0;
  let configuration: Configuration | undefined;
  const server = createServer({ cert, key }, (request, response) => {
    if (away.value || handler === undefined) request.socket.destroy();
    else handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function start(): Promise<void> {
    const provider = new Provider(url, {
      ...configuration,
      jwks: { keys: [await newKey(`key-${rotation++}`)] },
    });
    const note = (ctx: KoaContextWithOIDC, given: boolean): void => {
      const { RefreshToken: token } = ctx.oidc.entities;
      if (ctx.oidc.params?.['grant_type'] === 'refresh_token')
        grants.push({ login: token?.accountId, given });
    };
    provider.on('grant.success', (ctx) => {
      note(ctx, true);
    });
    provider.on('grant.error', (ctx) => {
      note(ctx, false);
    });
    const callback = provider.callback();
    handler = (request, response) => {
      void callback(request, response);
    };
  }

  return {
    url,
    clientId,
    clientSecret,
    people,
    refreshes(login) {
      const own = grants.filter((one) => one.login === login);
      const given = own.filter((one) => one.given).length;
      return { given, refused: own.length - given };
    },
    away,
    async serve(gatewayUrl, providerName) {
      configuration = {
        clients: [
          {
            client_id: clientId,
            client_secret: clientSecret,
            token_endpoint_auth_method: 'client_secret_post',
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            redirect_uris: [`${gatewayUrl}/auth/providers/${providerName}/callback`],
            post_logout_redirect_uris: [`${gatewayUrl}/`],
          },
        ],
        claims: { openid: ['sub', 'auth_time', 'amr'], profile: ['name', 'department', 'groups'] },
        findAccount(_ctx, id) {
          const person = people.get(id);
          if (person === undefined || person.disabled === true) return undefined;
          return {
            accountId: id,
            claims: () => ({
              sub: id,
              name: person.name,
              department: person.department,
              groups: person.groups,
            }),
          };
        },
        pkce: { required: () => true },
        rotateRefreshToken: true,
        cookies: { keys: ['a key of the test'] },
        features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
      };
      await start();
    },
    rotateKeys: start,
    async signIn(browser, startUrl, login) {
      let { url: at, response } = await browser.follow(startUrl, {
        until: /\/auth\/providers\/.*\/callback/,
      });
      for (let step = 0; step < 4 && at.startsWith(url); step++) {
        const page = await response.text();
        const prompt = page.includes('name="login"') ? 'login' : 'consent';
        const form = prompt === 'login' ? { prompt, login, password: 'any' } : { prompt };
        const action = /action="([^"]+)"/.exec(page)?.[1] ?? '';
        ({ url: at, response } = await browser.follow(new URL(action, at).href, {
          form,
          until: /\/auth\/providers\/.*\/callback/,
        }));
      }
      return at;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function newKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' };
}
