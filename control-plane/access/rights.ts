import type { CustomRole, Grant } from '../../contracts/access.ts';
import type { AddressSet } from './addresses.ts';
import {
  type Circumstances,
  type CompiledConditions,
  type ConditionName,
  compileConditions,
  unmetCondition,
} from './conditions.ts';

/** A permission as it is looked up: where it comes from, and when it holds. */
export interface Right {
  /** `grant:ID` or `custom-role:NAME`. */
  rule: string;
  conditions: CompiledConditions | undefined;
  /** Milliseconds since the epoch; Infinity when it does not end. */
  expiresAt: number;
}

/** Rights by the subjects that have them. */
type Holders = Map<string, Right[]>;

/** What is given by one action: by whole names, and by how names begin. */
interface Patterns {
  exact: Map<string, Holders>;
  prefixes: Map<string, Holders>;
  /** Lengths of the prefixes, so that only those are tried. */
  lengths: number[];
}

/**
 * Rights by action, resource and subject. Looking one up takes as many steps as there are lengths of prefixes and, for
 * each, holders or subjects, whichever are fewer: however many grants there are of other things.
 */
export type Rights = ReadonlyMap<string, Patterns>;

export const subjectKey = (kind: Grant['subject']['kind'], id: string): string => `${kind}:${id}`;

/** Of one tenant. */
export function compileRights(
  roles: readonly CustomRole[],
  grants: readonly Grant[],
  intranet: AddressSet,
): Rights {
  const rights = new Map<string, Patterns>();
  const add = (subject: string, { actions, resources }: Grant['permission'], right: Right): void => {
    for (const action of actions) {
      const patterns = rights.get(action) ?? { exact: new Map(), prefixes: new Map(), lengths: [] };
      rights.set(action, patterns);
      for (const resource of resources) addPattern(patterns, resource, subject, right);
    }
  };
  for (const { name, permissions, conditions } of roles) {
    const right: Right = {
      rule: `custom-role:${name}`,
      conditions: compileConditions(conditions, intranet),
      expiresAt: Infinity,
    };
    for (const permission of permissions) add(subjectKey('role', name), permission, right);
  }
  for (const { id, subject, permission, conditions, expiresAt } of grants)
    add(subjectKey(subject.kind, subject.id), permission, {
      rule: `grant:${id}`,
      conditions: compileConditions(conditions, intranet),
      expiresAt: expiresAt === undefined ? Infinity : Date.parse(expiresAt),
    });
  return rights;
}

function addPattern(patterns: Patterns, resource: string, subject: string, right: Right): void {
  const { exact, prefixes, lengths } = patterns;
  const put = (map: Map<string, Holders>, key: string): void => {
    const holders = map.get(key) ?? new Map<string, Right[]>();
    map.set(key, holders);
    const known = holders.get(subject);
    if (known === undefined) holders.set(subject, [right]);
    else known.push(right);
  };
  const putPrefix = (prefix: string): void => {
    if (!lengths.includes(prefix.length)) lengths.push(prefix.length);
    put(prefixes, prefix);
  };
  if (resource.endsWith('*')) {
    putPrefix(resource.slice(0, -1));
    return;
  }
  put(exact, resource);
  // A folder is what lies in it, too.
  if (resource.startsWith('folder:')) putPrefix(`${resource}/`);
}

/** Whoever acts, as the index knows it: itself, its projects, its roles. */
interface SubjectNames {
  id: string;
  role: string;
  projects?: readonly string[] | undefined;
  customRoles?: readonly string[] | undefined;
}

export function subjectsOf({ id, role, projects = [], customRoles = [] }: SubjectNames): Set<string> {
  return new Set([
    subjectKey('principal', id),
    ...projects.map((project) => subjectKey('project', project)),
    ...customRoles.map((name) => subjectKey('role', name)),
    subjectKey('role', role),
  ]);
}

export type Missed = (right: Right, why: ConditionName) => void;

/** What is in force now for one of the names of a resource; `missed` sees those whose conditions fail. */
export function findRight(
  rights: Rights,
  { subject, action, names }: { subject: SubjectNames; action: string; names: readonly string[] },
  circumstances: Circumstances,
  missed?: Missed,
): Right | undefined {
  const patterns = rights.get(action);
  if (patterns === undefined) return undefined;
  let subjects: Set<string> | undefined;
  for (const name of names)
    for (const holders of holdersOf(patterns, name)) {
      // Seldom needed: most of what is asked was given to nobody.
      subjects ??= subjectsOf(subject);
      const found = heldBy(subjects, holders, (right) => holds(right, circumstances, missed));
      if (found !== undefined) return found;
    }
  return undefined;
}

function* holdersOf({ exact, prefixes, lengths }: Patterns, name: string): Generator<Holders> {
  const whole = exact.get(name);
  if (whole !== undefined) yield whole;
  for (const length of lengths) {
    const begins = length <= name.length ? prefixes.get(name.slice(0, length)) : undefined;
    if (begins !== undefined) yield begins;
  }
}

function heldBy(
  subjects: Set<string>,
  holders: Holders,
  inForce: (right: Right) => boolean,
): Right | undefined {
  if (subjects.size <= holders.size) {
    for (const subject of subjects) {
      const found = holders.get(subject)?.find(inForce);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  for (const [subject, held] of holders) {
    const found = subjects.has(subject) ? held.find(inForce) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function holds(right: Right, circumstances: Circumstances, missed: Missed | undefined): boolean {
  if (right.expiresAt <= circumstances.at) return false;
  if (right.conditions === undefined) return true;
  const why = unmetCondition(right.conditions, circumstances);
  if (why === undefined) return true;
  missed?.(right, why);
  return false;
}
