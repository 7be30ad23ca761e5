import { z } from 'zod';
import { errorBody } from '../../contracts/error.ts';
import type { Language } from '../../foundation/language.ts';
import type { Job, JobHandle, JobState } from '../engine/engine.ts';
import { errorBodyWith, refusal, sentence } from '../messages.ts';
import { queryOf, readFields } from './fields.ts';
import { PICTURES } from './operation.ts';
import { type Endpoint, type Exchange, pathPart, sendPlain } from './surface.ts';
import { answerOf, sendPicture } from './work.ts';

const HEARTBEAT_MS = 15_000;
const MAX_STREAMS = 200;
const MAX_STREAMS_OF_ONE = 20;
const MAX_LISTED = 100;
const RETRY_SECONDS = 1;

/** A job as its principal sees it. Addresses are relative to that of the job. */
const jobView = z.object({
  id: z.uuid(),
  state: z.enum(['queued', 'loading', 'running', 'succeeded', 'failed', 'timed_out', 'cancelled']),
  model: z.string(),
  createdAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().optional(),
  position: z.int().optional().meta({ description: '1 for the next.' }),
  startsInSeconds: z.number().optional(),
  error: errorBody.shape.error.optional(),
});
type JobView = z.infer<typeof jobView>;

export function viewOf(job: JobHandle, state: JobState, language: Language): JobView {
  const common = { id: job.id, model: job.model.name, createdAt: job.createdAt.toISOString() };
  switch (state.state) {
    case 'queued':
    case 'loading':
      return { ...common, ...state };
    case 'running':
      return { ...common, state: 'running' };
    case 'done': {
      const { result } = state;
      const finishedAt = (job.finishedAt() ?? job.createdAt).toISOString();
      if (result.ok) return { ...common, state: 'succeeded', finishedAt };
      const { error } = errorBodyWith(result.error, sentence(result.error, language), job.id);
      return {
        ...common,
        state: result.outcome,
        finishedAt,
        error,
      };
    }
  }
}

/** Takes a job and answers with its address, which is relative: the gateway serves it under a path of its own. */
export function sendAccepted(exchange: Exchange, job: Job, folder: string): void {
  const handle = exchange.api.engine.submit(job);
  exchange.response.setHeader('location', `${folder}${handle.id}`);
  sendPlain(exchange, viewOf(handle, handle.state(), exchange.language), 202);
}

function handleOf(exchange: Exchange): JobHandle {
  readFields(z.object({}), queryOf(exchange.request.originalUrl));
  const id = pathPart(exchange, 'job');
  const handle = exchange.api.engine.job(id, exchange.caller.principal);
  if (handle === undefined) throw refusal('job_unknown', { job: id.slice(0, 80) });
  exchange.model = handle.model.name;
  return handle;
}

const VIEW = { description: 'The job.', content: { 'application/json': jobView } };

const list: Endpoint = {
  method: 'GET',
  path: '/v1/jobs',
  operation: {
    tag: 'jobs',
    summary: { en: 'Your jobs, newest first', zh: '您的任务，最新的在前' },
    responses: {
      200: {
        description: 'The jobs.',
        content: { 'application/json': z.object({ jobs: z.array(jobView) }) },
      },
    },
  },
  handle(exchange) {
    readFields(z.object({}), queryOf(exchange.request.originalUrl));
    const jobs = exchange.api.engine.jobs(exchange.caller.principal).slice(0, MAX_LISTED);
    sendPlain(exchange, { jobs: jobs.map((job) => viewOf(job, job.state(), exchange.language)) });
    return Promise.resolve();
  },
};

const look: Endpoint = {
  method: 'GET',
  path: '/v1/jobs/:job',
  operation: {
    tag: 'jobs',
    summary: { en: 'How a job stands', zh: '查询任务状态' },
    responses: { 200: VIEW },
  },
  handle(exchange) {
    const handle = handleOf(exchange);
    const view = viewOf(handle, handle.state(), exchange.language);
    if (view.finishedAt === undefined) exchange.response.setHeader('retry-after', String(RETRY_SECONDS));
    sendPlain(exchange, view);
    return Promise.resolve();
  },
};

const cancel: Endpoint = {
  method: 'DELETE',
  path: '/v1/jobs/:job',
  operation: {
    tag: 'jobs',
    summary: { en: 'Cancel a job; one that is done stays as it is', zh: '取消任务；已完成的任务保持不变' },
    responses: { 200: VIEW },
  },
  handle(exchange) {
    const handle = handleOf(exchange);
    handle.cancel();
    sendPlain(exchange, viewOf(handle, handle.state(), exchange.language));
    return Promise.resolve();
  },
};

const result: Endpoint = {
  method: 'GET',
  path: '/v1/jobs/:job/result',
  operation: {
    tag: 'jobs',
    summary: { en: 'What a job gave: the picture, or its error', zh: '获取任务结果：图片或错误' },
    responses: {
      200: {
        description: 'The cut-out or the mask.',
        content: PICTURES,
      },
    },
  },
  handle(exchange) {
    const handle = handleOf(exchange);
    const state = handle.state();
    if (state.state !== 'done') throw refusal('job_not_done', { job: handle.id, retryAfter: RETRY_SECONDS });
    const answer = answerOf(state.result);
    sendPicture(exchange, answer, contentTypeOf(answer.bytes));
    return Promise.resolve();
  },
};

/** The first byte of what this server encodes. */
const CONTENT_TYPES = new Map([
  [0x89, 'image/png'],
  [0x52, 'image/webp'],
  [0xff, 'image/jpeg'],
  [0x00, 'image/avif'],
]);

function contentTypeOf(bytes: Uint8Array): string {
  return CONTENT_TYPES.get(bytes[0] ?? -1) ?? 'application/octet-stream';
}

/** The principal of each stream that is open. */
const streams = new Set<{ principal: string }>();

const events: Endpoint = {
  method: 'GET',
  path: '/v1/jobs/:job/events',
  operation: {
    tag: 'jobs',
    summary: {
      en: 'Follow a job: an event for each change, the last when it is done',
      zh: '订阅任务进度：每次变化一个事件，完成时为最后一个',
    },
    responses: {
      200: {
        description: 'Server-sent events named state, whose data is the job.',
        content: { 'text/event-stream': jobView },
      },
    },
  },
  async handle(exchange) {
    const handle = handleOf(exchange);
    const { principal } = exchange.caller;
    const own = [...streams].filter((each) => each.principal === principal);
    if (streams.size >= MAX_STREAMS || own.length >= MAX_STREAMS_OF_ONE)
      throw refusal('too_many_streams', { retryAfter: 5 });
    const open = { principal };
    streams.add(open);
    try {
      await stream(exchange, handle);
    } finally {
      streams.delete(open);
    }
  },
};

async function stream({ response, departed, language }: Exchange, handle: JobHandle): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  const heartbeat = setInterval(() => response.write(': still here\n\n'), HEARTBEAT_MS);
  let stop: () => void = () => undefined;
  await new Promise<void>((resolve) => {
    departed.addEventListener('abort', () => {
      resolve();
    });
    if (departed.aborted) resolve();
    let number = 0;
    stop = handle.subscribe((state) => {
      const data = JSON.stringify(viewOf(handle, state, language));
      response.write(`id: ${++number}\nevent: state\ndata: ${data}\n\n`);
      if (state.state === 'done') resolve();
    });
  });
  stop();
  clearInterval(heartbeat);
  response.end();
}

export const jobEndpoints: readonly Endpoint[] = [list, look, cancel, result, events];
