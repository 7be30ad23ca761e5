import type { Role } from '../../contracts/principal.ts';

export const actions = [
  'api:call',
  'view',
  'infer',
  'test',
  'edit',
  'delete',
  'export',
  'keys:manage',
  'usage:read',
  'audit:read',
  'members:manage',
  'services:manage',
  'platform:manage',
] as const;
export type Action = (typeof actions)[number];

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
    any: ['api:call', 'view', 'infer', 'test', 'edit', 'export', 'usage:read', 'services:manage'],
    own: ['delete', 'keys:manage'],
  },
  editor: {
    any: ['api:call', 'view', 'infer', 'test', 'edit', 'export'],
    own: ['delete', 'keys:manage', 'usage:read'],
  },
  tester: { any: ['api:call', 'view', 'infer', 'test'], own: ['keys:manage', 'usage:read'] },
  viewer: { any: ['api:call', 'view'], own: ['export', 'usage:read'] },
  guest: { any: ['api:call', 'view'], own: [] },
};
