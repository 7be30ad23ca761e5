import { z } from 'zod';
import { conditions as conditionsContract, grant } from '../../../contracts/access.ts';
import { role } from '../../../contracts/principal.ts';
import { isCidr } from '../../access/addresses.ts';
import { grantableActions, grantableKinds } from '../../access/roles.ts';
import { windowProblem } from '../../access/time-windows.ts';

/** `KIND:NAME`; a `*` at the end is «and all that begin so», alone it is all of the kind. */
export const resourcePattern = z
  .string()
  .max(300)
  .superRefine((text, context) => {
    const problem = patternProblem(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

const FOLDER = /^(?!\/)(?!.*\/\/)[^\p{Cc}\\*]*$/u;
const NAME = /^[a-z0-9][a-z0-9.-]*$/;

export function patternProblem(text: string): string | undefined {
  const [kind = '', ...parts] = text.split(':');
  if (!grantableKinds.some((one) => one === kind))
    return `Expected ${grantableKinds.map((one) => `${one}:NAME`).join(', ')}`;
  const name = parts.join(':').replace(/\*$/, '');
  const whole = !text.endsWith('*');
  if (name === '') return whole ? 'A name or * must follow the colon' : undefined;
  if (kind !== 'folder')
    return NAME.test(name)
      ? undefined
      : 'Expected a name of small letters, digits, - and ., and * at its end alone';
  if (
    !FOLDER.test(name) ||
    (whole && name.endsWith('/')) ||
    name.split('/').some((part) => /^\.{1,2}$/.test(part))
  )
    return 'Expected a path such as campaigns/spring, without . and .., and * at its end alone';
  return undefined;
}

export const permission = z.strictObject({
  actions: z.array(z.enum(grantableActions)).min(1).max(grantableActions.length),
  resources: z.array(resourcePattern).min(1).max(100),
});

const window = conditionsContract.shape.timeWindows.unwrap().element.superRefine((given, context) => {
  const problem = windowProblem(given);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
});

export const conditions = conditionsContract
  .extend({
    allowedCidrs: z
      .array(z.string().refine(isCidr, 'Expected a CIDR, such as 10.0.0.0/8'))
      .min(1)
      .max(100)
      .optional(),
    timeWindows: z.array(window).min(1).max(32).optional(),
  })
  .refine(
    (given) => Object.values(given).some((value) => value !== undefined),
    'Expected one condition or more',
  );

export const roleName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'Expected small letters, digits, and - between them')
  .refine((text) => !role.options.some((one) => one === text), 'This is the name of a built-in role');

export const id = z.string().min(1).max(200);
export const expiresAt = z.iso.datetime({ offset: true });
export const subject = grant.shape.subject;
