import { type Kysely, sql } from 'kysely';

/**
 * Local accounts, applications, tokens, and who used what when. What a wrong guess or a use writes does not bump the
 * revision: the snapshot does not hold it. What changes rights does, by the principal's row.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE imageplane.principal
      ADD COLUMN IF NOT EXISTS epoch integer NOT NULL DEFAULT 0,
      ADD COLUMN IF NOT EXISTS expires_at timestamptz,
      ADD COLUMN IF NOT EXISTS deleted_at timestamptz,
      ADD COLUMN IF NOT EXISTS role_given_by text NOT NULL DEFAULT '',
      ADD COLUMN IF NOT EXISTS role_given_at timestamptz NOT NULL DEFAULT now();

    ALTER TABLE imageplane.api_key
      ADD COLUMN IF NOT EXISTS scopes jsonb,
      ADD COLUMN IF NOT EXISTS signing_secret text;

    CREATE TABLE imageplane.local_account (
      principal         text PRIMARY KEY REFERENCES imageplane.principal (id),
      tenant            text NOT NULL,
      -- Lower case; the name at sign-in is tenant/login.
      login             text NOT NULL,
      email             text NOT NULL DEFAULT '',
      -- scrypt$LN$R$P$SALT$HASH, so that the parameters may rise; null until the invitation is accepted.
      password          text,
      password_set_at   timestamptz,
      break_glass       boolean NOT NULL DEFAULT false,
      -- Wrapped; the confirmed one counts, the pending one waits for its first code.
      totp_secret       text,
      totp_pending      text,
      -- The last time step whose code was taken: none is taken twice.
      totp_step         bigint NOT NULL DEFAULT 0,
      failures          integer NOT NULL DEFAULT 0,
      next_attempt_at   timestamptz,
      locked_at         timestamptz,
      last_sign_in_at   timestamptz,
      UNIQUE (tenant, login)
    );

    CREATE TABLE imageplane.account_link (
      sha256     text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
      principal  text NOT NULL REFERENCES imageplane.principal (id),
      created_by text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      used_at    timestamptz
    );
    CREATE INDEX account_link_principal ON imageplane.account_link (principal);

    CREATE TABLE imageplane.recovery_code (
      principal text NOT NULL REFERENCES imageplane.principal (id),
      sha256    text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
      used_at   timestamptz,
      PRIMARY KEY (principal, sha256)
    );

    CREATE TABLE imageplane.application (
      principal   text PRIMARY KEY REFERENCES imageplane.principal (id),
      owner       text NOT NULL REFERENCES imageplane.principal (id),
      description text NOT NULL DEFAULT '',
      -- Of all its keys, present and future.
      scopes      jsonb NOT NULL DEFAULT '{}',
      created_by  text NOT NULL,
      created_at  timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX application_owner ON imageplane.application (owner);

    -- That a key was about to expire was said once for each of 14, 7 and 1 days.
    CREATE TABLE imageplane.key_notice (
      key  text NOT NULL REFERENCES imageplane.api_key (id),
      days integer NOT NULL,
      at   timestamptz NOT NULL,
      PRIMARY KEY (key, days)
    );

    CREATE TABLE imageplane.token_family (
      id         uuid PRIMARY KEY,
      principal  text NOT NULL REFERENCES imageplane.principal (id),
      key        text NOT NULL REFERENCES imageplane.api_key (id),
      created_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      revoked_at timestamptz
    );
    CREATE INDEX token_family_revoked ON imageplane.token_family (revoked_at) WHERE revoked_at IS NOT NULL;
    CREATE INDEX token_family_expiry ON imageplane.token_family (expires_at);
    CREATE TABLE imageplane.refresh_token (
      sha256     text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
      family     uuid NOT NULL REFERENCES imageplane.token_family (id) ON DELETE CASCADE,
      expires_at timestamptz NOT NULL,
      used_at    timestamptz
    );
    CREATE INDEX refresh_token_family ON imageplane.refresh_token (family);
    CREATE TRIGGER bump AFTER UPDATE OF revoked_at ON imageplane.token_family
      FOR EACH STATEMENT EXECUTE FUNCTION imageplane.bump_revision();

    -- When a key, a principal, a role or a grant was last used, as gateways report it.
    CREATE TABLE imageplane.last_use (
      kind    text NOT NULL CHECK (kind IN ('key', 'principal', 'rule')),
      id      text NOT NULL,
      used_at timestamptz NOT NULL,
      PRIMARY KEY (kind, id)
    );
    -- Before this nobody counted: what is older is not unused for that.
    INSERT INTO imageplane.last_use VALUES ('rule', 'counted-since', now());
    -- Sorted, so that two gateways never wait for one another.
    CREATE FUNCTION imageplane.note_use(p_uses jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      INSERT INTO imageplane.last_use AS l (kind, id, used_at)
      SELECT u.kind, u.id, max(least(u.at, now()))
      FROM jsonb_to_recordset(p_uses) AS u (kind text, id text, at timestamptz)
      GROUP BY u.kind, u.id ORDER BY u.kind, u.id
      ON CONFLICT (kind, id) DO UPDATE SET used_at = greatest(l.used_at, excluded.used_at) $$;
    REVOKE ALL ON FUNCTION imageplane.note_use(jsonb) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION imageplane.note_use(jsonb) TO imageplane_gateway;

    -- The monthly list of what is unused or has expired.
    CREATE TABLE imageplane.stale_listing (
      month        date NOT NULL,
      tenant       text NOT NULL,
      kind         text NOT NULL CHECK (kind IN ('account', 'application', 'key')),
      id           text NOT NULL,
      name         text NOT NULL,
      reason       text NOT NULL CHECK (reason IN ('unused', 'expired', 'owner-gone')),
      last_used_at timestamptz,
      disabled_at  timestamptz,
      PRIMARY KEY (month, tenant, kind, id)
    );

    CREATE TABLE imageplane.access_review (
      id        uuid PRIMARY KEY,
      tenant    text NOT NULL,
      opened_by text NOT NULL,
      opened_at timestamptz NOT NULL,
      closed_at timestamptz
    );
    CREATE INDEX access_review_tenant ON imageplane.access_review (tenant, id DESC);
    CREATE TABLE imageplane.access_review_line (
      review       uuid NOT NULL REFERENCES imageplane.access_review (id),
      line         integer NOT NULL,
      kind         text NOT NULL,
      id           text NOT NULL,
      subject      text NOT NULL,
      name         text NOT NULL,
      what         text NOT NULL,
      given_by     text NOT NULL,
      given_at     timestamptz,
      last_used_at timestamptz,
      decision     text CHECK (decision IN ('keep', 'withdraw')),
      decided_by   text,
      decided_at   timestamptz,
      PRIMARY KEY (review, line)
    );
  `.execute(db);
}
