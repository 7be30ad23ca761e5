import { type Generated, Kysely, PostgresDialect } from 'kysely';
import type pg from 'pg';
import type { Principal, Role } from '../../contracts/principal.ts';
import type { AccessTables } from './access-schema.ts';
import type { ApplicationScopes, IdentityTables } from './identity-schema.ts';
import type { SignInTables } from './sign-in-schema.ts';

/** The tables that are queried by kysely; the ledger's are moved by its SQL functions alone. */
export interface Schema extends AccessTables, IdentityTables, SignInTables {
  principal: {
    id: string;
    tenant: string;
    kind: Principal['kind'];
    name: string;
    department: string;
    role: Role;
    created_at: Generated<Date>;
    disabled_at: Date | null;
    epoch: Generated<number>;
    expires_at: Date | null;
    deleted_at: Date | null;
    role_given_by: Generated<string>;
    role_given_at: Generated<Date>;
  };
  api_key: {
    id: string;
    principal: string;
    sha256: string;
    created_at: Generated<Date>;
    created_by: string;
    expires_at: Date | null;
    revoked_at: Date | null;
    scopes: ApplicationScopes | null;
    signing_secret: string | null;
  };
  revision: { value: string };
  quota_counter: {
    tenant: string;
    period: 'day' | 'month';
    starts_on: string;
    requests: string;
    pixels: string;
    compute_ms: string;
  };
  quota_bound: {
    tenant: string;
    scope: 'project' | 'user';
    subject: string;
    period: 'day' | 'month';
    unit: 'requests' | 'pixels' | 'steps' | 'computeMs';
    bound: string;
    set_by: string;
    set_at: Generated<Date>;
  };
  quota_balance: QuotaKey & {
    requests: Generated<string>;
    pixels: Generated<string>;
    steps: Generated<string>;
    compute_ms: Generated<string>;
    credit_requests: Generated<string>;
    credit_pixels: Generated<string>;
    credit_steps: Generated<string>;
    credit_compute_ms: Generated<string>;
  };
  quota_adjustment: QuotaKey & {
    id: string;
    at: Generated<Date>;
    kind: 'grant' | 'reset';
    requests: string;
    pixels: string;
    steps: string;
    compute_ms: string;
    by: string;
    reason: string;
  };
  reservation: {
    id: string;
    tenant: string;
    principal: string;
    project: string;
    requests: number;
    pixels: string;
    steps: string;
    compute_ms: string;
    day: string;
    state: 'reserved' | 'charged' | 'released' | 'expired';
  };
  usage_daily: {
    tenant: string;
    day: string;
    service: string;
    principal: string;
    requests: string;
    failures: string;
    pixels: string;
    steps: string;
    compute_ms: string;
  };
  audit_record: {
    id: string;
    at: Date;
    tenant: string;
    principal: string;
    action: string;
    resource: string;
    allowed: boolean;
    rule: string;
    detail: Record<string, unknown>;
  };
}

interface QuotaKey {
  tenant: string;
  scope: 'tenant' | 'project' | 'user';
  subject: string;
  period: 'day' | 'month';
  starts_on: string;
}

export type Database = Kysely<Schema>;

export function kyselyOn(pool: pg.Pool): Database {
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) }).withSchema('imageplane');
}
