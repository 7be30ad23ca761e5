import { z } from 'zod';
import { role } from '../../../contracts/principal.ts';
import { expected } from '../../../foundation/field-problems.ts';
import type { Localized } from '../../../foundation/language.ts';
import {
  accountsOf,
  type AccountVerb,
  actOnAccount,
  changeAccount,
  createAccount,
  inviteAgain,
} from '../accounts.ts';
import { byId, department, futureTime, maybeTime, name, time } from '../fields.ts';
import { needs, created, done, ok, operation, type Operation } from '../operation.ts';

/** No `:`, which HTTP Basic cannot carry, no `/`, which parts it from the tenant; `break-glass` is the product's. */
const login = z
  .string()
  .toLowerCase()
  .regex(
    /^[a-z0-9](?:[a-z0-9._@+-]{0,98}[a-z0-9])?$/,
    expected('of letters, digits, and . _ @ + - between them', '由字母、数字组成的名称，中间可含 . _ @ + -'),
  )
  .refine(
    (text) => text !== 'break-glass',
    expected('another name: this one is reserved', '其他名称：该名称为系统保留'),
  );

const email = z.union([z.literal(''), z.email().max(200)]);
const inviteDays = z.int().min(1).max(30);

const newAccount = z.strictObject({
  login,
  name,
  department: department.default(''),
  role: role.default('viewer'),
  email: email.default(''),
  expiresAt: futureTime.optional(),
  inviteDays: inviteDays.default(7),
});

const accountChanges = z.strictObject({
  name: name.optional(),
  department: department.optional(),
  role: role.optional(),
  email: email.optional(),
  expiresAt: futureTime.nullable().optional(),
});

const invitation = z
  .strictObject({
    path: z.string().describe('Path and query below the address of the gateway'),
    expiresAt: time,
  })
  .meta({ id: 'AccountInvitation' });

const account = z
  .strictObject({
    id: z.string(),
    login: z.string(),
    name: z.string(),
    department: z.string(),
    role,
    email: z.string(),
    breakGlass: z.boolean(),
    createdAt: time,
    expiresAt: maybeTime,
    disabledAt: maybeTime,
    lastSignInAt: maybeTime,
    invited: z.boolean().describe('No password was set yet'),
    secondFactor: z.boolean(),
    secondFactorDemanded: z.boolean(),
    failures: z.int(),
    lockedAt: maybeTime,
    waitsUntil: maybeTime.describe('Sign-in is refused until then'),
  })
  .meta({ id: 'Account' });

const subject = 'accounts';
const access = needs('members:manage', 'account');
const errors = ['account_not_found', 'grant_exceeds_own'] as const;

const verbs: Record<Exclude<AccountVerb, 'delete'>, Localized> = {
  disable: { en: 'Disables an account', zh: '停用账号' },
  enable: { en: 'Enables an account', zh: '启用账号' },
  unlock: { en: 'Lifts the lock that wrong passwords set', zh: '解除因密码错误导致的锁定' },
  'end-sessions': { en: 'Ends every session and token of an account', zh: '结束账号的所有会话和令牌' },
  'reset-second-factor': {
    en: 'Takes the second factor away, for a lost phone',
    zh: '重置双重验证（例如手机丢失时）',
  },
};

/** Local accounts: an administrator's work. */
export const accountOperations: Operation[] = [
  operation({
    method: 'get',
    path: '/api/v1/accounts',
    summary: { en: 'Local accounts of the tenant', zh: '列出租户的本地账号' },
    answers: { 200: z.strictObject({ accounts: z.array(account) }) },
    errors: [],
    ...{ subject, access },
    handle: async ({ caller }, context) => ok({ accounts: await accountsOf(context, caller) }),
  }),
  operation({
    method: 'post',
    path: '/api/v1/accounts',
    summary: {
      en: 'Makes an account, and the link with which its person sets a password',
      zh: '创建账号，并生成用于设置密码的链接',
    },
    body: newAccount,
    answers: { 201: z.strictObject({ id: z.string(), login: z.string(), invitation }) },
    errors: ['grant_exceeds_own', 'login_taken', 'too_many_principals'],
    ...{ subject, access },
    handle: async ({ caller, body }, context) => created(await createAccount(context, caller, body)),
  }),
  operation({
    method: 'patch',
    path: '/api/v1/accounts/{id}',
    summary: {
      en: 'Changes name, department, role, e-mail or end of an account',
      zh: '修改账号的姓名、部门、角色、邮箱或到期时间',
    },
    params: byId,
    body: accountChanges,
    answers: { 200: account },
    errors: [...errors, 'own_role'],
    ...{ subject, access },
    handle: async ({ caller, params, body }, context) =>
      ok(await changeAccount(context, caller, params.id, body)),
  }),
  operation({
    method: 'post',
    path: '/api/v1/accounts/{id}/invitation',
    summary: { en: 'Makes a new link, for a forgotten password', zh: '生成新的链接（忘记密码时使用）' },
    params: byId,
    body: z.strictObject({ inviteDays: inviteDays.default(7) }),
    answers: { 201: invitation },
    ...{ subject, access, errors },
    handle: async ({ caller, params, body }, context) =>
      created(await inviteAgain(context, caller, params.id, body.inviteDays)),
  }),
  ...Object.entries(verbs).map(([verb, summary]) =>
    operation({
      method: 'post',
      path: `/api/v1/accounts/{id}/${verb}`,
      params: byId,
      answers: { 204: null },
      errors: [...errors, ...(verb === 'disable' ? ['own_account' as const] : [])],
      ...{ subject, access, summary },
      async handle({ caller, params }, context) {
        await actOnAccount(context, caller, params.id, verb as AccountVerb);
        return done;
      },
    }),
  ),
  operation({
    method: 'delete',
    path: '/api/v1/accounts/{id}',
    summary: {
      en: 'Removes name, password and keys of an account; its id stays in the records',
      zh: '删除账号的姓名、密码和密钥；记录中保留其编号',
    },
    params: byId,
    answers: { 204: null },
    errors: [...errors, 'own_account'],
    ...{ subject, access },
    async handle({ caller, params }, context) {
      await actOnAccount(context, caller, params.id, 'delete');
      return done;
    },
  }),
];
