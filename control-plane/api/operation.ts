import type { z } from 'zod';
import type { AssertionClaims } from '../../contracts/assertion.ts';
import type { ErrorCode } from '../../contracts/error-codes.ts';
import type { Localized } from '../../foundation/language.ts';
import type { Resource } from '../access/decide.ts';
import type { Action } from '../access/roles.ts';
import type { ApiContext, Caller } from './routes/support.ts';

/** Who may ask, as `decide` says. */
export type Access =
  /** Whoever has signed in, about themselves. */
  | { decided: 'everybody' }
  /** By what the request itself carries; nobody has signed in yet. */
  | { decided: 'by-credential' }
  /** Before anything is read: the action, on all of the tenant. */
  | { decided: 'first'; action: Action; kind: Resource['kind'] }
  /** By the handler: who has the action on all, and others on what is their own. */
  | { decided: 'by-owner'; action: Action; kind: Resource['kind'] };

export const everybody: Access = { decided: 'everybody' };
export const needs = (action: Action, kind: Resource['kind']): Access => ({ decided: 'first', action, kind });
export const needsUnlessOwn = (action: Action, kind: Resource['kind']): Access => ({
  decided: 'by-owner',
  action,
  kind,
});

/** By status: the schema of the body as it goes over the wire, or null where there is none. */
export type Answers = Readonly<Record<number, z.ZodType | null>>;

/** What the document says of an operation, and the tests check. */
export interface Described {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Parameters in braces, such as `/api/v1/accounts/{id}`. */
  path: string;
  subject: Subject;
  summary: Localized;
  access: Access;
  params?: z.ZodType | undefined;
  query?: z.ZodType | undefined;
  body?: z.ZodType | undefined;
  encoding?: 'json' | 'form' | undefined;
  answers: Answers;
  /** Beyond those that every operation can answer. */
  errors: readonly ErrorCode[];
}

export type Subject =
  | 'identity'
  | 'accounts'
  | 'applications'
  | 'sessions'
  | 'access'
  | 'projects'
  | 'reviews'
  | 'quota'
  | 'operations';

/** What may be sent for a value of the wire: a time may still be a Date, and what is undefined is left out. */
export type Sendable<T> = T extends string
  ? string extends T
    ? T | Date
    : T
  : T extends readonly (infer E)[]
    ? readonly Sendable<E>[]
    : T extends object
      ? { [K in keyof T]: Sendable<T[K]> | (undefined extends T[K] ? undefined : never) }
      : T;

type Reply<A extends Answers> = {
  [S in keyof A & number]: A[S] extends z.ZodType
    ? { status: S; body: Sendable<z.output<A[S]>> }
    : { status: S };
}[keyof A & number];

/** Where no schema is given. */
type Nothing = z.ZodType<Record<string, never>>;

/** A request whose fields are what the schemas say. */
export interface Asked<P, Q, B> {
  caller: Caller;
  claims: AssertionClaims;
  params: P;
  query: Q;
  body: B;
  header: (name: string) => string | undefined;
}

interface Definition<
  P extends z.ZodType,
  Q extends z.ZodType,
  B extends z.ZodType,
  A extends Answers,
> extends Described {
  params?: P;
  query?: Q;
  body?: B;
  /** Of the body, such as `10kb`. */
  bodyLimit?: string;
  answers: A;
  /** @throws RequestError of one of `errors` */
  handle(asked: Asked<z.output<P>, z.output<Q>, z.output<B>>, context: ApiContext): Promise<Reply<A>>;
}

/** One operation, as `serve` takes it and the document shows it. */
export interface Operation extends Described {
  bodyLimit?: string;
  handle(
    asked: Asked<unknown, unknown, unknown>,
    context: ApiContext,
  ): Promise<{ status: number; body?: unknown }>;
}

/** Checks the definition's types: its handler gets what its schemas say, and answers what they say. */
export function operation<
  const A extends Answers,
  P extends z.ZodType = Nothing,
  Q extends z.ZodType = Nothing,
  B extends z.ZodType = Nothing,
>(definition: Definition<P, Q, B, A>): Operation {
  return definition;
}

export const ok = <T>(body: T): { status: 200; body: T } => ({ status: 200, body });
export const created = <T>(body: T): { status: 201; body: T } => ({ status: 201, body });
export const done = { status: 204 } as const;
