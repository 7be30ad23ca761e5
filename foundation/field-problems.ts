import type { z } from 'zod';
import type { Localized } from './language.ts';

/** What is wrong with one field, to be said after «The field … is wrong:». */
export interface FieldProblem {
  /** Its path, such as `scopes.cidrs.0`; empty when it is the whole. */
  field: string;
  message: Localized;
}

type Issue = z.core.$ZodIssue;

const SEPARATOR = ' | ';
/** What a schema's own check expects, as its message: `z.string().refine(isCidr, expected('a CIDR', 'CIDR 地址段'))`. */
export const expected = (en: string, zh: string): string => en + SEPARATOR + zh;

const SECRET = /password|secret|code|token|current|^key$/i;
const SHOWN_CHARACTERS = 40;
const SHOWN_VALUES = 20;

/** The problems of a failed parse with `reportInput`, in plain words: what is allowed, and what was given. */
export function fieldProblems(issues: readonly Issue[]): FieldProblem[] {
  return issues.flatMap((issue): FieldProblem[] => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ field: [...path, key].join('.'), message: UNKNOWN }));
    const secret = path.some((part) => SECRET.test(part));
    return [{ field: path.join('.'), message: sentenceOf(issue, secret) }];
  });
}

const UNKNOWN: Localized = { en: 'there is no such field here', zh: '此处没有该字段' };
const MISSING: Localized = { en: 'it is missing', zh: '缺少该字段' };

function sentenceOf(issue: Issue, secret: boolean): Localized {
  if (issue.code === 'invalid_union') {
    const inner = closest(issue.errors);
    if (inner !== undefined) return sentenceOf(inner, secret);
  }
  if (issue.input === undefined && ['invalid_type', 'invalid_value', 'invalid_union'].includes(issue.code))
    return MISSING;
  const allowed = allowedBy(issue);
  const given = secret ? undefined : shown(issue.input);
  const en = `it must be ${allowed.en}`;
  const zh = `应为${allowed.zh}`;
  return given === undefined
    ? { en, zh }
    : { en: `${en}; it is ${given.en}`, zh: `${zh}，实际为${given.zh}` };
}

/** Of several shapes that a field may have, the one that was probably meant: not one of another type. */
function closest(branches: readonly (readonly Issue[])[]): Issue | undefined {
  const firsts = branches.flatMap((issues) => issues[0] ?? []);
  return (
    firsts.find(({ code }) => code !== 'invalid_type' && code !== 'invalid_value') ??
    firsts.find(({ code }) => code !== 'invalid_value') ??
    firsts[0]
  );
}

function shown(input: unknown): Localized | undefined {
  if (input === undefined) return undefined;
  if (Array.isArray(input)) return { en: `a list of ${input.length}`, zh: `含 ${input.length} 项的列表` };
  if (typeof input === 'object' && input !== null) return { en: 'an object', zh: '对象' };
  const text = JSON.stringify(input) as string | undefined;
  if (text === undefined) return undefined;
  const cut = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
  return { en: cut, zh: ` ${cut}` };
}

const TYPES: Readonly<Record<string, Localized>> = {
  string: { en: 'a text', zh: '文本' },
  number: { en: 'a number', zh: '数字' },
  int: { en: 'a whole number', zh: '整数' },
  boolean: { en: 'true or false', zh: ' true 或 false' },
  array: { en: 'a list', zh: '列表' },
  object: { en: 'an object', zh: '对象' },
  record: { en: 'an object', zh: '对象' },
};

const FORMATS: Readonly<Record<string, Localized>> = {
  email: { en: 'an e-mail address', zh: '电子邮件地址' },
  datetime: {
    en: 'a time such as 2026-01-31T08:00:00Z, with its zone',
    zh: '带时区的时间，例如 2026-01-31T08:00:00Z',
  },
  uuid: { en: 'a UUID', zh: ' UUID' },
};

const OTHER: Localized = { en: 'of another form', zh: '其他形式' };

const typed = (name: string): Localized => TYPES[name] ?? OTHER;
const formatted = (name: string): Localized => FORMATS[name] ?? OTHER;

function allowedBy(issue: Issue): Localized {
  switch (issue.code) {
    case 'invalid_type':
      return typed(issue.expected);
    case 'too_small':
    case 'too_big':
      return bounds(issue);
    case 'invalid_value':
      return oneOf(issue.values.map(String));
    case 'invalid_format':
      return own(issue.message) ?? formatted(issue.format);
    case 'not_multiple_of':
    case 'unrecognized_keys':
    case 'invalid_union':
    case 'invalid_key':
    case 'invalid_element':
    case 'custom':
      return own(issue.message) ?? OTHER;
  }
}

function oneOf(values: readonly string[]): Localized {
  if (values.length === 1) return { en: values.join(), zh: ` ${values.join()}` };
  const shownValues = values.slice(0, SHOWN_VALUES);
  const cut = values.length > SHOWN_VALUES;
  return {
    en: `one of ${shownValues.join(', ')}${cut ? ', …' : ''}`,
    zh: `以下之一：${shownValues.join('、')}${cut ? '……' : ''}`,
  };
}

function own(message: string): Localized | undefined {
  const [en, zh] = message.split(SEPARATOR);
  return en === undefined || zh === undefined ? undefined : { en, zh };
}

function bounds(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): Localized {
  const small = issue.code === 'too_small';
  const limit = String(small ? issue.minimum : issue.maximum);
  const at = small ? { en: 'at least', zh: '至少' } : { en: 'at most', zh: '至多' };
  if (issue.origin === 'string')
    return small && limit === '1'
      ? { en: 'a text that is not empty', zh: '非空文本' }
      : { en: `${at.en} ${limit} characters long`, zh: `${at.zh} ${limit} 个字符的文本` };
  if (issue.origin === 'array')
    return { en: `a list of ${at.en} ${limit}`, zh: `${at.zh} ${limit} 项的列表` };
  const strict = issue.inclusive === false;
  if (small)
    return strict
      ? { en: `more than ${limit}`, zh: `大于 ${limit} 的数` }
      : { en: `${limit} or more`, zh: `不小于 ${limit} 的数` };
  return strict
    ? { en: `less than ${limit}`, zh: `小于 ${limit} 的数` }
    : { en: `${limit} or less`, zh: `不大于 ${limit} 的数` };
}

/** The value as the schema takes it, or every problem with it. */
export function check<S extends z.ZodType>(
  schema: S,
  value: unknown,
): { ok: true; value: z.infer<S> } | { ok: false; problems: FieldProblem[] } {
  const parsed = schema.safeParse(value, { reportInput: true });
  return parsed.success
    ? { ok: true, value: parsed.data }
    : { ok: false, problems: fieldProblems(parsed.error.issues) };
}
