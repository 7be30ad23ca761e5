import { z } from 'zod';
import { role } from '../../../contracts/principal.ts';
import { listKeys } from '../../identity/store.ts';
import { demandGrantable } from '../accounts.ts';
import { byId, department, maybeTime, name, time } from '../fields.ts';
import { issueKey, withdrawKey } from '../keys.ts';
import { needs, created, done, ok, operation, type Operation } from '../operation.ts';

const newKey = z.strictObject({
  name,
  department: department.default(''),
  role: role.default('editor'),
  expiresInDays: z.int().min(1).max(365).default(90),
});

const key = z
  .strictObject({
    id: z.string(),
    principal: z.string(),
    name: z.string(),
    department: z.string(),
    role,
    createdAt: time,
    createdBy: z.string(),
    expiresAt: maybeTime,
    revokedAt: maybeTime,
  })
  .meta({ id: 'Key' });

const subject = 'applications';
const access = needs('keys:manage', 'key');

export const keyOperations: Operation[] = [
  operation({
    method: 'get',
    path: '/api/v1/keys',
    summary: { en: 'API keys of the tenant, the newest first', zh: '列出租户的 API 密钥（最新的在前）' },
    answers: { 200: z.strictObject({ keys: z.array(key) }) },
    errors: [],
    ...{ subject, access },
    handle: async ({ caller }, { db }) =>
      ok({
        keys: (await listKeys(db, caller.tenant)).map((one) => ({ ...one, role: role.parse(one.role) })),
      }),
  }),
  operation({
    method: 'post',
    path: '/api/v1/keys',
    summary: {
      en: 'Makes an API key with a principal of its own; the key is shown once',
      zh: '创建 API 密钥及其主体；密钥仅显示一次',
    },
    body: newKey,
    answers: {
      201: z.strictObject({ id: z.string(), key: z.string(), principal: z.string(), expiresAt: time }),
    },
    errors: ['grant_exceeds_own', 'too_many_keys'],
    ...{ subject, access },
    async handle({ caller, body }, { db, surroundings }) {
      demandGrantable(caller, body.role);
      return created(await issueKey(db, caller, body, surroundings));
    },
  }),
  operation({
    method: 'delete',
    path: '/api/v1/keys/{id}',
    summary: { en: 'Ends an API key at once', zh: '立即吊销 API 密钥' },
    params: byId,
    answers: { 204: null },
    errors: ['key_not_found'],
    ...{ subject, access },
    async handle({ caller, params }, { db, surroundings }) {
      await withdrawKey(db, caller, params.id, surroundings);
      return done;
    },
  }),
];
