/** What a cluster remembers on disk: which processes it started, and how it was asked for. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Layout } from './layout.ts';

const identitySchema = z.object({ pid: z.int().positive(), started: z.string() });
const processesSchema = z.record(z.string(), identitySchema);
export type Processes = z.infer<typeof processesSchema>;

const settingsSchema = z.object({
  index: z.int().nonnegative(),
  server: z.string(),
  ready: z.boolean(),
  /** Seconds from the call to a ready cluster, binaries and packages at hand. */
  startSeconds: z.number().optional(),
});
export type Settings = z.infer<typeof settingsSchema>;

async function replaceFile(file: string, value: unknown): Promise<void> {
  const part = `${file}.part`;
  await writeFile(part, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(part, file);
}

async function readJson<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    return undefined;
  }
  return schema.parse(JSON.parse(text));
}

export async function readProcesses(layout: Layout): Promise<Processes> {
  return (await readJson(layout.processes, processesSchema)) ?? {};
}

export async function writeProcesses(layout: Layout, processes: Processes): Promise<void> {
  await replaceFile(layout.processes, processes);
}

export async function readSettings(layout: Layout): Promise<Settings | undefined> {
  return readJson(layout.settings, settingsSchema);
}

export async function writeSettings(layout: Layout, settings: Settings): Promise<void> {
  await replaceFile(layout.settings, settings);
}

/** The folders that a cluster starts with. */
export async function createFolders(layout: Layout): Promise<void> {
  await mkdir(layout.state, { recursive: true, mode: 0o700 });
  const folders = [layout.componentLogs, layout.pki, join(layout.configuration, 'cni'), layout.kubeconfigs];
  for (const folder of [...folders, join(layout.lib, 'containerd-socket'), join(layout.state, 'images')]) {
    await mkdir(folder, { recursive: true });
  }
}
