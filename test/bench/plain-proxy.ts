import { createServer } from 'node:http';
import { createEndpoints } from '../../control-plane/gateway/endpoints.ts';
import { forward } from '../../control-plane/gateway/forward.ts';
import { pairs } from '../../control-plane/gateway/headers.ts';

/**
 * The gateway's own proxy with nothing around it: the baseline of what identity, decision, limits, ledger and records
 * cost. A process of its own: `node plain-proxy.ts PORT UPSTREAM`.
 */
const [port, upstream = ''] = process.argv.slice(2);
const endpoints = createEndpoints(() => performance.now());
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length']);

function withoutFraming(raw: readonly string[], but: ReadonlySet<string>): string[] {
  return [...pairs(raw)].filter(([name]) => !but.has(name.toLowerCase())).flat();
}
const RESPONSE = new Set([...HOP_BY_HOP].filter((name) => name !== 'content-length'));

const server = createServer((request, response) => {
  const endpoint = endpoints.pick([upstream]);
  if (endpoint === undefined) {
    response.writeHead(503).end();
    return;
  }
  endpoint.open++;
  void forward({
    request,
    response,
    endpoint,
    path: request.url ?? '/',
    headers: withoutFraming(request.rawHeaders, HOP_BY_HOP),
    maxBodyBytes: 2 ** 30,
    timeoutMs: 30_000,
    spooled: undefined,
    compress: false,
    responseHeaders: (raw) => withoutFraming(raw, RESPONSE),
    transfer: { bytesIn: 0, bytesOut: 0 },
    onStart: () => undefined,
    onAnswer: () => undefined,
    beforeEnd: () => Promise.resolve(),
    signal: new AbortController().signal,
  }).finally(() => {
    endpoint.open--;
  });
});
server.listen(Number(port), '127.0.0.1', () => process.send?.('listening'));
process.on('disconnect', () => process.exit());
