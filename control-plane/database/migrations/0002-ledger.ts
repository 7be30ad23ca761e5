import { type Kysely, sql } from 'kysely';

/**
 * The ledger. A reservation goes from `reserved` to `charged`, `released` or `expired`; whoever moves it also moves the
 * counters, in the same statement, so that both agree to the unit. What the inference server reports wins over what
 * the gateway saw. Counters are locked in one order (tenant, period, day): no deadlock.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE FUNCTION imageplane.today() RETURNS date STABLE LANGUAGE sql AS $$
      SELECT (now() AT TIME ZONE 'UTC')::date $$;

    -- Adds where the bound allows it; null where it does not. A bound of 0 is none.
    CREATE FUNCTION imageplane.take(p_tenant text, p_period text, p_starts_on date, p_requests bigint, p_bound bigint)
    RETURNS bigint LANGUAGE sql AS $$
      INSERT INTO imageplane.quota_counter AS c (tenant, period, starts_on, requests)
      SELECT p_tenant, p_period, p_starts_on, p_requests WHERE p_bound = 0 OR p_requests <= p_bound
      ON CONFLICT (tenant, period, starts_on) DO UPDATE SET requests = c.requests + p_requests
        WHERE p_bound = 0 OR c.requests + p_requests <= p_bound
      RETURNING requests $$;

    CREATE FUNCTION imageplane.reserve(
      p_id uuid, p_tenant text, p_service text, p_principal text, p_requests integer, p_day bigint, p_month bigint)
    RETURNS TABLE (admitted boolean, period text, used bigint, bound bigint, resets_at timestamptz)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      DECLARE
        v_day date := imageplane.today();
        v_month date := date_trunc('month', v_day)::date;
      BEGIN
        INSERT INTO imageplane.reservation (id, tenant, service, principal, requests, day, state, expires_at)
        VALUES (p_id, p_tenant, p_service, p_principal, p_requests, v_day, 'reserved', now() + interval '15 minutes')
        ON CONFLICT (id) DO NOTHING;
        IF NOT FOUND THEN
          RETURN QUERY SELECT true, NULL::text, NULL::bigint, NULL::bigint, NULL::timestamptz;
          RETURN;
        END IF;
        IF imageplane.take(p_tenant, 'day', v_day, p_requests, p_day) IS NULL THEN
          DELETE FROM imageplane.reservation WHERE id = p_id;
          RETURN QUERY SELECT false, 'day', coalesce((SELECT c.requests FROM imageplane.quota_counter c
            WHERE c.tenant = p_tenant AND c.period = 'day' AND c.starts_on = v_day), 0), p_day,
            (v_day + 1)::timestamp AT TIME ZONE 'UTC';
          RETURN;
        END IF;
        IF imageplane.take(p_tenant, 'month', v_month, p_requests, p_month) IS NULL THEN
          UPDATE imageplane.quota_counter c SET requests = c.requests - p_requests
            WHERE c.tenant = p_tenant AND c.period = 'day' AND c.starts_on = v_day;
          DELETE FROM imageplane.reservation WHERE id = p_id;
          RETURN QUERY SELECT false, 'month', coalesce((SELECT c.requests FROM imageplane.quota_counter c
            WHERE c.tenant = p_tenant AND c.period = 'month' AND c.starts_on = v_month), 0), p_month,
            (v_month + interval '1 month')::timestamp AT TIME ZONE 'UTC';
          RETURN;
        END IF;
        RETURN QUERY SELECT true, NULL::text, NULL::bigint, NULL::bigint, NULL::timestamptz;
      END $$;

    -- One change of the counters: signed requests, pixels, compute time and failures of a reservation or an event.
    CREATE TYPE imageplane.delta AS (
      tenant text, day date, service text, principal text,
      quota bigint, requests bigint, failures bigint, pixels bigint, compute_ms bigint);

    CREATE FUNCTION imageplane.apply_deltas(deltas imageplane.delta[]) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        d record;
      BEGIN
        FOR d IN
          SELECT tenant, period, starts_on, sum(quota) AS quota, sum(pixels) AS pixels, sum(compute_ms) AS compute_ms
          FROM (
            SELECT tenant, 'day' AS period, day AS starts_on, quota, pixels, compute_ms FROM unnest(deltas)
            UNION ALL
            SELECT tenant, 'month', date_trunc('month', day)::date, quota, pixels, compute_ms FROM unnest(deltas)
          ) AS both_periods
          GROUP BY tenant, period, starts_on
          HAVING sum(quota) <> 0 OR sum(pixels) <> 0 OR sum(compute_ms) <> 0
          ORDER BY tenant, period, starts_on
        LOOP
          INSERT INTO imageplane.quota_counter AS c (tenant, period, starts_on, requests, pixels, compute_ms)
          -- What is given back was taken before, so its row exists; the check would judge the proposed row first.
          VALUES (d.tenant, d.period, d.starts_on, greatest(d.quota, 0), d.pixels, d.compute_ms)
          ON CONFLICT (tenant, period, starts_on) DO UPDATE SET
            requests = c.requests + d.quota, pixels = c.pixels + d.pixels, compute_ms = c.compute_ms + d.compute_ms;
        END LOOP;
        INSERT INTO imageplane.usage_daily AS u
          (tenant, day, service, principal, requests, failures, pixels, compute_ms)
        SELECT tenant, day, service, principal, sum(requests), sum(failures), sum(pixels), sum(compute_ms)
        FROM unnest(deltas)
        GROUP BY tenant, day, service, principal
        HAVING sum(requests) <> 0 OR sum(failures) <> 0 OR sum(pixels) <> 0 OR sum(compute_ms) <> 0
        ORDER BY tenant, day, service, principal
        ON CONFLICT (tenant, day, service, principal) DO UPDATE SET
          requests = u.requests + excluded.requests, failures = u.failures + excluded.failures,
          pixels = u.pixels + excluded.pixels, compute_ms = u.compute_ms + excluded.compute_ms;
      END $$;
  `.execute(db);
  await settlement(db);
  await usage(db);
  await audit(db);
}

async function settlement(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- Moves one reservation to a state, if the transition is allowed; adds what that changes to the deltas.
    CREATE FUNCTION imageplane.move(
      p_id uuid, p_to text, p_by text, INOUT deltas imageplane.delta[])
    LANGUAGE plpgsql AS $$
      DECLARE
        r imageplane.reservation;
        held boolean;
        holds boolean := p_to = 'charged';
      BEGIN
        SELECT * INTO r FROM imageplane.reservation WHERE id = p_id FOR UPDATE;
        IF NOT FOUND OR r.state = p_to OR r.decided_by = 'usage' THEN
          IF FOUND AND p_by = 'usage' THEN
            UPDATE imageplane.reservation SET decided_by = 'usage' WHERE id = p_id;
          END IF;
          RETURN;
        END IF;
        IF p_by = 'expiry' AND r.state <> 'reserved' THEN RETURN; END IF;
        held := r.state IN ('reserved', 'charged');
        UPDATE imageplane.reservation SET state = p_to, decided_by = p_by WHERE id = p_id;
        deltas := deltas || ROW(r.tenant, r.day, r.service, r.principal,
          (holds::int - held::int) * r.requests,
          (holds::int - (r.state = 'charged')::int) * r.requests,
          0, 0, 0)::imageplane.delta;
      END $$;

    -- Enters a reservation that the ledger did not see: false when it did see it.
    CREATE FUNCTION imageplane.enter(
      p_id uuid, p_tenant text, p_service text, p_principal text, p_requests integer, p_day date,
      p_state text, p_by text, INOUT deltas imageplane.delta[], OUT entered boolean)
    LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO imageplane.reservation (id, tenant, service, principal, requests, day, state, decided_by, expires_at)
        VALUES (p_id, p_tenant, p_service, p_principal, p_requests, p_day, p_state, p_by, now())
        ON CONFLICT (id) DO NOTHING;
        entered := FOUND;
        IF entered AND p_state = 'charged' THEN
          deltas := deltas || ROW(p_tenant, p_day, p_service, p_principal, p_requests, p_requests, 0, 0, 0)::imageplane.delta;
        END IF;
      END $$;

    CREATE FUNCTION imageplane.settle(settlements jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      DECLARE
        s jsonb;
        deltas imageplane.delta[] := '{}';
        v_entered boolean;
      BEGIN
        -- Rows are locked in the order of their ids, like everywhere else; one id's settlements keep their order.
        FOR s IN SELECT value FROM jsonb_array_elements(settlements) WITH ORDINALITY
                 ORDER BY (value->>'id')::uuid, ordinality LOOP
          IF s->>'kind' = 'charge' THEN
            SELECT e.deltas, e.entered INTO deltas, v_entered FROM imageplane.enter(
              (s->>'id')::uuid, s->>'tenant', s->>'service', s->>'principal', (s->>'requests')::integer,
              ((s->>'at')::timestamptz AT TIME ZONE 'UTC')::date, 'charged', 'gateway', deltas) e;
            CONTINUE WHEN v_entered;
          END IF;
          deltas := imageplane.move(
            (s->>'id')::uuid, CASE WHEN s->>'kind' = 'released' THEN 'released' ELSE 'charged' END, 'gateway', deltas);
        END LOOP;
        PERFORM imageplane.apply_deltas(deltas);
      END $$;

    -- Gives back what was never settled; gives how many.
    CREATE FUNCTION imageplane.expire_reservations(at timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
      DECLARE
        v_id uuid;
        deltas imageplane.delta[] := '{}';
      BEGIN
        FOR v_id IN SELECT id FROM imageplane.reservation WHERE state = 'reserved' AND expires_at < at
                    ORDER BY id LIMIT 1000 LOOP
          deltas := imageplane.move(v_id, 'expired', 'expiry', deltas);
        END LOOP;
        PERFORM imageplane.apply_deltas(deltas);
        RETURN cardinality(deltas);
      END $$;
  `.execute(db);
}

async function usage(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- Counts each event once, by id. Gives how many were new.
    CREATE FUNCTION imageplane.record_usage(events jsonb) RETURNS integer LANGUAGE plpgsql AS $$
      DECLARE
        e jsonb;
        v_id uuid;
        v_day date;
        v_good boolean;
        v_entered boolean;
        v_new integer := 0;
        deltas imageplane.delta[] := '{}';
      BEGIN
        FOR e IN SELECT value FROM jsonb_array_elements(events) ORDER BY (value->>'id')::uuid LOOP
          v_id := (e->>'id')::uuid;
          v_good := e->>'outcome' = 'succeeded';
          INSERT INTO imageplane.usage_event (id, tenant, service, principal, event)
          VALUES (v_id, e->>'tenant', e->>'service', e->>'principal', e) ON CONFLICT (id) DO NOTHING;
          CONTINUE WHEN NOT FOUND;
          v_new := v_new + 1;
          v_day := ((e->>'startedAt')::timestamptz AT TIME ZONE 'UTC')::date;
          SELECT n.deltas, n.entered INTO deltas, v_entered FROM imageplane.enter(
            v_id, e->>'tenant', e->>'service', e->>'principal', 1, v_day,
            CASE WHEN v_good THEN 'charged' ELSE 'released' END, 'usage', deltas) n;
          IF NOT v_entered THEN
            deltas := imageplane.move(v_id, CASE WHEN v_good THEN 'charged' ELSE 'released' END, 'usage', deltas);
            SELECT day INTO v_day FROM imageplane.reservation WHERE id = v_id;
          END IF;
          deltas := deltas || ROW(e->>'tenant', v_day, e->>'service', e->>'principal', 0, 0,
            (NOT v_good)::int, CASE WHEN v_good THEN (e#>>'{units,pixels}')::bigint ELSE 0 END,
            (e#>>'{units,computeMs}')::bigint)::imageplane.delta;
        END LOOP;
        PERFORM imageplane.apply_deltas(deltas);
        RETURN v_new;
      END $$;
  `.execute(db);
}

async function audit(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE FUNCTION imageplane.append_audit(records jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      INSERT INTO imageplane.audit_record (id, at, tenant, principal, action, resource, allowed, rule, detail)
      SELECT (r->>'id')::uuid, (r->>'at')::timestamptz, r->>'tenant', r->>'principal', r->>'action', r->>'resource',
        (r->>'allowed')::boolean, r->>'rule',
        r - ARRAY['id', 'at', 'tenant', 'principal', 'action', 'resource', 'allowed', 'rule']
      FROM jsonb_array_elements(records) AS r
      ON CONFLICT (id) DO NOTHING $$;
  `.execute(db);
}
