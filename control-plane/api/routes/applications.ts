import { z } from 'zod';
import { role } from '../../../contracts/principal.ts';
import { actions } from '../../access/roles.ts';
import {
  type ApplicationContext,
  applicationsOf,
  createApplication,
  deleteApplication,
  editApplication,
  readApplication,
  revokeKeyOf,
  rotateKey,
} from '../applications.ts';
import {
  byId,
  cidr,
  department,
  description,
  futureTime,
  id,
  maybeTime,
  name,
  serviceName,
  time,
} from '../fields.ts';
import { listNotices } from '../key-notices.ts';
import { needsUnlessOwn, created, done, ok, operation, type Operation } from '../operation.ts';
import { type ApiContext, demand } from './support.ts';

const scopes = z
  .strictObject({
    services: z.array(serviceName).min(1).max(100).optional(),
    actions: z.array(z.enum(actions)).min(1).max(50).optional(),
    cidrs: z.array(cidr).min(1).max(100).optional(),
  })
  .meta({
    id: 'Scopes',
    description: 'What the keys of the application are limited to; what is left out is not limited',
  });

const keyDays = z.int().min(1).max(365).default(90);

const newApplication = z.strictObject({
  name,
  description: description.default(''),
  department: department.default(''),
  role: role.default('editor'),
  scopes: scopes.default({}),
  expiresAt: futureTime.optional(),
  keyDays,
});

const changes = z.strictObject({
  name: name.optional(),
  description: description.optional(),
  department: department.optional(),
  role: role.optional(),
  scopes: scopes.optional(),
  expiresAt: futureTime.nullable().optional(),
});

const rotation = z.strictObject({
  keyDays,
  overlapDays: z.int().min(0).max(30).default(14).describe('How long the key before it goes on living'),
});

const secret = z
  .strictObject({
    keyId: z
      .string()
      .describe('Visible everywhere; `client_id` of the token endpoint and `Credential` of signed requests'),
    apiKey: z.string().describe('The whole key, shown once; `client_secret` of the token endpoint'),
    signingSecret: z.string().describe('With which requests are signed; shown once'),
    expiresAt: time,
  })
  .meta({ id: 'NewSecret' });

const application = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    department: z.string(),
    role,
    owner: z.string(),
    description: z.string(),
    scopes: z.strictObject({
      services: z.array(z.string()).optional(),
      actions: z.array(z.string()).optional(),
      cidrs: z.array(z.string()).optional(),
    }),
    createdAt: time,
    createdBy: z.string(),
    disabledAt: maybeTime,
    expiresAt: maybeTime,
    keys: z.array(
      z.strictObject({
        id: z.string(),
        prefix: z.string(),
        createdAt: time,
        createdBy: z.string(),
        expiresAt: maybeTime,
        revokedAt: maybeTime,
        lastUsedAt: maybeTime,
        signs: z.boolean().describe('It has a signing secret'),
        live: z.boolean(),
      }),
    ),
  })
  .meta({ id: 'Application' });

const notice = z
  .strictObject({
    key: z.string(),
    principal: z.string(),
    name: z.string(),
    owner: z.string().nullable(),
    expiresAt: time,
    days: z.int().describe('14, 7 or 1: the latest notice'),
    at: time,
  })
  .meta({ id: 'KeyNotice' });

const subject = 'applications';
const access = needsUnlessOwn('keys:manage', 'key');
const errors = ['application_not_found', 'grant_exceeds_own'] as const;
const of = ({ db, surroundings, identity }: ApiContext): ApplicationContext => ({
  ...{ db, surroundings },
  tools: identity,
});

/** Applications of the caller's own; administrators have those of the tenant. */
export const applicationOperations: Operation[] = [
  operation({
    method: 'get',
    path: '/api/v1/applications',
    summary: {
      en: 'Applications, with their keys, their end and last use',
      zh: '列出应用及其密钥、到期时间和最近使用时间',
    },
    answers: { 200: z.strictObject({ applications: z.array(application) }) },
    errors: [],
    ...{ subject, access },
    handle: async ({ caller }, context) => ok({ applications: await applicationsOf(of(context), caller) }),
  }),
  operation({
    method: 'post',
    path: '/api/v1/applications',
    summary: {
      en: "Makes an application of the caller's own, with its first key",
      zh: '创建属于当前用户的应用及其首个密钥',
    },
    body: newApplication,
    bodyLimit: '20kb',
    answers: { 201: secret.extend({ id: z.string() }).meta({ id: 'NewApplication' }) },
    errors: ['grant_exceeds_own', 'too_many_keys', 'secrets_key_missing'],
    ...{ subject, access },
    handle: async ({ caller, body }, context) => created(await createApplication(of(context), caller, body)),
  }),
  operation({
    method: 'get',
    path: '/api/v1/applications/{id}',
    summary: { en: 'One application', zh: '查看应用' },
    params: byId,
    answers: { 200: application },
    ...{ subject, access, errors },
    handle: async ({ caller, params }, context) => ok(await readApplication(of(context), caller, params.id)),
  }),
  operation({
    method: 'patch',
    path: '/api/v1/applications/{id}',
    summary: { en: 'Changes an application', zh: '修改应用' },
    params: byId,
    body: changes,
    bodyLimit: '20kb',
    answers: { 200: application },
    ...{ subject, access, errors },
    handle: async ({ caller, params, body }, context) =>
      ok(await editApplication(of(context), caller, params.id, body)),
  }),
  operation({
    method: 'delete',
    path: '/api/v1/applications/{id}',
    summary: { en: 'Ends an application and its keys', zh: '删除应用及其密钥' },
    params: byId,
    answers: { 204: null },
    ...{ subject, access, errors },
    async handle({ caller, params }, context) {
      await deleteApplication(of(context), caller, params.id);
      return done;
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/applications/{id}/keys',
    summary: {
      en: 'Makes a second key to change over to; shortens the life of the first',
      zh: '创建用于轮换的第二个密钥，并缩短原密钥的有效期',
    },
    params: byId,
    body: rotation,
    answers: { 201: secret },
    errors: [...errors, 'keys_full', 'too_many_keys', 'secrets_key_missing'],
    ...{ subject, access },
    handle: async ({ caller, params, body }, context) =>
      created(await rotateKey(of(context), caller, params.id, body)),
  }),
  operation({
    method: 'delete',
    path: '/api/v1/applications/{id}/keys/{key}',
    summary: { en: 'Ends a key at once', zh: '立即吊销密钥' },
    params: z.strictObject({ id, key: id }),
    answers: { 204: null },
    errors: [...errors, 'key_not_found'],
    ...{ subject, access },
    async handle({ caller, params }, context) {
      await revokeKeyOf(of(context), caller, params.id, params.key);
      return done;
    },
  }),
  operation({
    method: 'get',
    path: '/api/v1/key-notices',
    summary: { en: 'Keys that expire within 14, 7 or 1 days', zh: '列出将在 14、7 或 1 天内到期的密钥' },
    answers: { 200: z.strictObject({ notices: z.array(notice) }) },
    errors: [],
    ...{ subject, access },
    async handle({ caller }, context) {
      demand(caller, 'keys:manage', 'key', caller.id);
      return ok({ notices: await listNotices(context, caller) });
    },
  }),
];
