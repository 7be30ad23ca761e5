import { accessErrors } from './errors/access.ts';
import { credentialErrors } from './errors/credentials.ts';
import { httpErrors } from './errors/http.ts';
import { inferenceErrors } from './errors/inference.ts';
import { serviceErrors } from './errors/service.ts';
import { signInErrors } from './errors/sign-in.ts';

/** One way to fail. In the sentences `{name}` stands for the detail of that name. */
interface ErrorKind {
  status: number;
  en: string;
  zh: string;
}

/** By subject, as the reference of errors lists them. */
export const errorGroups = {
  http: httpErrors,
  credentials: credentialErrors,
  signIn: signInErrors,
  access: accessErrors,
  service: serviceErrors,
  inference: inferenceErrors,
} as const satisfies Record<string, Record<string, ErrorKind>>;

/** Every code that a client can meet. Codes are stable: programs go by them. */
export const errorCodes = {
  ...httpErrors,
  ...credentialErrors,
  ...signInErrors,
  ...accessErrors,
  ...serviceErrors,
  ...inferenceErrors,
} as const;

export type ErrorCode = keyof typeof errorCodes;

type Names<S extends string> = S extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;

/** What the sentence of a code needs to be whole. */
export type DetailNames<C extends ErrorCode> = Names<(typeof errorCodes)[C]['en']>;
