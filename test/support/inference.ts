import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair } from 'jose';
import { v7 as newUuid } from 'uuid';
import { signAssertion } from '../../contracts/assertion.ts';
import { header } from '../../contracts/headers.ts';
import type { Principal } from '../../contracts/principal.ts';
import { usageEvent, type UsageEvent, usageIntakeRequest } from '../../contracts/usage-event.ts';
import { tinyGraph, type TinyGraph } from './onnx.ts';
import { freePorts, type RunningProgram, startProgram, until } from './program.ts';

const AUDIENCE = 'acme/cutout';
const PRINCIPAL = {
  id: 'user:ada',
  tenant: 'acme',
  kind: 'user',
  name: 'Ada',
  department: '',
  role: 'developer',
} as const;

/** A usage intake that keeps what it takes, and can be told to be away or to reject. */
export interface Intake {
  url: string;
  /** By id; how often each was sent. */
  events: Map<string, { event: UsageEvent; times: number }>;
  answer: 'accept' | 'fail' | 'reject';
  close(): Promise<void>;
}

export async function startIntake(): Promise<Intake> {
  const events: Intake['events'] = new Map();
  const intake: Intake = { url: '', events, answer: 'accept', close };
  const server: Server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const authorized = request.headers.authorization === 'Bearer usage-token';
      if (intake.answer === 'fail' || !authorized) {
        response.writeHead(authorized ? 503 : 401).end();
        return;
      }
      const body = usageIntakeRequest.parse(JSON.parse(Buffer.concat(chunks).toString()));
      const read = body.events.map((event) => usageEvent.parse(event));
      if (intake.answer === 'accept')
        for (const event of read)
          events.set(event.id, { event, times: (events.get(event.id)?.times ?? 0) + 1 });
      const rejected =
        intake.answer === 'accept' ? [] : read.map((_, index) => ({ index, reason: 'not wanted' }));
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ accepted: read.length - rejected.length, duplicates: 0, rejected }));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  intake.url = `http://127.0.0.1:${(server.address() as { port: number }).port}/v1/usage-events`;
  return intake;

  async function close(): Promise<void> {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

export interface InferenceOptions {
  models: Record<string, TinyGraph>;
  intakeUrl: string;
  /** Merged over the configuration, at its first level. */
  overrides?: Record<string, unknown>;
  /** Changes the entry of a model before the server sees it. */
  spoil?: (model: Record<string, unknown>) => void;
}

export type Send = (
  target: string,
  init?: RequestInit & { id?: string; assertion?: string | undefined; principal?: Partial<Principal> },
) => Promise<Response>;

export interface Inference {
  url: string;
  probesUrl: string;
  folder: string;
  outbox: string;
  program: RunningProgram;
  /** A POST with an assertion of its own, unless one is given. */
  send: Send;
  assert(
    target: string,
    change?: Partial<{ id: string; aud: string; htm: string; at: Date; principal: Partial<Principal> }>,
  ): Promise<string>;
  /** Adds up a metric over its labels that match. */
  metric(name: string, labels?: string): Promise<number>;
  ready(): Promise<{
    status: number;
    body: { ready: boolean; problems: { code: string; message: string }[] };
  }>;
  /** Of the model's process, as the server logged it last. */
  modelPid(model: string): number;
  /** Ends the server, by the signal given, and starts it again on the same folder and ports. */
  restart(signal: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

export async function startInference(options: InferenceOptions): Promise<Inference> {
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-inference-'));
  const outbox = join(folder, 'outbox');
  await mkdir(outbox);
  const ports = await freePorts('listen', 'metrics');
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
  const jwks = join(folder, 'jwks.json');
  await writeFile(
    jwks,
    JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'EdDSA' }] }),
  );
  await writeFile(join(folder, 'token'), 'usage-token\n');
  const models: Record<string, unknown>[] = [];
  for (const [name, graph] of Object.entries(options.models)) {
    const bytes = tinyGraph(graph);
    const path = join(folder, `${name}.onnx`);
    await writeFile(path, bytes);
    const model = {
      name,
      family: 'tiny',
      task: 'background-removal',
      files: [
        {
          name: 'model.onnx',
          path,
          sha256: createHash('sha256').update(bytes).digest('hex'),
          size: bytes.length,
        },
      ],
      pipeline: { size: { width: graph.width, height: graph.height }, mean: [0.5, 0.5, 0.5], std: [1, 1, 1] },
    };
    options.spoil?.(model);
    models.push(model);
  }
  const config = {
    listen: { host: '127.0.0.1', port: ports.listen },
    metrics: { host: '127.0.0.1', port: ports.metrics },
    tenant: 'acme',
    service: 'cutout',
    assertion: { mode: 'required', jwks },
    models,
    usage: { url: options.intakeUrl, tokenFile: join(folder, 'token'), outbox },
    ...options.overrides,
  };
  const url = `http://127.0.0.1:${ports.listen}`;
  const probesUrl = `http://127.0.0.1:${ports.metrics}`;
  const start = async (): Promise<RunningProgram> => startProgram('inference-server/main.ts', config);

  const assert: Inference['assert'] = (target, change = {}) =>
    Promise.resolve(
      signAssertion(
        {
          aud: change.aud ?? AUDIENCE,
          jti: change.id ?? newUuid(),
          htm: change.htm ?? 'POST',
          htu: target,
          principal: { ...PRINCIPAL, ...change.principal },
        },
        { kid: 'k1', privateKey },
        change.at ?? new Date(),
      ),
    );
  const inference: Inference = {
    url,
    probesUrl,
    folder,
    outbox,
    program: await start(),
    assert,
    async send(target, init = {}) {
      const { id, principal = {}, ...rest } = init;
      const htm = init.method ?? 'POST';
      const change = { principal, htm, ...(id === undefined ? {} : { id }) };
      const assertion = 'assertion' in init ? init.assertion : await assert(target, change);
      const headers = new Headers(init.headers);
      if (assertion !== undefined) headers.set(header.assertion, assertion);
      return fetch(`${url}${target}`, { method: 'POST', ...rest, headers });
    },
    async metric(name, labels = '') {
      const text = await (await fetch(`${probesUrl}/metrics`)).text();
      const lines = text.split('\n').filter((line) => line.startsWith(name) && line.includes(labels));
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
    },
    async ready() {
      const response = await fetch(`${probesUrl}/readyz`);
      const body = (await response.json()) as Awaited<ReturnType<Inference['ready']>>['body'];
      return { status: response.status, body };
    },
    modelPid(model) {
      const lines = inference.program.log().split('\n');
      const line = lines.findLast(
        (text) => text.includes('the model is ready') && text.includes(`"${model}"`),
      );
      return (JSON.parse(line ?? '{"pid":0}') as { pid: number }).pid;
    },
    async restart(signal) {
      await inference.program.stop(signal);
      inference.program = await start();
    },
    async stop() {
      await inference.program.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return inference;
}

export async function untilReady(inference: Inference): Promise<void> {
  const isReady = async (): Promise<boolean> => (await inference.ready()).status === 200;
  // Real weights take their time on a machine that has other work.
  await until('the inference server is ready', isReady, 120_000);
}

/** A multipart body with a picture in `file`, and other fields. */
export function formWith(picture: Uint8Array, fields: Record<string, string> = {}, name = 'file'): FormData {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.set(field, value);
  form.set(name, new Blob([Uint8Array.from(picture)]), 'picture');
  return form;
}

/** The error of an answer that is one. */
export async function errorOf(
  response: Response,
): Promise<{ status: number; code: string; message: string; detail: unknown; details: unknown }> {
  const body = (await response.json()) as {
    detail?: unknown;
    error: { code: string; message: string; details?: unknown };
  };
  const { code, message, details } = body.error;
  return { status: response.status, code, message, detail: body.detail, details };
}
