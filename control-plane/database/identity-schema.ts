import type { Generated } from 'kysely';

export interface ApplicationScopes {
  services?: string[] | undefined;
  actions?: string[] | undefined;
  cidrs?: string[] | undefined;
}

/** The tables of migration 0006. */
export interface IdentityTables {
  local_account: {
    principal: string;
    tenant: string;
    login: string;
    email: Generated<string>;
    password: string | null;
    password_set_at: Date | null;
    break_glass: Generated<boolean>;
    totp_secret: string | null;
    totp_pending: string | null;
    totp_step: Generated<string>;
    failures: Generated<number>;
    next_attempt_at: Date | null;
    locked_at: Date | null;
    last_sign_in_at: Date | null;
  };
  account_link: {
    sha256: string;
    principal: string;
    created_by: string;
    created_at: Generated<Date>;
    expires_at: Date;
    used_at: Date | null;
  };
  recovery_code: { principal: string; sha256: string; used_at: Date | null };
  application: {
    principal: string;
    owner: string;
    description: Generated<string>;
    scopes: Generated<ApplicationScopes>;
    created_by: string;
    created_at: Generated<Date>;
  };
  key_notice: { key: string; days: number; at: Date };
  token_family: {
    id: string;
    principal: string;
    key: string;
    created_at: Date;
    expires_at: Date;
    revoked_at: Date | null;
  };
  refresh_token: { sha256: string; family: string; expires_at: Date; used_at: Date | null };
  last_use: { kind: 'key' | 'principal' | 'rule'; id: string; used_at: Date };
  stale_listing: {
    month: string;
    tenant: string;
    kind: 'account' | 'application' | 'key';
    id: string;
    name: string;
    reason: 'unused' | 'expired' | 'owner-gone';
    last_used_at: Date | null;
    disabled_at: Date | null;
  };
  access_review: { id: string; tenant: string; opened_by: string; opened_at: Date; closed_at: Date | null };
  access_review_line: {
    review: string;
    line: number;
    kind: string;
    id: string;
    subject: string;
    name: string;
    what: string;
    given_by: string;
    given_at: Date | null;
    last_used_at: Date | null;
    decision: 'keep' | 'withdraw' | null;
    decided_by: string | null;
    decided_at: Date | null;
  };
}
