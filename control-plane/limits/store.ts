import { createHash } from 'node:crypto';
import { Redis } from 'iovalkey';

/** A connection to Valkey or Redis on which nothing waits longer than the hard timeout. */
export interface SharedStore {
  /** Names the run of the server. @throws */
  run(): Promise<string>;
  /** Makes scripts known to the server, so that calls of them run in the order in which they are made. @throws */
  load(texts: readonly string[]): Promise<void>;
  /** @throws when it gave no answer in time; nobody knows then whether it ran. */
  script(text: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** Called whenever there is a connection; at once if there is one. */
  onReady(listener: () => void): void;
  /** Called when the connection is lost: another server may answer next. */
  onLost(listener: () => void): void;
  close(): void;
}

const RETRY_MS = 250;

/** `url`: `redis://` or `rediss://`, with a database if it is not the first. */
export function openSharedStore(options: {
  url: string;
  password?: string | undefined;
  timeoutMs: number;
}): SharedStore {
  const { url, password, timeoutMs } = options;
  const client = new Redis(url, {
    ...(password === undefined ? {} : { password }),
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    retryStrategy: () => RETRY_MS,
    connectionName: 'imageplane-gateway',
  });
  // What fails is told to whoever asks; without a listener it would end the process.
  client.on('error', () => undefined);
  const digests = new Map<string, string>();

  return {
    async run() {
      const info = await within(client.info('server'), timeoutMs);
      const run = /^run_id:(\S+)/m.exec(info)?.[1];
      if (run === undefined) throw new Error('the server of shared limits does not name its run');
      return run;
    },
    async load(texts) {
      await within(Promise.all(texts.map((text) => client.script('LOAD', text))), timeoutMs);
    },
    async script(text, keys, args) {
      const digest = digests.get(text) ?? createHash('sha1').update(text).digest('hex');
      digests.set(text, digest);
      const all = [...keys, ...args];
      try {
        return await within(client.evalsha(digest, keys.length, ...all), timeoutMs);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return within(client.eval(text, keys.length, ...all), timeoutMs);
      }
    },
    onReady(listener) {
      client.on('ready', listener);
      if (client.status === 'ready') listener();
    },
    onLost(listener) {
      client.on('close', listener);
    },
    close() {
      client.disconnect();
    },
  };
}

/**
 * A timer may come first when this process was busy, with the answer already in the socket: one more turn of the event
 * loop tells a slow server from a slow process.
 */
async function within<T>(asked: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      setImmediate(() => {
        setImmediate(() => {
          reject(new Error(`the server of shared limits did not answer within ${timeoutMs} ms`));
        });
      });
    }, timeoutMs);
  });
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
