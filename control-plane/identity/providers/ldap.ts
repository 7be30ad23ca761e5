import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { Client, type Entry, ResultCodeError } from 'ldapts';
import type { LdapConfig } from './config.ts';
import {
  type Authenticated,
  cleanText,
  type PasswordProvider,
  type Profile,
  PROVIDER_TIMEOUT_MS,
  type ProviderSurroundings,
} from './provider.ts';

const MAX_LOGIN = 128;
const MAX_PASSWORD = 1_024;
const MAX_GROUPS = 1_000;
/**
 * Results of a bind that prove nothing (RFC 4511 appendix A): constraintViolation, noSuchObject, invalidDNSyntax,
 * inappropriateAuthentication, invalidCredentials, insufficientAccessRights, unwillingToPerform.
 */
const NOT_PROVEN = new Set([19, 32, 34, 48, 49, 50, 53]);

/**
 * A value for a filter (RFC 4515 §3): every byte but letters and digits is escaped, so that no value, in whatever
 * encoding, is ever read as part of the filter.
 */
export function filterValue(value: string | Uint8Array): string {
  let text = '';
  for (const byte of typeof value === 'string' ? Buffer.from(value.toWellFormed(), 'utf8') : value) {
    const letter = String.fromCharCode(byte);
    text += /[A-Za-z0-9]/.test(letter) ? letter : `\\${byte.toString(16).padStart(2, '0')}`;
  }
  return text;
}

/**
 * An LDAP directory: the account is found with the product's own, then the person's password is tried on it. Both go
 * over TLS, or over loopback.
 */
export function createLdapProvider(config: LdapConfig, surroundings: ProviderSurroundings): PasswordProvider {
  const { name, label, tenants } = config;

  async function connected<T>(use: (client: Client) => Promise<T>): Promise<T> {
    const ca = config.caFile === undefined ? undefined : await readFile(config.caFile, 'utf8');
    const host = new URL(config.url).hostname.replace(/^\[|\]$/g, '');
    const tlsOptions = {
      minVersion: 'TLSv1.2' as const,
      // The certificate must be for the name that the configuration gives.
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(ca === undefined ? {} : { ca }),
    };
    const client = new Client({
      url: config.url,
      timeout: PROVIDER_TIMEOUT_MS,
      connectTimeout: PROVIDER_TIMEOUT_MS,
      ...(new URL(config.url).protocol === 'ldaps:' ? { tlsOptions } : {}),
    });
    try {
      if (config.startTls) await client.startTLS(tlsOptions);
      return await use(client);
    } finally {
      await client.unbind().catch(() => undefined);
    }
  }

  async function asOurselves<T>(use: (client: Client) => Promise<T>): Promise<T> {
    return connected(async (client) => {
      await client.bind(config.bindDn, await surroundings.readSecret(config.bindPasswordFile));
      return use(client);
    });
  }

  /** The one account that matches. Two are no account: which was meant would be a guess. */
  async function accountBy(client: Client, attribute: string, value: string): Promise<Entry | undefined> {
    const { searchEntries } = await client.search(config.userBase, {
      scope: 'sub',
      filter: `(&${config.userFilter}(${attribute}=${value}))`,
      attributes: ['*', config.subjectAttribute],
      explicitBufferAttributes: config.subjectIsBinary ? [config.subjectAttribute] : [],
      sizeLimit: 2,
      timeLimit: PROVIDER_TIMEOUT_MS / 1000,
    });
    return searchEntries.length === 1 ? searchEntries[0] : undefined;
  }

  async function profileOf(client: Client, entry: Entry): Promise<Profile> {
    const subject = firstOf(entry, config.subjectAttribute);
    if (subject === undefined)
      throw new Error(
        `the directory gives no ${config.subjectAttribute}: check subjectAttribute and its rights`,
      );
    const { searchEntries } = await client.search(config.groupBase, {
      scope: 'sub',
      filter: `(&${config.groupFilter}(${config.memberAttribute}=${filterValue(entry.dn)}))`,
      attributes: [config.groupNameAttribute],
      sizeLimit: MAX_GROUPS,
      timeLimit: PROVIDER_TIMEOUT_MS / 1000,
    });
    const text = (attribute: string): string | undefined => firstOf(entry, attribute)?.toString('utf8');
    const id = config.subjectIsBinary ? subject.toString('hex') : subject.toString('utf8');
    return {
      subject: id,
      name: cleanText(text(config.nameAttribute), id),
      department: cleanText(text(config.departmentAttribute), ''),
      groups: searchEntries.flatMap(
        (group) => firstOf(group, config.groupNameAttribute)?.toString('utf8') ?? [],
      ),
    };
  }

  return {
    kind: 'password',
    name,
    label,
    tenants,
    issuer: `ldap:${name}`,
    needsRefreshToken: false,

    async verify(login, password): Promise<Authenticated | undefined> {
      // A bind without a password succeeds and proves nothing (RFC 4513 §5.1.2).
      if (password === '' || password.length > MAX_PASSWORD) return undefined;
      if (login === '' || login.length > MAX_LOGIN) return undefined;
      const entry = await asOurselves((client) =>
        accountBy(client, config.loginAttribute, filterValue(login)),
      );
      // An unknown name takes the same steps as a wrong password.
      const dn = entry?.dn ?? `${config.loginAttribute}=${randomBytes(8).toString('hex')},${config.userBase}`;
      try {
        await connected((client) => client.bind(dn, password));
      } catch (error) {
        if (error instanceof ResultCodeError && NOT_PROVEN.has(error.code)) return undefined;
        throw error;
      }
      if (entry === undefined) return undefined;
      return { ...(await asOurselves((client) => profileOf(client, entry))), amr: ['pwd'] };
    },

    async standing({ subject }) {
      return asOurselves(async (client) => {
        const bytes = config.subjectIsBinary ? Buffer.from(subject, 'hex') : subject;
        const entry = await accountBy(client, config.subjectAttribute, filterValue(bytes));
        if (entry === undefined) return { kind: 'gone' };
        return { kind: 'member', profile: await profileOf(client, entry) };
      });
    },
  };
}

function firstOf(entry: Entry, attribute: string): Buffer | undefined {
  const key = Object.keys(entry).find((name) => name.toLowerCase() === attribute.toLowerCase());
  const value = key === undefined ? undefined : entry[key];
  const first = Array.isArray(value) ? value[0] : value;
  if (first === undefined || first.length === 0) return undefined;
  return typeof first === 'string' ? Buffer.from(first, 'utf8') : first;
}
