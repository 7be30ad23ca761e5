import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rename, rm } from 'node:fs/promises';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { Agent, request } from 'undici';
import { WebSocket } from 'ws';
import { type Certificate, makeCertificate } from '../support/certificate.ts';
import { until } from '../support/program.ts';
import { createWorld, type World } from './gateway/setup.ts';

describe('the gateway with a certificate', () => {
  let world: World;
  let folder: string;
  let first: Certificate;
  let second: Certificate;
  let files: { certFile: string; keyFile: string };
  let port: number;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'imageplane-gateway-tls-'));
    first = await makeCertificate(await mkdtemp(join(folder, 'first-')));
    second = await makeCertificate(await mkdtemp(join(folder, 'second-')));
    files = { certFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') };
    await use(first);
    world = await createWorld();
    await world.gateway.stop();
    await world.startGateway({ tls: files });
    port = Number(new URL(world.url).port);
  });
  after(async () => {
    await world.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Puts a pair in place, file by file, each whole. */
  async function use({ certFile, keyFile }: Pick<Certificate, 'certFile' | 'keyFile'>): Promise<void> {
    for (const [from, to] of [
      [certFile, files.certFile],
      [keyFile, files.keyFile],
    ] as const) {
      await copyFile(from, `${to}.new`);
      await rename(`${to}.new`, to);
    }
  }

  const shake = async (options: ConnectionOptions): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ...options }, () => {
        resolve(socket);
      });
      socket.once('error', reject);
    });
  /** The serial number of the certificate that is shown. */
  const shown = async (): Promise<string> => {
    const socket = await shake({ rejectUnauthorized: false });
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const auth = (): Record<string, string> => ({
    authorization: `Bearer ${world.keys['ada']?.key ?? ''}`,
  });

  it('serves a call over TLS 1.3, and tells the service that it came so', async () => {
    const dispatcher = new Agent({ connect: { ca: first.cert } });
    const answer = await request(`https://127.0.0.1:${port}/s/acme/cutout/hello`, {
      dispatcher,
      headers: auth(),
    });
    assert.equal(answer.statusCode, 200, await answer.body.text());
    assert.equal(world.upstream.seen.at(-1)?.headers['x-forwarded-proto'], 'https');
    await dispatcher.close();
    const socket = await shake({ ca: first.cert });
    assert.equal(socket.getProtocol(), 'TLSv1.3');
    socket.destroy();
  });

  it('speaks TLS 1.2 with forward secrecy, and nothing older or weaker', async () => {
    const socket = await shake({ ca: first.cert, maxVersion: 'TLSv1.2' });
    assert.equal(socket.getProtocol(), 'TLSv1.2');
    assert.match(socket.getCipher().name, /^ECDHE-/);
    socket.destroy();
    const weak = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await assert.rejects(shake({ ca: first.cert, ...weak }), /alert protocol version|EPROTO|ECONNRESET/);
    const rsa = { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256:AES256-SHA' } as const;
    await assert.rejects(shake({ ca: first.cert, ...rsa }), /handshake failure|EPROTO|ECONNRESET/);
  });

  it('answers nothing over plain HTTP', async () => {
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connectPlain(port, '127.0.0.1');
      socket.on('data', (bytes) => (text += bytes.toString('latin1')));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        resolve(text);
      });
      socket.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    });
    assert.doesNotMatch(answer, /HTTP\/1\.1 2/);
  });

  it('joins WebSockets, and answers any other upgrade as the plain request that it is', async () => {
    const socket = new WebSocket(`wss://127.0.0.1:${port}/s/acme/pages/socket`, {
      headers: auth(),
      ca: first.cert,
    });
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    const echoed = new Promise<string>((resolve) =>
      socket.once('message', (data: Buffer) => {
        resolve(data.toString());
      }),
    );
    socket.send('hello');
    assert.equal(await echoed, 'hello');
    socket.close();
    const plain = await shake({ ca: first.cert });
    plain.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
    const head = await new Promise<string>((resolve) =>
      plain.once('data', (bytes: Buffer) => {
        resolve(bytes.toString('latin1'));
      }),
    );
    assert.match(head, /^HTTP\/1\.1 200 /);
    plain.destroy();
  });

  it('takes a renewed certificate without a restart, and keeps the old one while the new pair does not fit', async () => {
    const before = await shown();
    const open = await shake({ ca: first.cert });
    await use({ certFile: second.certFile, keyFile: first.keyFile });
    await until('it complains', () => /what changed cannot be used/.test(world.gateway.log()));
    assert.equal(await shown(), before);
    await use(second);
    await until('the new one is shown', async () => (await shown()) !== before);
    const dispatcher = new Agent({ connect: { ca: second.cert } });
    const answer = await request(`https://127.0.0.1:${port}/healthz`, { dispatcher });
    assert.equal(answer.statusCode, 200);
    await answer.body.dump();
    await dispatcher.close();
    // Connections that were open go on.
    open.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    await new Promise((resolve) => open.once('data', resolve));
    open.destroy();
    const metrics = await (await fetch(`${world.metricsUrl}/metrics`)).text();
    const ends = Number(/certificate_ends_at_seconds (\d+)/.exec(metrics)?.[1]);
    assert.ok(ends > Date.now() / 1000, metrics);
  });

  it('does not start with a pair that does not fit, and says which files', async () => {
    await world.gateway.stop();
    await use({ certFile: second.certFile, keyFile: first.keyFile });
    await assert.rejects(world.startGateway({ tls: files }), /tls\.crt and .*tls\.key are no certificate/);
    await use(second);
    await world.startGateway({ tls: files });
  });
});
