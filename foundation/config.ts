import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { messageOf, UsageError } from './errors.ts';

/**
 * Reads the JSON file named by `--config`. Secrets stand in files that the configuration names, never in arguments.
 * @throws UsageError naming the file and each field that is wrong.
 */
export async function configFromArguments<S extends z.ZodType>(
  schema: S,
  argv: string[],
  program: string,
): Promise<z.infer<S>> {
  const { values } = parseArgs({
    args: argv,
    options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.config === undefined || values.help === true)
    throw new UsageError(`Usage: ${program} --config FILE.json`);
  return parseConfig(schema, await readJson(values.config), values.config);
}

export function parseConfig<S extends z.ZodType>(schema: S, value: unknown, source: string): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (!parsed.success)
    throw new UsageError(`${source} is not a valid configuration:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`Cannot read the configuration ${path}: ${messageOf(error)}`);
  }
}

export async function readSecret(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).trim();
}
