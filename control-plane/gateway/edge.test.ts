import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { RequestError } from '../../foundation/errors.ts';
import { generateApiKey } from '../identity/api-key.ts';
import { type Arrival, inspect, isSameOrigin, pathForRecords } from './edge.ts';

const hosts = new Set(['gateway.example', '::1']);
const arrival = (changes: Partial<Arrival> = {}): Arrival => ({
  method: 'GET',
  url: '/',
  rawHeaders: ['Host', 'gateway.example'],
  remoteAddress: '127.0.0.1',
  encrypted: false,
  ...changes,
});
const refused = (changes: Partial<Arrival>): string => {
  try {
    inspect(arrival(changes), hosts);
    return 'accepted';
  } catch (error) {
    return error instanceof RequestError ? error.code : 'not refused in order';
  }
};

describe('inspect', () => {
  it('answers only for its hosts, in any case and with any port', () => {
    for (const host of ['gateway.example', 'GATEWAY.example:8443', '[::1]:80'])
      assert.equal(refused({ rawHeaders: ['host', host] }), 'accepted');
    for (const host of ['evil.example', 'gateway.example.evil', 'gateway.example:x', 'a@gateway.example', ''])
      assert.equal(refused({ rawHeaders: ['Host', host] }), 'host_not_allowed');
    assert.equal(refused({ rawHeaders: [] }), 'host_missing');
    assert.equal(refused({ rawHeaders: ['Host', 'gateway.example', 'host', 'x'] }), 'host_missing');
  });

  it('accepts the methods of services, and no TRACE or CONNECT', () => {
    assert.equal(refused({ method: 'TRACE' }), 'method_not_allowed');
    assert.equal(refused({ method: 'get' }), 'method_not_allowed');
  });

  it('refuses a key in the URL before anything else looks at it, and keeps it out of records', () => {
    const { key } = generateApiKey(randomBytes);
    assert.equal(refused({ url: `/s/a/b/${key}` }), 'key_in_url');
    assert.equal(refused({ url: `/s/a/b/?x=${key}` }), 'key_in_url');
    assert.equal(pathForRecords(`/s/a/b/${key}`), '[removed]');
    assert.equal(pathForRecords(`/s/a/b/?x=${key}`), '/s/a/b/');
    assert.equal(pathForRecords('/a\u0000b\r\nc'), '/a?b??c');
  });
});

describe('isSameOrigin', () => {
  const check = (headers: string[], safe: boolean, secure = true): boolean =>
    isSameOrigin(headers, 'gateway.example', secure, safe);
  it('believes the browser that says so, and nobody that says nothing', () => {
    assert.equal(check(['Origin', 'https://gateway.example'], false), true);
    assert.equal(check(['Origin', 'https://gateway.example'], false, false), false);
    assert.equal(check(['Origin', 'null'], true), false);
    assert.equal(check(['Origin', 'https://gateway.example', 'origin', 'https://evil.example'], true), false);
    assert.equal(check(['Sec-Fetch-Site', 'same-origin'], true), true);
    assert.equal(check(['Sec-Fetch-Site', 'same-origin'], false), false);
    assert.equal(check(['Sec-Fetch-Site', 'cross-site'], true), false);
    assert.equal(check([], true), false);
  });
});
