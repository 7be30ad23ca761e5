import { basename, dirname } from 'node:path';
import express, { type Express } from 'express';
import type { Registry } from 'prom-client';
import { blobError } from '../../contracts/model-fetch.ts';
import { RequestError } from '../../foundation/errors.ts';
import { errorHandler } from '../../foundation/http.ts';
import type { Logger } from '../../foundation/logger.ts';
import type { BlobOutcome, Fetcher } from './fetcher.ts';

const RETRY_AFTER_SECONDS = 2;

interface BlobAppOptions {
  fetcher: Fetcher;
  waitMs: number;
  /** False until the models are known. */
  synced: () => boolean;
  onServed: () => void;
  logger: Logger;
}

/** `GET /blobs/sha256/{digest}`, with ranges: what some model lists, fetched from its source when it is not there. */
export function createBlobApp({ fetcher, waitMs, synced, onServed, logger }: BlobAppOptions): Express {
  const app = express().disable('x-powered-by').set('etag', false);
  app.get('/blobs/sha256/:digest', async (request, response) => {
    const { digest } = request.params;
    const outcome: BlobOutcome = /^[0-9a-f]{64}$/.test(digest)
      ? await fetcher.ensure(digest, waitMs)
      : { kind: 'unknown' };
    if (outcome.kind !== 'present') throw refusalOf(outcome, digest, synced());
    response.set({ etag: `"${digest}"`, 'content-type': 'application/octet-stream' });
    response.set('cache-control', 'public, max-age=31536000, immutable');
    await new Promise<void>((resolve, reject) => {
      const options = { root: dirname(outcome.path), dotfiles: 'allow', cacheControl: false } as const;
      response.sendFile(basename(outcome.path), options, (error?: Error & { code?: string }) => {
        // A client that has gone needs no answer.
        if (error === undefined || error.code === 'ECONNABORTED' || response.headersSent) resolve();
        else reject(error);
      });
    });
    if (response.writableFinished) onServed();
  });
  app.use((request) => {
    throw new RequestError(
      404,
      'not_found',
      `There is nothing at ${request.path}. Blobs are at /blobs/sha256/{digest}.`,
    );
  });
  app.use(errorHandler(logger));
  return app;
}

function refusalOf(
  outcome: Exclude<BlobOutcome, { kind: 'present' }>,
  digest: string,
  synced: boolean,
): RequestError {
  const again = { headers: { 'retry-after': String(RETRY_AFTER_SECONDS) } };
  if (outcome.kind === 'unknown' && !synced)
    return new RequestError(503, 'catalogue_loading', 'The models are not known yet. Ask again.', again);
  if (outcome.kind === 'unknown')
    return new RequestError(
      404,
      blobError.unknown,
      `No ImageModel or ClusterImageModel lists ${digest}. Check spec.files[].sha256 of the model.`,
    );
  if (outcome.kind === 'fetching')
    return new RequestError(503, blobError.fetching, 'The blob is on its way. Ask again.', {
      ...again,
      details: { ...outcome.progress },
    });
  const { failure, message } = outcome;
  if (failure === 'full') return new RequestError(507, blobError.full, message);
  return new RequestError(502, blobError[failure], message);
}

interface Problem {
  code: string;
  message: string;
}

/** `/healthz`, `/readyz` and `/metrics`. */
export function createProbeApp(
  problems: () => Promise<Problem[]>,
  registry: Registry,
  logger: Logger,
): Express {
  const app = express().disable('x-powered-by').set('etag', false);
  app.get('/healthz', (_request, response) => {
    response.json({ alive: true });
  });
  app.get('/readyz', async (_request, response) => {
    const found = await problems();
    response.status(found.length === 0 ? 200 : 503).json({ ready: found.length === 0, problems: found });
  });
  app.get('/metrics', async (_request, response) => {
    response.type(registry.contentType).send(await registry.metrics());
  });
  app.use(errorHandler(logger));
  return app;
}
