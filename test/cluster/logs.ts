import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Layout } from './layout.ts';

/** The last lines of a component's log, for an error's message. */
export async function describeLogEnd(layout: Layout, component: string, lines = 15): Promise<string> {
  const file = join(layout.componentLogs, `${component}.log`);
  const text = await readFile(file, 'utf8').catch(() => '');
  return `The end of its log:\n${text.trimEnd().split('\n').slice(-lines).join('\n')}`;
}

/** Names of the components that have a log. */
export async function logNames(layout: Layout): Promise<string[]> {
  const files = await readdir(layout.componentLogs).catch(() => []);
  return files.map((file) => file.replace(/\.log$/, '')).sort();
}
