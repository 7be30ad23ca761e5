import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { spanOf } from './tracing.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const random = (bytes: number): Buffer => Buffer.alloc(bytes, 0xab);

describe('a trace context', () => {
  it("gives a span of the caller's trace, below the caller's span", () => {
    assert.deepEqual(spanOf(`00-${TRACE}-${PARENT}-01`, random), {
      trace_id: TRACE,
      span_id: 'ab'.repeat(8),
      parent_span_id: PARENT,
      trace_flags: '01',
    });
    assert.equal(spanOf(`cc-${TRACE}-${PARENT}-01-what-the-future-will-be`, random)?.trace_id, TRACE);
  });

  it('that is malformed is taken as none', () => {
    for (const text of [
      undefined,
      '',
      `ff-${TRACE}-${PARENT}-01`,
      `00-${'0'.repeat(32)}-${PARENT}-01`,
      `00-${TRACE}-${'0'.repeat(16)}-01`,
      `00-${TRACE.toUpperCase()}-${PARENT}-01`,
      `00-${TRACE}-${PARENT}-01-more`,
      `00-${TRACE}-${PARENT}-1`,
      `x00-${TRACE}-${PARENT}-01`,
    ])
      assert.equal(spanOf(text, random), undefined, text);
  });
});
