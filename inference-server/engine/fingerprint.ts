import { webcrypto } from 'node:crypto';
import type { Output, Work } from './engine.ts';

/**
 * Equal for jobs that come to the same: tenant, the model's version, parameters and input. Hashed in the thread pool,
 * since a picture of 30 MiB would hold the event loop up for long.
 */
export async function fingerprintOf(tenant: string, version: string, work: Work): Promise<string> {
  const { parameters, parts } = partsOf(work);
  const digests = await Promise.all(parts.map(async (part) => hex(await sha256(part))));
  const whole = JSON.stringify([tenant, version, work.kind, parameters, digests]);
  return hex(await sha256(Buffer.from(whole)));
}

function partsOf(work: Work): { parameters: unknown; parts: Uint8Array[] } {
  if (work.kind === 'background-removal')
    return { parameters: sortedEntries(work.options), parts: [work.bytes] };
  const inputs = work.inputs.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return {
    parameters: [inputs.map(({ name, datatype, shape }) => [name, datatype, shape]), work.outputs ?? null],
    parts: inputs.map(({ data }) => data),
  };
}

function sortedEntries(options: object): [string, unknown][] {
  return Object.entries(options).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

async function sha256(bytes: Uint8Array): Promise<ArrayBuffer> {
  return webcrypto.subtle.digest('SHA-256', new Uint8Array(bytes));
}

function hex(digest: ArrayBuffer): string {
  return Buffer.from(digest).toString('hex');
}

/** What a job holds while it waits. */
export function bytesOfWork(work: Work): number {
  return work.kind === 'background-removal' ? work.bytes.length : sumOf(work.inputs);
}

export function bytesOfOutput(output: Output): number {
  return output.kind === 'background-removal' ? output.bytes.length : sumOf(output.outputs);
}

function sumOf(tensors: { data: Uint8Array }[]): number {
  return tensors.reduce((sum, { data }) => sum + data.length, 0);
}
