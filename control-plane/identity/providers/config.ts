import { z } from 'zod';

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** Secrets and codes travel over it: encrypted, or within this machine. */
const secureUrl = (...schemes: string[]): z.ZodType<string> =>
  z.url().refine(
    (text) => {
      const { protocol, hostname } = new URL(text);
      return schemes.includes(protocol) || LOOPBACK.has(hostname);
    },
    `Expected ${schemes.join(' or ')}//…; an unencrypted one is accepted on loopback alone`,
  );

const httpsUrl = secureUrl('https:');

const common = {
  /** Part of the redirect address, and so registered at the provider: it cannot change later. */
  name: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/, 'Lower-case letters, digits and hyphens'),
  /** What the sign-in page calls it. */
  label: z.strictObject({ en: z.string().min(1).max(60), zh: z.string().min(1).max(60) }),
  /** Tenants whose `spec.groups` it may speak for. A group of the same name in another tenant is another group. */
  tenants: z.array(z.string().min(1)).min(1),
};

const oidc = z.strictObject({
  ...common,
  type: z.literal('oidc'),
  /** Encrypted, always: a CA of one's own goes into NODE_EXTRA_CA_CERTS. */
  issuer: z.url({ protocol: /^https$/ }),
  clientId: z.string().min(1),
  clientSecretFile: z.string().min(1),
  /** `offline_access` gives the refresh token by which leavers are noticed. */
  scopes: z.array(z.string().min(1)).default(['openid', 'profile', 'offline_access']),
  algorithms: z
    .array(z.enum(['RS256', 'PS256', 'ES256', 'EdDSA']))
    .min(1)
    .default(['RS256', 'PS256', 'ES256', 'EdDSA']),
  claims: z
    .strictObject({
      name: z.string().min(1).default('name'),
      department: z.string().min(1).default('department'),
      groups: z.string().min(1).default('groups'),
    })
    .default({ name: 'name', department: 'department', groups: 'groups' }),
  /** Whether claims are also asked for at the userinfo endpoint. */
  userinfo: z.boolean().default(true),
  /** Whether signing out here signs out there too, where the provider has an end_session_endpoint. */
  signOut: z.boolean().default(true),
});

const dingtalk = z.strictObject({
  ...common,
  type: z.literal('dingtalk'),
  /** Client id and secret of the application, formerly AppKey and AppSecret. */
  clientId: z.string().min(1),
  clientSecretFile: z.string().min(1),
  /** The one organisation whose members may sign in. */
  corpId: z.string().min(1),
  loginUrl: httpsUrl.default('https://login.dingtalk.com'),
  apiUrl: httpsUrl.default('https://api.dingtalk.com'),
  oapiUrl: httpsUrl.default('https://oapi.dingtalk.com'),
});

const feishu = z.strictObject({
  ...common,
  type: z.literal('feishu'),
  appId: z.string().min(1),
  appSecretFile: z.string().min(1),
  /** The one organisation whose members may sign in. */
  tenantKey: z.string().min(1),
  /** For Lark: `https://accounts.larksuite.com` and `https://open.larksuite.com`. */
  accountsUrl: httpsUrl.default('https://accounts.feishu.cn'),
  openUrl: httpsUrl.default('https://open.feishu.cn'),
});

/** A filter comes from the administrator, whole; what people type is put beside it, escaped. */
const filter = z.string().regex(/^\(.+\)$/s, 'A filter in parentheses, such as (objectClass=person)');

const ldap = z
  .strictObject({
    ...common,
    type: z.literal('ldap'),
    url: z.url({ protocol: /^ldaps?$/ }),
    /** For `ldap://`: demanded, unless the server is on loopback. */
    startTls: z.boolean().default(false),
    caFile: z.string().min(1).optional(),
    bindDn: z.string().min(1),
    bindPasswordFile: z.string().min(1),
    userBase: z.string().min(1),
    /** Whose accounts count, such as `(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))`. */
    userFilter: filter.default('(objectClass=person)'),
    loginAttribute: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9-]*$/)
      .default('uid'),
    /** Never changes and is never given to another: entryUUID, or objectGUID of Active Directory. */
    subjectAttribute: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9-]*$/)
      .default('entryUUID'),
    subjectIsBinary: z.boolean().default(false),
    nameAttribute: z.string().min(1).default('cn'),
    departmentAttribute: z.string().min(1).default('ou'),
    groupBase: z.string().min(1),
    groupFilter: filter.default('(objectClass=groupOfNames)'),
    /** `member`, or `member:1.2.840.113556.1.4.1941:` for Active Directory's nested groups. */
    memberAttribute: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9-]*(:[0-9.]+:)?$/)
      .default('member'),
    groupNameAttribute: z.string().min(1).default('cn'),
  })
  .refine(
    ({ url, startTls }) => {
      const { protocol, hostname } = new URL(url);
      return protocol === 'ldaps:' || startTls || LOOPBACK.has(hostname);
    },
    { path: ['url'], message: 'Passwords travel over it: use ldaps://, or ldap:// with startTls' },
  );

export const identityProviderConfig = z.discriminatedUnion('type', [oidc, dingtalk, feishu, ldap]);
export type IdentityProviderConfig = z.infer<typeof identityProviderConfig>;
export type OidcConfig = z.infer<typeof oidc>;
export type DingtalkConfig = z.infer<typeof dingtalk>;
export type FeishuConfig = z.infer<typeof feishu>;
export type LdapConfig = z.infer<typeof ldap>;

export const identityProvidersConfig = z
  .array(identityProviderConfig)
  .max(20)
  .refine(
    (all) => new Set(all.map(({ name }) => name)).size === all.length,
    'Two providers have the same name',
  );
