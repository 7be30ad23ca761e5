import { sql } from 'kysely';

export const tables = sql`
  ALTER TABLE imageplane.reservation
    ADD COLUMN project text NOT NULL DEFAULT '',
    ADD COLUMN pixels bigint NOT NULL DEFAULT 0 CHECK (pixels >= 0),
    ADD COLUMN steps bigint NOT NULL DEFAULT 0 CHECK (steps >= 0),
    ADD COLUMN compute_ms bigint NOT NULL DEFAULT 0 CHECK (compute_ms >= 0),
    DROP CONSTRAINT reservation_requests_check,
    ADD CONSTRAINT reservation_requests_check CHECK (requests >= 0);
  ALTER TABLE imageplane.usage_daily ADD COLUMN steps bigint NOT NULL DEFAULT 0;

  -- Credits are what administrators gave on top of the bound, for this one period.
  CREATE TABLE imageplane.quota_balance (
    tenant            text NOT NULL,
    scope             text NOT NULL CHECK (scope IN ('tenant', 'project', 'user')),
    subject           text NOT NULL,
    period            text NOT NULL CHECK (period IN ('day', 'month')),
    starts_on         date NOT NULL,
    requests          bigint NOT NULL DEFAULT 0 CHECK (requests >= 0),
    pixels            bigint NOT NULL DEFAULT 0 CHECK (pixels >= 0),
    steps             bigint NOT NULL DEFAULT 0 CHECK (steps >= 0),
    compute_ms        bigint NOT NULL DEFAULT 0 CHECK (compute_ms >= 0),
    credit_requests   bigint NOT NULL DEFAULT 0 CHECK (credit_requests >= 0),
    credit_pixels     bigint NOT NULL DEFAULT 0 CHECK (credit_pixels >= 0),
    credit_steps      bigint NOT NULL DEFAULT 0 CHECK (credit_steps >= 0),
    credit_compute_ms bigint NOT NULL DEFAULT 0 CHECK (credit_compute_ms >= 0),
    PRIMARY KEY (tenant, scope, subject, period, starts_on)
  );

  -- Until now pixels and compute time were counted by usage events alone: each reservation gets those of its event.
  UPDATE imageplane.reservation r SET
      pixels = CASE WHEN e.event->>'outcome' = 'succeeded' THEN (e.event#>>'{units,pixels}')::bigint ELSE 0 END,
      compute_ms = (e.event#>>'{units,computeMs}')::bigint
    FROM imageplane.usage_event e WHERE e.id = r.id;
  INSERT INTO imageplane.quota_balance (tenant, scope, subject, period, starts_on, requests, pixels, compute_ms)
    SELECT tenant, 'tenant', '', period, starts_on, requests, pixels, compute_ms FROM imageplane.quota_counter;

  DROP FUNCTION imageplane.record_usage(jsonb);
  DROP FUNCTION imageplane.settle(jsonb);
  DROP FUNCTION imageplane.expire_reservations(timestamptz);
  DROP FUNCTION imageplane.enter(uuid, text, text, text, integer, date, text, text, imageplane.delta[]);
  DROP FUNCTION imageplane.move(uuid, text, text, imageplane.delta[]);
  DROP FUNCTION imageplane.apply_deltas(imageplane.delta[]);
  DROP FUNCTION imageplane.reserve(uuid, text, text, text, integer, bigint, bigint);
  DROP FUNCTION imageplane.take(text, text, date, bigint, bigint);
  DROP TYPE imageplane.delta;
  DROP TABLE imageplane.quota_counter;
  -- What tenants have taken.
  CREATE VIEW imageplane.quota_counter AS
    SELECT tenant, period, starts_on, requests, pixels, steps, compute_ms
    FROM imageplane.quota_balance WHERE scope = 'tenant';

  -- Bounds that a tenant's administrators set, below the tenant's own. Subject '' is everybody who has none of their
  -- own. Gateways get them with the snapshot.
  CREATE TABLE imageplane.quota_bound (
    tenant  text NOT NULL,
    scope   text NOT NULL CHECK (scope IN ('project', 'user')),
    subject text NOT NULL,
    period  text NOT NULL CHECK (period IN ('day', 'month')),
    unit    text NOT NULL CHECK (unit IN ('requests', 'pixels', 'steps', 'computeMs')),
    bound   bigint NOT NULL CHECK (bound > 0),
    set_by  text NOT NULL,
    set_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, scope, subject, period, unit)
  );
  CREATE TRIGGER bump AFTER INSERT OR UPDATE OR DELETE ON imageplane.quota_bound
    FOR EACH STATEMENT EXECUTE FUNCTION imageplane.bump_revision();

  -- Grants and resets: what was given to whom, by whom, and why.
  CREATE TABLE imageplane.quota_adjustment (
    id         uuid PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    tenant     text NOT NULL,
    scope      text NOT NULL,
    subject    text NOT NULL,
    period     text NOT NULL,
    starts_on  date NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('grant', 'reset')),
    requests   bigint NOT NULL CHECK (requests >= 0),
    pixels     bigint NOT NULL CHECK (pixels >= 0),
    steps      bigint NOT NULL CHECK (steps >= 0),
    compute_ms bigint NOT NULL CHECK (compute_ms >= 0),
    by         text NOT NULL,
    reason     text NOT NULL
  );
  CREATE INDEX quota_adjustment_tenant ON imageplane.quota_adjustment (tenant, id DESC);
  CREATE FUNCTION imageplane.refuse_adjustment_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'adjustments of quotas are appended, never changed or removed'; END $$;
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON imageplane.quota_adjustment
    FOR EACH ROW EXECUTE FUNCTION imageplane.refuse_adjustment_change();
`;

