import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { unixUrl } from '../../foundation/address.ts';
import { parseConfig, readSecret } from '../../foundation/config.ts';
import { messageOf, UsageError } from '../../foundation/errors.ts';
import { fetchAnywhere } from '../../foundation/fetch.ts';
import { apiConfig } from './config.ts';

const USAGE = `Usage: control-plane/api/ask.ts first-key|break-glass --tenant TENANT [--config FILE.json]

Run where the API runs, beside it, with its configuration:

  first-key    prints an API key of an administrator of the tenant, good for 30 days; the one printed before ends
  break-glass  makes the tenant's account for the day on which every identity provider is away, and prints all of it`;

const paths: Record<string, string> = {
  'first-key': '/internal/v1/demo-key',
  'break-glass': '/internal/v1/break-glass',
};

/** Asks the API what only those may ask who can run a program beside it. The answer goes to the terminal alone. */
async function ask(argv: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      config: { type: 'string', default: '/etc/imageplane/config.json' },
      tenant: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const path = paths[positionals[0] ?? ''];
  if (values.help === true || path === undefined || values.tenant === undefined) throw new UsageError(USAGE);
  const config = parseConfig(apiConfig, JSON.parse(await readFile(values.config, 'utf8')), values.config);
  const { internal } = config;
  const url =
    'socket' in internal ? unixUrl(internal.socket, path) : `http://127.0.0.1:${internal.port}${path}`;
  const response = await fetchAnywhere(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await readSecret(config.internalTokenFile)}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ tenant: values.tenant }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (!response.ok) throw new UsageError(`The API answered ${response.status}: ${text}`);
  const answer = JSON.parse(text) as Record<string, unknown>;
  process.stdout.write(
    typeof answer['key'] === 'string' ? `${answer['key']}\n` : `${JSON.stringify(answer, null, 2)}\n`,
  );
}

try {
  await ask(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 2;
}
