import { type Kysely, sql } from 'kysely';

/**
 * What tenants' administrators give besides built-in roles, and what is usual for whom. Everything that changes rights
 * bumps the revision; habits do not, since the snapshot does not hold them.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE imageplane.custom_role (
      tenant      text NOT NULL,
      name        text NOT NULL,
      description text NOT NULL DEFAULT '',
      permissions jsonb NOT NULL,
      conditions  jsonb,
      changed_by  text NOT NULL,
      changed_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, name)
    );
    CREATE TABLE imageplane.role_assignment (
      tenant    text NOT NULL,
      role      text NOT NULL,
      principal text NOT NULL REFERENCES imageplane.principal (id),
      given_by  text NOT NULL,
      given_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (principal, role),
      FOREIGN KEY (tenant, role) REFERENCES imageplane.custom_role (tenant, name)
    );
    CREATE INDEX role_assignment_role ON imageplane.role_assignment (tenant, role);

    CREATE TABLE imageplane.project (
      id         text PRIMARY KEY,
      tenant     text NOT NULL,
      name       text NOT NULL,
      owner      text NOT NULL REFERENCES imageplane.principal (id),
      created_by text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (tenant, name)
    );
    CREATE TABLE imageplane.project_member (
      project   text NOT NULL REFERENCES imageplane.project (id) ON DELETE CASCADE,
      principal text NOT NULL REFERENCES imageplane.principal (id),
      given_by  text NOT NULL,
      given_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (project, principal)
    );
    CREATE INDEX project_member_principal ON imageplane.project_member (principal);
    CREATE TABLE imageplane.project_invitation (
      id          uuid PRIMARY KEY,
      project     text NOT NULL REFERENCES imageplane.project (id) ON DELETE CASCADE,
      principal   text NOT NULL REFERENCES imageplane.principal (id),
      invited_by  text NOT NULL,
      invited_at  timestamptz NOT NULL DEFAULT now(),
      expires_at  timestamptz NOT NULL,
      answered_at timestamptz,
      answer      text CHECK (answer IN ('accepted', 'declined', 'withdrawn'))
    );
    CREATE UNIQUE INDEX project_invitation_open ON imageplane.project_invitation (project, principal)
      WHERE answered_at IS NULL;
    CREATE INDEX project_invitation_principal ON imageplane.project_invitation (principal);

    CREATE TABLE imageplane.access_grant (
      id           uuid PRIMARY KEY,
      tenant       text NOT NULL,
      subject_kind text NOT NULL CHECK (subject_kind IN ('principal', 'project', 'role')),
      subject      text NOT NULL,
      actions      jsonb NOT NULL,
      resources    jsonb NOT NULL,
      conditions   jsonb,
      note         text NOT NULL DEFAULT '',
      expires_at   timestamptz,
      given_by     text NOT NULL,
      given_at     timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX access_grant_tenant ON imageplane.access_grant (tenant, id);
    CREATE INDEX access_grant_subject ON imageplane.access_grant (tenant, subject_kind, subject);

    -- Leave to take a model's files out.
    CREATE TABLE imageplane.model_export (
      id         uuid PRIMARY KEY,
      tenant     text NOT NULL,
      principal  text NOT NULL,
      model      text NOT NULL,
      given_at   timestamptz NOT NULL,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX model_export_principal ON imageplane.model_export (principal, given_at);

    CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON imageplane.custom_role
      FOR EACH STATEMENT EXECUTE FUNCTION imageplane.bump_revision();
    CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON imageplane.role_assignment
      FOR EACH STATEMENT EXECUTE FUNCTION imageplane.bump_revision();
    CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON imageplane.project
      FOR EACH STATEMENT EXECUTE FUNCTION imageplane.bump_revision();
    CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON imageplane.project_member
      FOR EACH STATEMENT EXECUTE FUNCTION imageplane.bump_revision();
    CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON imageplane.access_grant
      FOR EACH STATEMENT EXECUTE FUNCTION imageplane.bump_revision();

    -- What is usual for a principal: networks and devices by hashes, nights, the busiest minute.
    CREATE TABLE imageplane.access_profile (
      principal  text PRIMARY KEY,
      profile    jsonb NOT NULL,
      changed_at timestamptz NOT NULL DEFAULT now()
    );
    -- Of both, the 32 seen last.
    CREATE FUNCTION imageplane.merge_seen(a jsonb, b jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
      SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM (
        SELECT key, value FROM jsonb_each(a || b) ORDER BY (value->>'last')::numeric DESC, key LIMIT 32) AS newest $$;
    CREATE FUNCTION imageplane.read_profile(p_principal text) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      SELECT profile FROM imageplane.access_profile WHERE principal = p_principal $$;
    -- Several gateways learn at once: places are united, and of numbers the greater one counts.
    CREATE FUNCTION imageplane.note_profiles(p_profiles jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      INSERT INTO imageplane.access_profile AS known (principal, profile, changed_at)
      SELECT DISTINCT ON (p.principal) p.principal, p.profile, now()
      FROM jsonb_to_recordset(p_profiles) AS p (principal text, profile jsonb) ORDER BY p.principal
      ON CONFLICT (principal) DO UPDATE SET changed_at = now(), profile = excluded.profile || jsonb_build_object(
        'firstSeen', least((known.profile->>'firstSeen')::numeric, (excluded.profile->>'firstSeen')::numeric),
        'nights', greatest((known.profile->>'nights')::numeric, (excluded.profile->>'nights')::numeric),
        'peak', greatest((known.profile->>'peak')::numeric, (excluded.profile->>'peak')::numeric),
        'networks', imageplane.merge_seen(known.profile->'networks', excluded.profile->'networks'),
        'devices', imageplane.merge_seen(known.profile->'devices', excluded.profile->'devices')) $$;
    REVOKE ALL ON FUNCTION imageplane.merge_seen(jsonb, jsonb) FROM PUBLIC;
    REVOKE ALL ON FUNCTION imageplane.read_profile(text) FROM PUBLIC;
    REVOKE ALL ON FUNCTION imageplane.note_profiles(jsonb) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION imageplane.read_profile(text) TO imageplane_gateway;
    GRANT EXECUTE ON FUNCTION imageplane.note_profiles(jsonb) TO imageplane_gateway;
  `.execute(db);
}