export const balances = sql`
  -- The balances that a reservation is in. A lease of a gateway has no principal, and is in those of its tenant alone.
  CREATE FUNCTION imageplane.balances_of(p_project text, p_principal text, p_day date)
  RETURNS TABLE (scope text, subject text, period text, starts_on date) IMMUTABLE LANGUAGE sql AS $$
    SELECT s.scope, s.subject, p.period, p.starts_on
    FROM (VALUES ('tenant', ''), ('project', p_project), ('user', p_principal)) AS s (scope, subject),
      (VALUES ('day', p_day), ('month', date_trunc('month', p_day)::date)) AS p (period, starts_on)
    WHERE s.scope = 'tenant' OR s.subject <> '' $$;

  -- A change of what a reservation holds, and of what reports show as used.
  CREATE TYPE imageplane.delta AS (
    tenant text, project text, service text, principal text, day date,
    requests bigint, pixels bigint, steps bigint, compute_ms bigint,
    used_requests bigint, failures bigint, used_pixels bigint, used_steps bigint, used_compute_ms bigint);

  CREATE FUNCTION imageplane.apply_deltas(deltas imageplane.delta[]) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
      d record;
    BEGIN
      FOR d IN
        SELECT c.tenant, b.scope, b.subject, b.period, b.starts_on, sum(c.requests) AS requests,
          sum(c.pixels) AS pixels, sum(c.steps) AS steps, sum(c.compute_ms) AS compute_ms
        FROM unnest(deltas) AS c, imageplane.balances_of(c.project, c.principal, c.day) AS b
        GROUP BY 1, 2, 3, 4, 5
        HAVING sum(c.requests) <> 0 OR sum(c.pixels) <> 0 OR sum(c.steps) <> 0 OR sum(c.compute_ms) <> 0
        ORDER BY 1, 2, 3, 4, 5
      LOOP
        INSERT INTO imageplane.quota_balance AS q
          (tenant, scope, subject, period, starts_on, requests, pixels, steps, compute_ms)
        -- What is given back was taken before, so its row exists; the check would judge the proposed row first.
        VALUES (d.tenant, d.scope, d.subject, d.period, d.starts_on,
          greatest(d.requests, 0), greatest(d.pixels, 0), greatest(d.steps, 0), greatest(d.compute_ms, 0))
        ON CONFLICT (tenant, scope, subject, period, starts_on) DO UPDATE SET
          requests = q.requests + d.requests, pixels = q.pixels + d.pixels,
          steps = q.steps + d.steps, compute_ms = q.compute_ms + d.compute_ms;
      END LOOP;
      INSERT INTO imageplane.usage_daily AS u
        (tenant, day, service, principal, requests, failures, pixels, steps, compute_ms)
      SELECT tenant, day, service, principal, sum(used_requests), sum(failures), sum(used_pixels), sum(used_steps),
        sum(used_compute_ms)
      FROM unnest(deltas)
      GROUP BY tenant, day, service, principal
      HAVING sum(used_requests) <> 0 OR sum(failures) <> 0 OR sum(used_pixels) <> 0 OR sum(used_steps) <> 0
        OR sum(used_compute_ms) <> 0
      ORDER BY tenant, day, service, principal
      ON CONFLICT (tenant, day, service, principal) DO UPDATE SET
        requests = u.requests + excluded.requests, failures = u.failures + excluded.failures,
        pixels = u.pixels + excluded.pixels, steps = u.steps + excluded.steps,
        compute_ms = u.compute_ms + excluded.compute_ms;
    END $$;
`;
