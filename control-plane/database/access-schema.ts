import type { ColumnType, Generated } from 'kysely';
import type { Conditions, Grant, Permission } from '../../contracts/access.ts';

/** Written as text, since the driver makes an array of Postgres out of one of JavaScript. */
type Json<T> = ColumnType<T, string, string>;

/** The tables of migration 0007. */
export interface AccessTables {
  custom_role: {
    tenant: string;
    name: string;
    description: Generated<string>;
    permissions: Json<Permission[]>;
    conditions: ColumnType<Conditions | null, string | null, string | null>;
    changed_by: string;
    changed_at: Generated<Date>;
  };
  role_assignment: {
    tenant: string;
    role: string;
    principal: string;
    given_by: string;
    given_at: Generated<Date>;
  };
  project: {
    id: string;
    tenant: string;
    name: string;
    owner: string;
    created_by: string;
    created_at: Generated<Date>;
  };
  project_member: { project: string; principal: string; given_by: string; given_at: Generated<Date> };
  project_invitation: {
    id: string;
    project: string;
    principal: string;
    invited_by: string;
    invited_at: Generated<Date>;
    expires_at: Date;
    answered_at: Date | null;
    answer: 'accepted' | 'declined' | 'withdrawn' | null;
  };
  access_grant: {
    id: string;
    tenant: string;
    subject_kind: Grant['subject']['kind'];
    subject: string;
    actions: Json<string[]>;
    resources: Json<string[]>;
    conditions: ColumnType<Conditions | null, string | null, string | null>;
    note: Generated<string>;
    expires_at: Date | null;
    given_by: string;
    given_at: Generated<Date>;
  };
  model_export: {
    id: string;
    tenant: string;
    principal: string;
    model: string;
    given_at: Date;
    expires_at: Date;
  };
}
