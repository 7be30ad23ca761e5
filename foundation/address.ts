import { z } from 'zod';

export const tcpAddress = z.strictObject({ host: z.string().min(1), port: z.int().min(0).max(65_535) });

/** Where a program listens: at an address of the network, or at a socket in a folder that says who may reach it. */
export const address = z.union([tcpAddress, z.strictObject({ socket: z.string().min(1) })]);
export type Address = z.infer<typeof address>;

const UNIX = 'http+unix:';

/** `http+unix://%2Frun%2Fapi.sock/path`: HTTP over the socket `/run/api.sock`. */
export function unixUrl(socket: string, path = ''): string {
  return `${UNIX}//${encodeURIComponent(socket)}${path}`;
}

/** What to ask and, where the URL names a socket, over which one. */
export function routeTo(text: string): { url: URL; socketPath: string | undefined } {
  const url = new URL(text);
  if (url.protocol !== UNIX) return { url, socketPath: undefined };
  return {
    url: new URL(`http://localhost${url.pathname}${url.search}`),
    socketPath: decodeURIComponent(url.hostname),
  };
}
