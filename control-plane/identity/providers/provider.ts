import { refusal, type RequestError } from '../../../foundation/errors.ts';

/** What a provider says of a person. */
export interface Profile {
  /** The provider's own, unchanging id of the account. */
  subject: string;
  name: string;
  department: string;
  /** As the provider writes them; `Tenant.spec.groups` maps them to roles. */
  groups: string[];
}

export interface Authenticated extends Profile {
  /** RFC 8176; `fed` when the provider does not say. */
  amr: string[];
  authTime?: Date | undefined;
  /** By which the provider can be asked again without the person. */
  refreshToken?: string | undefined;
  /** Names the session at the provider when it is to end there. */
  idToken?: string | undefined;
}

/** What became of an account since it signed in. */
export type Standing =
  | { kind: 'member'; profile: Profile; refreshToken?: string | undefined }
  /** The provider disabled, deleted or excluded it. */
  | { kind: 'gone' }
  /** The provider does not vouch for it any longer: the person has to sign in again. */
  | { kind: 'unknown' };

export interface KnownAccount {
  subject: string;
  refreshToken: string | undefined;
}

interface Common {
  name: string;
  label: { en: string; zh: string };
  tenants: string[];
  /** With the subject, the account's one name. */
  issuer: string;
  /** Whether `standing` needs a refresh token to say anything. */
  needsRefreshToken: boolean;
  /** Asks the provider. @throws Error when it cannot be asked now. */
  standing(account: KnownAccount): Promise<Standing>;
}

/** What a sign-in remembers between leaving for the provider and coming back. */
export type Memory = Record<string, string>;

/** Signs people in on pages of its own. */
export interface RedirectProvider extends Common {
  kind: 'redirect';
  begin(redirectUri: string, state: string): Promise<{ url: URL; memory: Memory }>;
  /** @throws RequestError when the provider refused; Error when it cannot be asked now. */
  complete(callback: URL, state: string, memory: Memory): Promise<Authenticated>;
  /** Where the browser goes to end the session there; undefined when the provider has no such place. */
  signOutUrl?(idToken: string | undefined, returnTo: string): Promise<URL | undefined>;
}

/** Is asked whether name and password are right. */
export interface PasswordProvider extends Common {
  kind: 'password';
  /** Undefined when they are not, whatever the reason. */
  verify(login: string, password: string): Promise<Authenticated | undefined>;
}

export type IdentityProvider = RedirectProvider | PasswordProvider;

/** What the outside gives. */
export interface ProviderSurroundings {
  fetch: typeof fetch;
  now: () => Date;
  /** Read when it is needed, so that a rotated secret needs no restart. */
  readSecret: (path: string) => Promise<string>;
}

/** Time for one answer of a provider, in milliseconds. */
export const PROVIDER_TIMEOUT_MS = 5_000;

/** The provider said no, or was told no by the person. What it said goes to the log, not to the page. */
export const providerRefused = (cause: unknown): RequestError => refusal('sign_in_refused', {}, {}, cause);

export const notInOrganisation = (): RequestError => refusal('sign_in_wrong_organisation');

const MAX_TEXT = 200;
const MAX_GROUPS = 1_000;

/** Names from outside, made fit to store and show. */
export function cleanText(value: unknown, otherwise: string): string {
  if (typeof value !== 'string') return otherwise;
  const clean = value
    .toWellFormed()
    .replace(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, MAX_TEXT);
  return clean === '' ? otherwise : clean;
}

/** A claim of groups: a list of names, or one name. Anything else in it is no group. */
export function cleanGroups(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return [...new Set(list.filter((one) => typeof one === 'string' && one !== ''))].slice(
    0,
    MAX_GROUPS,
  ) as string[];
}
