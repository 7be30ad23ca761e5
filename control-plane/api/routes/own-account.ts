import { z } from 'zod';
import { actions } from '../../access/roles.ts';
import { principal } from '../../../contracts/principal.ts';
import { password } from '../fields.ts';
import { everybody, created, done, ok, operation, type Operation } from '../operation.ts';
import {
  beginSecondFactor,
  changeOwnPassword,
  confirmSecondFactor,
  type OwnAccountContext,
  removeSecondFactor,
} from '../own-account.ts';
import type { ApiContext } from './support.ts';

const own = ({ identity: tools, ...context }: ApiContext): OwnAccountContext => ({ ...context, tools });

const me = principal
  .extend({
    department: z.string(),
    actions: z.array(z.enum(actions)).optional().describe('What the key of the request is limited to'),
  })
  .meta({ id: 'Me' });
const subject = 'identity';
const access = everybody;
const errors = ['no_local_account', 'password_wrong', 'sign_in_busy'] as const;

/** Who one is, and what people change about their own account, each with their password once more. */
export const ownAccountOperations: Operation[] = [
  operation({
    method: 'get',
    path: '/api/v1/me',
    summary: { en: 'Who makes the request', zh: '查看当前身份' },
    answers: { 200: me },
    errors: [],
    ...{ subject, access },
    handle: ({ caller }) => Promise.resolve(ok(me.parse(caller))),
  }),
  operation({
    method: 'post',
    path: '/api/v1/me/password',
    summary: { en: "Changes one's own password", zh: '修改自己的密码' },
    body: z.strictObject({ current: password, password }),
    answers: { 204: null },
    errors: [...errors, 'password_weak'],
    ...{ subject, access },
    async handle({ caller, body }, context) {
      await changeOwnPassword(own(context), caller.id, body);
      return done;
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/me/second-factor',
    summary: {
      en: 'Begins a second factor: gives the secret for an authenticator app',
      zh: '开始启用双重验证，返回身份验证器应用所需的密钥',
    },
    body: z.strictObject({ password }),
    answers: { 201: z.strictObject({ secret: z.string(), uri: z.string() }) },
    errors: [...errors, 'second_factor_exists', 'secrets_key_missing'],
    ...{ subject, access },
    handle: async ({ caller, body }, context) =>
      created(await beginSecondFactor(own(context), caller.id, body.password)),
  }),
  operation({
    method: 'post',
    path: '/api/v1/me/second-factor/confirm',
    summary: {
      en: 'Confirms the second factor by a code; gives the recovery codes, once',
      zh: '用验证码确认双重验证，并返回恢复码（仅此一次）',
    },
    body: z.strictObject({ password, code: z.string().min(6).max(20) }),
    answers: { 200: z.strictObject({ recoveryCodes: z.array(z.string()) }) },
    errors: [...errors, 'code_wrong', 'secrets_key_missing'],
    ...{ subject, access },
    handle: async ({ caller, body }, context) =>
      ok({ recoveryCodes: await confirmSecondFactor(own(context), caller.id, body) }),
  }),
  operation({
    method: 'delete',
    path: '/api/v1/me/second-factor',
    summary: { en: 'Removes the second factor, where none is demanded', zh: '移除双重验证（未强制要求时）' },
    body: z.strictObject({ password }),
    answers: { 204: null },
    errors: [...errors, 'second_factor_demanded'],
    ...{ subject, access },
    async handle({ caller, body }, context) {
      await removeSecondFactor(own(context), caller.id, body.password);
      return done;
    },
  }),
];
