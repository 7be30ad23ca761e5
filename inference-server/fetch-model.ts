import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { modelFetchExit, type ModelFetchMessage, modelFetchMessageText } from '../contracts/model-fetch.ts';
import { parseConfig } from '../foundation/config.ts';
import { messageOf } from '../foundation/errors.ts';
import { createLogger } from '../foundation/logger.ts';
import { modelConfig } from './config.ts';
import { downloadBlob, ModelFetchError } from './model-fetch/download.ts';

/** What it needs of the inference server's own configuration. */
const fetchConfig = z.object({ models: z.array(modelConfig).min(1) });
const USAGE =
  'Usage: inference-server/fetch-model.ts --config FILE.json --store URL [--termination-log FILE]';

/**
 * The init container of a pod: brings every file of the inference server's configuration from the model store to its
 * path. Ends with 0, or with a code and a termination message of contracts/model-fetch.ts.
 */
const logger = createLogger('fetch-model', 'info');
const { values } = parseArgs({
  options: {
    config: { type: 'string' },
    store: { type: 'string' },
    'termination-log': { type: 'string', default: '/dev/termination-log' },
  },
});

try {
  const { config, store } = values;
  if (config === undefined || store === undefined || !URL.canParse(store))
    throw new ModelFetchError('Usage', USAGE);
  for (const file of await wantedFiles(config)) {
    const from = performance.now();
    await downloadBlob(file, {
      store,
      fetch,
      sleep: (ms) => delay(ms),
      random: Math.random,
      report: (message) => {
        logger.info({ sha256: file.sha256 }, message);
      },
    });
    logger.info({ sha256: file.sha256, size: file.size, ms: Math.round(performance.now() - from) }, 'there');
  }
} catch (error) {
  const ended: ModelFetchMessage =
    error instanceof ModelFetchError
      ? { reason: error.reason, message: error.message }
      : { reason: 'Unreachable', message: messageOf(error) };
  logger.fatal(error instanceof ModelFetchError ? { reason: error.reason } : { err: error }, ended.message);
  // Outside a container there is no such file.
  await writeFile(values['termination-log'], modelFetchMessageText(ended)).catch(() => undefined);
  process.exitCode = modelFetchExit[ended.reason];
}

async function wantedFiles(config: string) {
  try {
    const value: unknown = JSON.parse(await readFile(config, 'utf8'));
    return parseConfig(fetchConfig, value, config).models.flatMap(({ files }) => files);
  } catch (error) {
    throw new ModelFetchError('Usage', `The configuration cannot be used: ${messageOf(error)}`);
  }
}
