import type { ColumnType } from 'kysely';

/** Read as it is, written as JSON. */
type JsonList = ColumnType<string[], string, string>;

/** The tables of migration 0007. */
export interface SignInTables {
  identity: {
    id: string;
    provider: string;
    issuer: string;
    subject: string;
    name: string;
    department: string;
    groups: JsonList;
    refresh_token: string | null;
    created_at: Date;
    checked_at: Date;
    checking_until: Date | null;
    failing_since: Date | null;
    gone_at: Date | null;
  };
  identity_principal: {
    identity: string;
    tenant: string;
    principal: string;
    dropped_at: Date | null;
  };
  session: {
    id: string;
    principal: string;
    epoch: number;
    identity: string | null;
    key: string | null;
    amr: JsonList;
    id_token: string | null;
    auth_time: Date;
    created_at: Date;
    renewed_at: Date;
    expires_at: Date;
    client_ip: string;
    user_agent: string;
    ended_at: Date | null;
    ended_by: string | null;
  };
}
