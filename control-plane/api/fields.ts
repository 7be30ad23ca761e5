import { z } from 'zod';
import { expected } from '../../foundation/field-problems.ts';
import { canonicalAddress, isCidr } from '../access/addresses.ts';
import { periods, scopes } from '../quota/units.ts';

/** C0 and C1: they have no place in names, and Postgres takes no U+0000 at all. */
const NO_CONTROL = /^[^\u0000-\u001f\u007f-\u009f]*$/;
const NO_CONTROL_BUT_LINES = /^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$/;
const PLAIN = expected('a text without control characters', '不含控制字符的文本');

/** One line of a person's own words, without spaces around it. */
const line = (max: number): z.ZodString => z.string().trim().max(max).regex(NO_CONTROL, PLAIN);
export const name = line(100).min(1);
export const department = line(100);
export const description = z.string().trim().max(500).regex(NO_CONTROL_BUT_LINES, PLAIN);
/** What is looked up as it was given. */
export const word = (max: number): z.ZodString => z.string().min(1).max(max).regex(NO_CONTROL, PLAIN);
export const id = word(200);
export const cidr = z
  .string()
  .max(50)
  .refine(isCidr, expected('a CIDR, such as 10.0.0.0/8', 'CIDR 地址段，例如 10.0.0.0/8'));
export const address = z
  .string()
  .max(50)
  .refine((text) => canonicalAddress(text) !== undefined, expected('an IP address', 'IP 地址'));
export const serviceName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
    expected(
      'the name of a service: small letters, digits, and - between them',
      '服务名：小写字母、数字，以及中间的 -',
    ),
  );
export const password = z.string().min(1).max(1024);
/** With any offset in requests; in answers always UTC. */
export const futureTime = z.iso.datetime({ offset: true });
export const byId = z.strictObject({ id });
export const byUuid = z.strictObject({ id: z.uuid() });

/** A number in a query. */
export const pageSize = (most: number, usual: number): z.ZodType<number> =>
  z.coerce.number().int().min(1).max(most).default(usual);

// What answers are made of.
export const time = z.iso.datetime();
export const maybeTime = time.nullable();
export const made = z.strictObject({ id: z.string() });
export const period = z.enum(periods);
export const scope = z.enum(scopes);
export const amount = z.number().nonnegative();
export const amounts = z
  .strictObject({ requests: amount, megapixels: amount, steps: amount, computeSeconds: amount })
  .meta({ id: 'Amounts' });
export const unit = z.enum(['requests', 'megapixels', 'steps', 'computeSeconds']);
