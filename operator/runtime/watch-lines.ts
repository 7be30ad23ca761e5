import type { KubernetesObject } from './types.ts';

export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: KubernetesObject;
}

/** What came is no line of a watch: bytes are missing, or it is longer than any object. */
export class MalformedLineError extends Error {
  constructor(why: string) {
    super(`A line of the watch is malformed: ${why}`);
    this.name = 'MalformedLineError';
  }
}

const NEWLINE = 10;
/** etcd takes 1.5 MiB; its JSON can be larger than what is stored. */
const LONGEST_LINE = 16 * 1024 * 1024;
const TYPES: readonly string[] = ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR'];

/**
 * Events of a watch from the bytes of its answer, one JSON object a line.
 * @throws MalformedLineError at the first line that is none, also when the last one is cut off.
 */
export async function* watchEvents(
  chunks: AsyncIterable<Uint8Array>,
  onBytes: () => void = () => undefined,
): AsyncGenerator<WatchEvent> {
  let pending: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    onBytes();
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      pending.push(chunk.subarray(start, end));
      const line = Buffer.concat(pending).toString('utf8');
      pending = [];
      size = 0;
      start = end + 1;
      if (line.trim() !== '') yield parseEvent(line);
    }
    if (start === chunk.byteLength) continue;
    pending.push(chunk.subarray(start));
    size += chunk.byteLength - start;
    if (size > LONGEST_LINE) throw new MalformedLineError(`more than ${LONGEST_LINE} bytes`);
  }
  if (size > 0) throw new MalformedLineError('the answer ended within it');
}

function parseEvent(line: string): WatchEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new MalformedLineError('it is not JSON');
  }
  if (!isEvent(value)) throw new MalformedLineError('it is no event');
  return value;
}

function isEvent(value: unknown): value is WatchEvent {
  if (!isObject(value) || !isObject(value['object'])) return false;
  const { type, object } = value;
  if (typeof type !== 'string' || !TYPES.includes(type)) return false;
  if (type === 'ERROR') return true;
  const metadata = object['metadata'];
  if (!isObject(metadata) || typeof metadata['resourceVersion'] !== 'string') return false;
  return type === 'BOOKMARK' || (typeof metadata['uid'] === 'string' && typeof metadata['name'] === 'string');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
