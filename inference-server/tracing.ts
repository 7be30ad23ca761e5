import { randomBytes } from 'node:crypto';

/** As the fields of a log line that stands for a span are named by OpenTelemetry. */
export interface Span {
  trace_id: string;
  span_id: string;
  parent_span_id: string;
  trace_flags: string;
}

const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/**
 * A new span below the caller's, from W3C Trace Context's `traceparent`. One that is malformed, or none, gives none: the
 * gateway begins traces.
 */
export function spanOf(
  traceparent: string | undefined,
  random: (bytes: number) => Buffer = randomBytes,
): Span | undefined {
  // A future version may say more, version 00 does not.
  const [whole, traceId, parent, flags] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (whole === undefined || traceId === undefined || parent === undefined || flags === undefined)
    return undefined;
  if (whole.startsWith('00') && whole.length !== 55) return undefined;
  return {
    trace_id: traceId,
    span_id: random(8).toString('hex'),
    parent_span_id: parent,
    trace_flags: flags,
  };
}
