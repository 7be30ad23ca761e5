/** What is done to the bytes of an answer. */
export type Mangling =
  /** The connection is reset when so many bytes of the body have passed. */
  | { kind: 'cut'; afterBytes: number }
  /** Half-open: when so many bytes have passed nothing follows, and nobody closes. */
  | { kind: 'hold'; afterBytes: number }
  /** So many bytes are missing from then on. */
  | { kind: 'drop-bytes'; afterBytes: number; count: number }
  /** An ERROR event instead of what the server says, and the watch ends. */
  | { kind: 'error-event'; code: number; reason: string; afterBytes?: number }
  /** Events are swallowed, bookmarks are not, for as long as the rule is there. */
  | { kind: 'lose-events' };

interface Mangled {
  bytes: Buffer;
  then?: 'cut' | 'hold' | 'end';
}

/** A function from each chunk of a body to what is passed on, and what happens then. */
export function createMangler(
  faults: readonly { kind: string }[],
  losing: () => boolean,
): (chunk: Buffer) => Mangled {
  const own = faults.filter(isMangling);
  let passed = 0;
  let pending = '';

  /** Whole lines, so that one can be left out. */
  function withoutLost(chunk: Buffer): Buffer {
    if (pending === '' && !losing()) return chunk;
    const lines = (pending + chunk.toString('latin1')).split('\n');
    pending = lines.pop() ?? '';
    const kept = losing() ? lines.filter((line) => line.includes('"type":"BOOKMARK"')) : lines;
    if (!losing() && pending !== '') {
      kept.push(pending);
      pending = '';
      return Buffer.from(kept.join('\n'), 'latin1');
    }
    return Buffer.from(kept.map((line) => `${line}\n`).join(''), 'latin1');
  }

  return (chunk) => {
    let bytes = withoutLost(chunk);
    const start = passed;
    passed += bytes.byteLength;
    for (const fault of own) {
      if (fault.kind === 'lose-events') continue;
      const at = (fault.afterBytes ?? 0) - start;
      if (at > bytes.byteLength) continue;
      const before = bytes.subarray(0, Math.max(0, at));
      if (fault.kind === 'error-event')
        return { bytes: Buffer.concat([before, errorEvent(fault)]), then: 'end' };
      if (fault.kind !== 'drop-bytes') return { bytes: before, then: fault.kind };
      bytes = Buffer.concat([before, bytes.subarray(Math.max(0, at + fault.count))]);
    }
    return { bytes };
  };
}

function errorEvent({ code, reason }: { code: number; reason: string }): Buffer {
  const object = { kind: 'Status', apiVersion: 'v1', status: 'Failure', message: 'injected', reason, code };
  return Buffer.from(`${JSON.stringify({ type: 'ERROR', object })}\n`);
}

function isMangling(fault: { kind: string }): fault is Mangling {
  return ['cut', 'hold', 'drop-bytes', 'error-event', 'lose-events'].includes(fault.kind);
}
