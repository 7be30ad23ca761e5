import { z } from 'zod';
import {
  conditions as conditionsContract,
  grant,
  permission as permissionContract,
} from '../../../contracts/access.ts';
import { role } from '../../../contracts/principal.ts';
import { expected } from '../../../foundation/field-problems.ts';
import { grantableActions, grantableKinds } from '../../access/roles.ts';
import { windowProblem } from '../../access/time-windows.ts';
import { cidr, word } from '../fields.ts';

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
const forms = grantableKinds.map((one) => `${one}:NAME`);

export function patternProblem(text: string): string | undefined {
  const [kind = '', ...parts] = text.split(':');
  if (!grantableKinds.some((one) => one === kind))
    return expected(`one of ${forms.join(', ')}`, `以下形式之一：${forms.join('、')}`);
  const name = parts.join(':').replace(/\*$/, '');
  const whole = !text.endsWith('*');
  if (name === '')
    return whole
      ? expected('a kind with a name or * after the colon', '冒号后带有名称或 * 的类型')
      : undefined;
  if (kind !== 'folder')
    return NAME.test(name)
      ? undefined
      : expected(
          'a name of small letters, digits, - and ., with * at its end alone',
          '由小写字母、数字、- 和 . 组成的名称，* 只能位于末尾',
        );
  if (
    !FOLDER.test(name) ||
    (whole && name.endsWith('/')) ||
    name.split('/').some((part) => /^\.{1,2}$/.test(part))
  )
    return expected(
      'a path such as campaigns/spring, without . and .., with * at its end alone',
      '路径，例如 campaigns/spring；不含 . 和 ..，* 只能位于末尾',
    );
  return undefined;
}

export const permission = z.strictObject({
  actions: z.array(z.enum(grantableActions)).min(1).max(grantableActions.length),
  resources: z.array(resourcePattern).min(1).max(100),
});

const window = conditionsContract.shape.timeWindows.unwrap().element.superRefine((given, context) => {
  const problem = windowProblem(given);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: expected(problem.en, problem.zh) });
});

export const conditions = conditionsContract
  .extend({
    allowedCidrs: z.array(cidr).min(1).max(100).optional(),
    timeWindows: z.array(window).min(1).max(32).optional(),
  })
  .refine(
    (given) => Object.values(given).some((value) => value !== undefined),
    expected('one condition or more', '至少一个条件'),
  );

export const roleName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
    expected('of small letters, digits, and - between them', '由小写字母、数字组成的名称，中间可含 -'),
  )
  .refine(
    (text) => !role.options.some((one) => one === text),
    expected('another name: this is a built-in role', '其他名称：该名称为内置角色'),
  );

export const subject = grant.shape.subject.extend({ id: word(200) });

// What answers are made of: as stored, whatever the rules for new ones are by now.
export const permissionsShown = z.array(permissionContract);
export const conditionsShown = conditionsContract.meta({ id: 'Conditions' });
