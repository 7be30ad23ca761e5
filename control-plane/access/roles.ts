import type { Role } from '../../contracts/principal.ts';

export const actions = [
  'api:call',
  'view',
  'infer',
  'test',
  'edit',
  'delete',
  'export',
  'upload',
  'download',
  'keys:manage',
  'usage:read',
  'audit:read',
  'projects:manage',
  'members:manage',
  'services:manage',
  'platform:manage',
] as const;
export type Action = (typeof actions)[number];

/** What custom roles and grants may give, and on what. The rest belongs to the built-in roles. */
export const grantableActions = [
  'view',
  'infer',
  'test',
  'edit',
  'delete',
  'export',
  'upload',
  'download',
] as const;
export const grantableKinds = ['service', 'model', 'folder'] as const;

interface Permissions {
  /** On anything of the tenant. */
  any: readonly Action[];
  /** Only on what belongs to the principal itself. */
  own: readonly Action[];
}

const tenantAdmin: readonly Action[] = actions.filter((action) => action !== 'platform:manage');

/** The built-in roles. What is not listed is refused. */
export const builtInRoles: Readonly<Record<Role, Permissions>> = {
  'platform-admin': { any: actions, own: [] },
  'tenant-admin': { any: tenantAdmin, own: [] },
  developer: {
    any: [
      'api:call',
      'view',
      'infer',
      'test',
      'edit',
      'export',
      'upload',
      'download',
      'usage:read',
      'services:manage',
    ],
    own: ['delete', 'keys:manage', 'projects:manage'],
  },
  editor: {
    any: ['api:call', 'view', 'infer', 'test', 'edit', 'export', 'upload', 'download'],
    own: ['delete', 'keys:manage', 'usage:read', 'projects:manage'],
  },
  tester: { any: ['api:call', 'view', 'infer', 'test'], own: ['keys:manage', 'usage:read'] },
  viewer: { any: ['api:call', 'view'], own: ['export', 'download', 'usage:read'] },
  guest: { any: ['api:call', 'view'], own: [] },
};

export const administrators: ReadonlySet<Role> = new Set<Role>(['platform-admin', 'tenant-admin']);

/** Actions by role as sets: `decide` asks for each request. */
const held = new Map(
  Object.entries(builtInRoles).map(([role, { any, own }]) => [
    role,
    { any: new Set<string>(any), own: new Set<string>(own) },
  ]),
);

/**
 * Whether the role gives the action on anything of that kind, or only on what is the principal's own. Files of models
 * are a permission of their own: below administrators it takes a grant that names the model.
 */
export function roleGives(role: Role, action: string, kind: string): 'any' | 'own' | undefined {
  if (kind === 'model' && action === 'export' && !administrators.has(role)) return undefined;
  const permissions = held.get(role);
  if (permissions?.any.has(action) === true) return 'any';
  return permissions?.own.has(action) === true ? 'own' : undefined;
}
