import { lookup as systemLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { Agent, request } from 'undici';
import { messageOf, RequestError } from '../../foundation/errors.ts';
import type { InferenceServerConfig } from '../config.ts';
import { refusal } from '../messages.ts';
import { addressFilter } from './addresses.ts';

/** @param field by which a refusal names the address. @throws RequestError */
export type FetchImage = (address: string, field: string, signal: AbortSignal) => Promise<Buffer>;

/** All addresses of a host. */
type Resolve = (host: string) => Promise<{ address: string; family: number }[]>;

export type RemoteImages = InferenceServerConfig['remoteImages'] & { maxBytes: number };

const resolveBySystem: Resolve = (host) => systemLookup(host, { all: true, order: 'verbatim' });

/**
 * Fetches pictures from addresses that a client names. At every hop the host is resolved once, every address of it must
 * be one that may be fetched from, and the connection goes to the address that was looked at, whatever the name says
 * by then. Redirects are followed by hand, and size and time are bounded over all hops.
 */
export function imageFetcher(options: RemoteImages, resolve: Resolve = resolveBySystem): FetchImage {
  const mayReach = addressFilter(options.allowedNetworks);
  return async (address, field, signal) => {
    const time = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutSeconds * 1000)]);
    let current = address;
    for (let hop = 0; hop <= options.maxRedirects; hop++) {
      const url = checkedUrl(current, field, options);
      const pinned = await pin(url, field, { resolve, mayReach, signal: time });
      const answer = await get(url, field, pinned, { ...options, signal: time });
      if (Buffer.isBuffer(answer)) return answer;
      current = answer.location;
    }
    throw failed(new URL(current), field, `it leads on more than ${options.maxRedirects} times`);
  };
}

function checkedUrl(text: string, field: string, { schemes, ports }: RemoteImages): URL {
  const invalid = (problem: string): RequestError => refusal('remote_address_invalid', { field, problem });
  if (text.length > 4096) throw invalid('it is longer than 4096 characters');
  if (!URL.canParse(text)) throw invalid('it is not a URL');
  const url = new URL(text);
  const scheme = url.protocol.slice(0, -1);
  if (!schemes.some((allowed) => allowed === scheme))
    throw invalid(`only ${schemes.join(', ')} may be fetched from`);
  if (url.username !== '' || url.password !== '') throw invalid('it holds a user name or a password');
  const port = url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port);
  if (!ports.includes(port)) throw invalid(`only the ports ${ports.join(', ')} may be fetched from`);
  return url;
}

interface Pinned {
  address: string;
  family: number;
}

async function pin(
  url: URL,
  field: string,
  {
    resolve,
    mayReach,
    signal,
  }: { resolve: Resolve; mayReach: (address: string) => boolean; signal: AbortSignal },
): Promise<Pinned> {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const family = isIP(host);
  const addresses = family === 0 ? await resolved(url, field, resolve, signal) : [{ address: host, family }];
  const [first] = addresses;
  // One that may not be reached among others that may is a trap, not an accident.
  if (first === undefined || !addresses.every(({ address }) => mayReach(address)))
    throw refusal('remote_address_forbidden', { field, host: url.host });
  return first;
}

async function resolved(url: URL, field: string, resolve: Resolve, signal: AbortSignal): Promise<Pinned[]> {
  const timeout = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(new Error('it took too long'));
    });
  });
  try {
    return await Promise.race([resolve(url.hostname), timeout]);
  } catch (error) {
    const problem = signal.aborted ? 'it took too long' : 'its name cannot be resolved';
    throw failed(url, field, problem, error);
  }
}

async function get(
  url: URL,
  field: string,
  pinned: Pinned,
  { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
): Promise<Buffer | { location: string }> {
  const agent = new Agent({
    connect: {
      // Whatever is asked for, the answer is the address that was looked at.
      lookup: (_host, options, callback) => {
        if (options.all === true) callback(null, [pinned]);
        else callback(null, pinned.address, pinned.family);
      },
    },
  });
  try {
    const { statusCode, headers, body } = await request(url, {
      dispatcher: agent,
      signal,
      headers: { accept: 'image/*', 'accept-encoding': 'identity', 'user-agent': 'imageplane' },
    });
    // What is not read is broken off, and says so.
    body.on('error', () => undefined);
    if (statusCode >= 300 && statusCode < 400) {
      body.destroy();
      return { location: nextOf(url, field, headers['location']) };
    }
    if (statusCode !== 200) {
      body.destroy();
      throw failed(url, field, `it answered ${statusCode}`);
    }
    return await bounded(body, Number(headers['content-length'] ?? 0), maxBytes);
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw failed(url, field, signal.aborted ? 'it took too long' : 'the connection failed', error);
  } finally {
    await agent.destroy();
  }
}

function nextOf(url: URL, field: string, location: string | string[] | undefined): string {
  if (typeof location !== 'string' || !URL.canParse(location, url.href))
    throw failed(url, field, 'it leads on without saying where');
  return new URL(location, url).href;
}

async function bounded(body: AsyncIterable<Buffer>, announced: number, maxBytes: number): Promise<Buffer> {
  if (announced > maxBytes) throw refusal('body_too_large', { maxBytes });
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of body) {
    total += chunk.length;
    if (total > maxBytes) throw refusal('body_too_large', { maxBytes });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The cause may tell of what is behind an address: it goes to the log, and not to the client. */
function failed(url: URL, field: string, problem: string, cause?: unknown): RequestError {
  return refusal(
    'remote_fetch_failed',
    { field, host: url.host, problem },
    cause === undefined ? {} : { cause: new Error(messageOf(cause)) },
  );
}
