import { Agent, fetch, type Response } from 'undici';

/** What a browser does with redirects and cookies, over several hosts, without pages or scripts. */
export interface BrowserClient {
  /** One request, with the cookies of its host; cookies of the answer are kept. */
  send(
    url: string,
    init?: { form?: Record<string, string>; headers?: Record<string, string> },
  ): Promise<Response>;
  /** The same, and then every redirect; `until` stops before a request that matches. */
  follow(
    url: string,
    init?: { form?: Record<string, string>; until?: RegExp },
  ): Promise<{ url: string; response: Response; trail: string[] }>;
  cookies(url: string): Record<string, string>;
  plant(url: string, name: string, value: string): void;
}

const MAX_REDIRECTS = 30;

let made = 1;

/**
 * `ca`: the authority of the hosts that speak TLS. Each comes from a loopback address of its own, as people do, so
 * that what is counted by address is counted apart.
 */
export function createBrowserClient(ca?: string): BrowserClient {
  const localAddress = `127.1.${(made >> 8) & 255}.${made++ & 255}`;
  const dispatcher = new Agent({ localAddress, ...(ca === undefined ? {} : { connect: { ca } }) });
  const jars = new Map<string, Map<string, string>>();
  const jarOf = (url: string): Map<string, string> => {
    const { origin } = new URL(url);
    const jar = jars.get(origin) ?? new Map<string, string>();
    jars.set(origin, jar);
    return jar;
  };

  function keep(url: string, response: Response): void {
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = cookie.split(';').map((part) => part.trim());
      const [name = '', ...value] = pair.split('=');
      const over = attributes.some((one) => {
        const [key = '', given = ''] = one.split('=');
        const lower = key.toLowerCase();
        return (
          (lower === 'max-age' && Number(given) <= 0) ||
          (lower === 'expires' && Date.parse(given) < Date.now())
        );
      });
      if (over) jarOf(url).delete(name);
      else jarOf(url).set(name, value.join('='));
    }
  }

  const client: BrowserClient = {
    async send(url, { form, headers = {} } = {}) {
      const cookie = [...jarOf(url)].map(([name, value]) => `${name}=${value}`).join('; ');
      const response = await fetch(url, {
        dispatcher,
        redirect: 'manual',
        method: form === undefined ? 'GET' : 'POST',
        headers: {
          accept: 'text/html',
          ...(cookie === '' ? {} : { cookie }),
          ...(form === undefined ? {} : { origin: new URL(url).origin }),
          ...headers,
        },
        ...(form === undefined ? {} : { body: new URLSearchParams(form) }),
      });
      keep(url, response);
      return response;
    },
    async follow(url, { form, until } = {}) {
      let at = url;
      const trail = [at];
      let response = await client.send(at, form === undefined ? {} : { form });
      for (let count = 0; count < MAX_REDIRECTS; count++) {
        const location = response.headers.get('location');
        if (location === null) break;
        const next = new URL(location, at).href;
        trail.push(next);
        if (until?.test(next) === true) return { url: next, response, trail };
        at = next;
        response = await client.send(at);
      }
      return { url: at, response, trail };
    },
    cookies: (url) => Object.fromEntries(jarOf(url)),
    plant(url, name, value) {
      jarOf(url).set(name, value);
    },
  };
  return client;
}
