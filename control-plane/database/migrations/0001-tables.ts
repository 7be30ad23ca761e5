import { type Kysely, sql } from 'kysely';

/**
 * Reservations, usage events and audit records are partitioned by month on their UUIDv7, whose first 48 bits are the
 * time in milliseconds: the id alone stays the primary key, so that every record counts once, and a month is dropped
 * at once.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE imageplane.principal (
      id          text PRIMARY KEY,
      tenant      text NOT NULL,
      kind        text NOT NULL CHECK (kind IN ('user', 'application')),
      name        text NOT NULL,
      department  text NOT NULL DEFAULT '',
      role        text NOT NULL,
      created_at  timestamptz NOT NULL DEFAULT now(),
      disabled_at timestamptz
    );
    CREATE INDEX principal_tenant ON imageplane.principal (tenant);

    CREATE TABLE imageplane.api_key (
      id         text PRIMARY KEY,
      principal  text NOT NULL REFERENCES imageplane.principal (id),
      sha256     text NOT NULL UNIQUE CHECK (sha256 ~ '^[0-9a-f]{64}$'),
      created_at timestamptz NOT NULL DEFAULT now(),
      created_by text NOT NULL,
      expires_at timestamptz,
      revoked_at timestamptz
    );
    CREATE INDEX api_key_principal ON imageplane.api_key (principal);

    -- Changes whenever the snapshot may have: the API compiles it anew only then.
    CREATE TABLE imageplane.revision (one boolean PRIMARY KEY DEFAULT true CHECK (one), value bigint NOT NULL);
    INSERT INTO imageplane.revision (value) VALUES (1);
    CREATE FUNCTION imageplane.bump_revision() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN UPDATE imageplane.revision SET value = value + 1; RETURN NULL; END $$;
    CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON imageplane.principal
      FOR EACH STATEMENT EXECUTE FUNCTION imageplane.bump_revision();
    CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON imageplane.api_key
      FOR EACH STATEMENT EXECUTE FUNCTION imageplane.bump_revision();

    CREATE TABLE imageplane.reservation (
      id         uuid PRIMARY KEY,
      tenant     text NOT NULL,
      service    text NOT NULL,
      principal  text NOT NULL,
      requests   integer NOT NULL CHECK (requests > 0),
      day        date NOT NULL,
      state      text NOT NULL CHECK (state IN ('reserved', 'charged', 'released', 'expired')),
      decided_by text CHECK (decided_by IN ('gateway', 'usage', 'expiry')),
      expires_at timestamptz NOT NULL
    ) PARTITION BY RANGE (id);
    CREATE INDEX reservation_open ON imageplane.reservation (expires_at) WHERE state = 'reserved';

    -- What a tenant has taken from its quota: reserved and charged requests; pixels and compute time as reported.
    CREATE TABLE imageplane.quota_counter (
      tenant     text NOT NULL,
      period     text NOT NULL CHECK (period IN ('day', 'month')),
      starts_on  date NOT NULL,
      requests   bigint NOT NULL DEFAULT 0 CHECK (requests >= 0),
      pixels     bigint NOT NULL DEFAULT 0,
      compute_ms bigint NOT NULL DEFAULT 0,
      PRIMARY KEY (tenant, period, starts_on)
    );

    -- Charged requests by service and principal: reports read this, never the records.
    CREATE TABLE imageplane.usage_daily (
      tenant     text NOT NULL,
      day        date NOT NULL,
      service    text NOT NULL,
      principal  text NOT NULL,
      requests   bigint NOT NULL DEFAULT 0,
      failures   bigint NOT NULL DEFAULT 0,
      pixels     bigint NOT NULL DEFAULT 0,
      compute_ms bigint NOT NULL DEFAULT 0,
      PRIMARY KEY (tenant, day, service, principal)
    );

    CREATE TABLE imageplane.usage_event (
      id          uuid PRIMARY KEY,
      tenant      text NOT NULL,
      service     text NOT NULL,
      principal   text NOT NULL,
      event       jsonb NOT NULL,
      received_at timestamptz NOT NULL DEFAULT now()
    ) PARTITION BY RANGE (id);

    CREATE TABLE imageplane.audit_record (
      id        uuid PRIMARY KEY,
      at        timestamptz NOT NULL,
      tenant    text NOT NULL,
      principal text NOT NULL,
      action    text NOT NULL,
      resource  text NOT NULL,
      allowed   boolean NOT NULL,
      rule      text NOT NULL,
      detail    jsonb NOT NULL
    ) PARTITION BY RANGE (id);
    CREATE INDEX audit_record_tenant ON imageplane.audit_record (tenant, id DESC);

    CREATE FUNCTION imageplane.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'audit records are appended, never changed or removed'; END $$;
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON imageplane.audit_record
      FOR EACH ROW EXECUTE FUNCTION imageplane.refuse_change();
  `.execute(db);
  await partitions(db);
}

async function partitions(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE FUNCTION imageplane.uuid_floor(at timestamptz) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
      SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$;

    -- Partitions of the month of at and of the three after it, where they do not exist yet.
    CREATE FUNCTION imageplane.ensure_partitions(at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        parent text;
        starts timestamptz;
      BEGIN
        FOREACH parent IN ARRAY ARRAY['reservation', 'usage_event', 'audit_record'] LOOP
          FOR ahead IN 0..3 LOOP
            starts := (date_trunc('month', at AT TIME ZONE 'UTC') + make_interval(months => ahead)) AT TIME ZONE 'UTC';
            EXECUTE format(
              'CREATE TABLE IF NOT EXISTS imageplane.%I PARTITION OF imageplane.%I FOR VALUES FROM (%L) TO (%L)',
              parent || '_' || to_char(starts AT TIME ZONE 'UTC', 'YYYY_MM'), parent,
              imageplane.uuid_floor(starts),
              imageplane.uuid_floor((starts AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'));
          END LOOP;
        END LOOP;
      END $$;

    -- Drops the partitions of months that ended before the given time; gives their names.
    CREATE FUNCTION imageplane.drop_partitions(before timestamptz) RETURNS SETOF text LANGUAGE plpgsql AS $$
      DECLARE
        name text;
      BEGIN
        FOR name IN
          SELECT c.relname FROM pg_inherits i
          JOIN pg_class c ON c.oid = i.inhrelid
          JOIN pg_class p ON p.oid = i.inhparent
          JOIN pg_namespace n ON n.oid = p.relnamespace
          WHERE n.nspname = 'imageplane' AND p.relname IN ('reservation', 'usage_event', 'audit_record')
            AND c.relname ~ '_\\d{4}_\\d{2}$'
            AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= before AT TIME ZONE 'UTC'
        LOOP
          EXECUTE format('DROP TABLE imageplane.%I', name);
          RETURN NEXT name;
        END LOOP;
      END $$;

    SELECT imageplane.ensure_partitions(now());
  `.execute(db);
}
