import type { Request } from 'express';
import { flowCookieName, sessionCookieName, setCookie } from '../../../contracts/session.ts';
import type { Wrapper } from '../../identity/signing/wrap.ts';
import { clientOf } from './context.ts';

/** The one cookie of that name; undefined when there is none, or more: one of them was planted. */
function cookieOf(request: Request, name: string): string | undefined {
  const found = (request.get('cookie') ?? '')
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part.startsWith(`${name}=`))
    .map((part) => part.slice(name.length + 1));
  return found.length === 1 ? found[0] : undefined;
}

export const sessionTokenOf = (request: Request): string | undefined =>
  cookieOf(request, sessionCookieName(clientOf(request).secure));

/** `Set-Cookie` for the session, or to remove it. */
export function sessionCookie(request: Request, token: string, expiresAt: Date, now: Date): string {
  const { secure } = clientOf(request);
  const maxAgeSeconds = Math.max(0, Math.floor((expiresAt.getTime() - now.getTime()) / 1000));
  return setCookie(sessionCookieName(secure), token, { maxAgeSeconds, secure });
}

export function noSessionCookie(request: Request): string {
  const { secure } = clientOf(request);
  return setCookie(sessionCookieName(secure), '', { maxAgeSeconds: 0, secure });
}

const FLOW_SECONDS = 600;
const OWNER = 'flow:cookie';

/** What a sign-in in progress remembers, in the browser that began it, unreadable and unalterable there. */
export type Flow =
  | {
      kind: 'provider';
      provider: string;
      state: string;
      memory: Record<string, string>;
      next: string;
    }
  | {
      kind: 'tenant';
      identity: string;
      provider: string;
      amr: string[];
      authTime?: number | undefined;
      idToken?: string | undefined;
      seconds?: number | undefined;
    };

export function flowCookie(request: Request, wrapper: Wrapper, flow: Flow, now: Date): string {
  const { secure } = clientOf(request);
  const sealed = wrapper.wrap(JSON.stringify({ until: now.getTime() + FLOW_SECONDS * 1000, flow }), OWNER);
  return setCookie(flowCookieName(secure), sealed, { maxAgeSeconds: FLOW_SECONDS, secure });
}

export function noFlowCookie(request: Request): string {
  const { secure } = clientOf(request);
  return setCookie(flowCookieName(secure), '', { maxAgeSeconds: 0, secure });
}

/** Undefined when this browser began no sign-in, or too long ago. */
export function flowOf(request: Request, wrapper: Wrapper, now: Date): Flow | undefined {
  const sealed = cookieOf(request, flowCookieName(clientOf(request).secure));
  const text = sealed === undefined ? undefined : wrapper.unwrap(sealed, OWNER);
  if (text === undefined) return undefined;
  // Ours, since it opened.
  const { until, flow } = JSON.parse(text) as { until: number; flow: Flow };
  return now.getTime() < until ? flow : undefined;
}
