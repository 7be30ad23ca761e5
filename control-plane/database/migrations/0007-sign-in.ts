import { type Kysely, sql } from 'kysely';

/**
 * Who people are at their identity providers, and their browser sessions. A new session changes nothing that gateways
 * need to know, and does not bump the revision; the end of one does.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE imageplane.principal ADD COLUMN IF NOT EXISTS epoch integer NOT NULL DEFAULT 0;

    -- Whoever changes them, and wherever: sessions of before end.
    CREATE FUNCTION imageplane.raise_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.epoch <= OLD.epoch THEN NEW.epoch := OLD.epoch + 1; END IF;
        RETURN NEW;
      END $$;
    CREATE TRIGGER raise_epoch BEFORE UPDATE ON imageplane.principal FOR EACH ROW
      WHEN (OLD.role IS DISTINCT FROM NEW.role OR OLD.tenant IS DISTINCT FROM NEW.tenant
            OR OLD.disabled_at IS DISTINCT FROM NEW.disabled_at)
      EXECUTE FUNCTION imageplane.raise_epoch();

    -- An account at a provider, known by issuer and subject alone: names and addresses change hands.
    CREATE TABLE imageplane.identity (
      id             text PRIMARY KEY,
      provider       text NOT NULL,
      issuer         text NOT NULL,
      subject        text NOT NULL,
      name           text NOT NULL,
      department     text NOT NULL,
      groups         jsonb NOT NULL,
      -- Wrapped. With it the provider is asked again whether it still knows the person.
      refresh_token  text,
      created_at     timestamptz NOT NULL,
      checked_at     timestamptz NOT NULL,
      -- Held by whoever asks the provider now.
      checking_until timestamptz,
      failing_since  timestamptz,
      gone_at        timestamptz,
      UNIQUE (issuer, subject)
    );
    CREATE INDEX identity_checked ON imageplane.identity (checked_at) WHERE gone_at IS NULL;

    -- The principals that a person is: one in each tenant.
    CREATE TABLE imageplane.identity_principal (
      identity   text NOT NULL REFERENCES imageplane.identity (id),
      tenant     text NOT NULL,
      principal  text NOT NULL UNIQUE REFERENCES imageplane.principal (id),
      -- When the provider or its groups took the access away. The principal's disabled_at is then the same; any
      -- other time there is an administrator's doing, which signing in does not undo.
      dropped_at timestamptz,
      PRIMARY KEY (identity, tenant)
    );

    CREATE TABLE imageplane.session (
      id         text PRIMARY KEY,
      principal  text NOT NULL REFERENCES imageplane.principal (id),
      epoch      integer NOT NULL,
      -- Absent for local accounts and keys.
      identity   text REFERENCES imageplane.identity (id),
      key        text REFERENCES imageplane.api_key (id),
      amr        jsonb NOT NULL,
      -- Wrapped; names the session to its provider at sign-out.
      id_token   text,
      auth_time  timestamptz NOT NULL,
      created_at timestamptz NOT NULL,
      renewed_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      client_ip  text NOT NULL,
      user_agent text NOT NULL,
      ended_at   timestamptz,
      ended_by   text
    );
    CREATE INDEX session_principal ON imageplane.session (principal, created_at DESC);
    CREATE INDEX session_identity ON imageplane.session (identity) WHERE ended_at IS NULL;
    CREATE INDEX session_expiry ON imageplane.session (expires_at);
    CREATE TRIGGER bump AFTER UPDATE OF ended_at ON imageplane.session
      FOR EACH STATEMENT EXECUTE FUNCTION imageplane.bump_revision();
    REVOKE ALL ON FUNCTION imageplane.raise_epoch() FROM PUBLIC;
  `.execute(db);
}
