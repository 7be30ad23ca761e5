import { sql } from 'kysely';

export const reserving = sql`
  -- Holds the worst case of a request in all of its balances, or in none and says which bound refuses it.
  -- bounds: [{scope, period, requests, pixels, steps, computeMs}]; 0 is none.
  CREATE FUNCTION imageplane.reserve(wanted jsonb, bounds jsonb)
  RETURNS TABLE (admitted boolean, scope text, period text, unit text, used bigint, bound bigint, resets_at timestamptz)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    #variable_conflict use_column
    DECLARE
      w imageplane.reservation := jsonb_populate_record(NULL::imageplane.reservation, wanted);
      v_day date := imageplane.today();
      v record;
    BEGIN
      w.compute_ms := (wanted->>'computeMs')::bigint;
      INSERT INTO imageplane.reservation
        (id, tenant, project, service, principal, requests, pixels, steps, compute_ms, day, state, expires_at)
      VALUES (w.id, w.tenant, w.project, w.service, w.principal, w.requests, w.pixels, w.steps, w.compute_ms, v_day,
        'reserved', now() + make_interval(secs => (wanted->>'seconds')::integer))
      ON CONFLICT (id) DO NOTHING;
      IF NOT FOUND THEN
        RETURN QUERY SELECT true, NULL::text, NULL::text, NULL::text, NULL::bigint, NULL::bigint, NULL::timestamptz;
        RETURN;
      END IF;

      -- Locks all of them in their order, those too that the period's first request makes.
      PERFORM FROM imageplane.balances_of(w.project, w.principal, v_day) b
        WHERE NOT EXISTS (SELECT FROM imageplane.quota_balance q WHERE q.tenant = w.tenant AND q.scope = b.scope
          AND q.subject = b.subject AND q.period = b.period AND q.starts_on = b.starts_on);
      IF FOUND THEN
        INSERT INTO imageplane.quota_balance AS q (tenant, scope, subject, period, starts_on)
        SELECT w.tenant, b.scope, b.subject, b.period, b.starts_on
        FROM imageplane.balances_of(w.project, w.principal, v_day) b
        ORDER BY b.scope, b.subject, b.period, b.starts_on
        ON CONFLICT (tenant, scope, subject, period, starts_on) DO UPDATE SET requests = q.requests;
      ELSE
        PERFORM FROM imageplane.quota_balance q
          JOIN imageplane.balances_of(w.project, w.principal, v_day) b USING (scope, subject, period, starts_on)
          WHERE q.tenant = w.tenant
          ORDER BY q.scope, q.subject, q.period, q.starts_on FOR UPDATE OF q;
      END IF;

      SELECT q.scope, q.period, q.starts_on, u.unit, u.held, u.bound + u.credit AS bound INTO v
      FROM imageplane.quota_balance q
        JOIN imageplane.balances_of(w.project, w.principal, v_day) b USING (scope, subject, period, starts_on)
        JOIN jsonb_to_recordset(bounds) AS l
          (scope text, period text, requests bigint, pixels bigint, steps bigint, "computeMs" bigint)
          ON l.scope = q.scope AND l.period = q.period,
        LATERAL (VALUES
          (1, 'requests', q.requests, w.requests::bigint, l.requests, q.credit_requests),
          (2, 'pixels', q.pixels, w.pixels, l.pixels, q.credit_pixels),
          (3, 'steps', q.steps, w.steps, l.steps, q.credit_steps),
          (4, 'computeMs', q.compute_ms, w.compute_ms, l."computeMs", q.credit_compute_ms)
        ) AS u (place, unit, held, amount, bound, credit)
      WHERE q.tenant = w.tenant AND u.bound > 0 AND u.amount > 0 AND u.held + u.amount > u.bound + u.credit
      ORDER BY q.scope, q.period, u.place LIMIT 1;
      IF FOUND THEN
        DELETE FROM imageplane.reservation WHERE id = w.id;
        RETURN QUERY SELECT false, v.scope, v.period, v.unit, v.held, v.bound,
          (v.starts_on + ('1 ' || v.period)::interval)::timestamp AT TIME ZONE 'UTC';
        RETURN;
      END IF;

      UPDATE imageplane.quota_balance q SET requests = q.requests + w.requests, pixels = q.pixels + w.pixels,
        steps = q.steps + w.steps, compute_ms = q.compute_ms + w.compute_ms
      FROM imageplane.balances_of(w.project, w.principal, v_day) b
      WHERE q.tenant = w.tenant AND q.scope = b.scope AND q.subject = b.subject AND q.period = b.period
        AND q.starts_on = b.starts_on;
      RETURN QUERY SELECT true, NULL::text, NULL::text, NULL::text, NULL::bigint, NULL::bigint, NULL::timestamptz;
    END $$;

  -- A gateway keeps its leases for as long as it lives. Gives those that are still its own.
  CREATE FUNCTION imageplane.renew_leases(ids uuid[]) RETURNS SETOF uuid
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE imageplane.reservation SET expires_at = now() + interval '20 minutes'
    WHERE id = ANY (ids) AND state = 'reserved' AND principal = '' AND expires_at > now() RETURNING id $$;
`;

export const settling = sql`
  -- Moves one reservation to a state, if the transition is allowed; adds what that changes to the deltas. Amounts that
  -- are null stay as they are when it is charged, and become 0 when it is not.
  CREATE FUNCTION imageplane.move(
    p_id uuid, p_to text, p_by text, p_pixels bigint, p_steps bigint, p_compute_ms bigint,
    INOUT deltas imageplane.delta[])
  LANGUAGE plpgsql AS $$
    DECLARE
      r imageplane.reservation;
      held boolean;
      holds boolean := p_to = 'charged';
      v_pixels bigint;
      v_steps bigint;
      v_compute_ms bigint;
    BEGIN
      SELECT * INTO r FROM imageplane.reservation WHERE id = p_id FOR UPDATE;
      IF NOT FOUND OR r.decided_by = 'usage' OR (p_by <> 'usage' AND r.state = p_to)
        OR (p_by = 'expiry' AND r.state <> 'reserved') THEN RETURN; END IF;
      held := r.state IN ('reserved', 'charged');
      v_pixels := coalesce(p_pixels, CASE WHEN holds THEN r.pixels ELSE 0 END);
      v_steps := coalesce(p_steps, CASE WHEN holds THEN r.steps ELSE 0 END);
      v_compute_ms := coalesce(p_compute_ms, CASE WHEN holds THEN r.compute_ms ELSE 0 END);
      UPDATE imageplane.reservation SET state = p_to, decided_by = p_by,
        pixels = v_pixels, steps = v_steps, compute_ms = v_compute_ms WHERE id = p_id;
      deltas := deltas || ROW(r.tenant, r.project, r.service, r.principal, r.day,
        (holds::int - held::int) * r.requests, v_pixels - r.pixels, v_steps - r.steps, v_compute_ms - r.compute_ms,
        (holds::int - (r.state = 'charged')::int) * r.requests, 0, 0, 0, 0)::imageplane.delta;
    END $$;

  -- Enters a reservation that the ledger did not see: false when it did see it.
  CREATE FUNCTION imageplane.enter(entry imageplane.reservation, INOUT deltas imageplane.delta[], OUT entered boolean)
  LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO imageplane.reservation SELECT entry.* ON CONFLICT (id) DO NOTHING;
      entered := FOUND;
      IF entered THEN
        deltas := deltas || ROW(entry.tenant, entry.project, entry.service, entry.principal, entry.day,
          CASE WHEN entry.state = 'charged' THEN entry.requests ELSE 0 END,
          entry.pixels, entry.steps, entry.compute_ms,
          CASE WHEN entry.state = 'charged' THEN entry.requests ELSE 0 END, 0, 0, 0, 0)::imageplane.delta;
      END IF;
    END $$;

  -- What a gateway has spent of its lease is no longer the lease's.
  CREATE FUNCTION imageplane.spend_lease(p_lease uuid, spent imageplane.reservation, INOUT deltas imageplane.delta[])
  LANGUAGE plpgsql AS $$
    DECLARE
      l imageplane.reservation;
    BEGIN
      SELECT * INTO l FROM imageplane.reservation
        WHERE id = p_lease AND state = 'reserved' AND principal = '' AND tenant = spent.tenant FOR UPDATE;
      IF NOT FOUND THEN RETURN; END IF;
      UPDATE imageplane.reservation SET requests = greatest(l.requests - spent.requests, 0),
        pixels = greatest(l.pixels - spent.pixels, 0), steps = greatest(l.steps - spent.steps, 0),
        compute_ms = greatest(l.compute_ms - spent.compute_ms, 0) WHERE id = p_lease;
      deltas := deltas || ROW(l.tenant, l.project, l.service, l.principal, l.day,
        -least(l.requests, spent.requests), -least(l.pixels, spent.pixels), -least(l.steps, spent.steps),
        -least(l.compute_ms, spent.compute_ms), 0, 0, 0, 0, 0)::imageplane.delta;
    END $$;

  CREATE FUNCTION imageplane.settle(settlements jsonb) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
      s jsonb;
      e imageplane.reservation;
      deltas imageplane.delta[] := '{}';
      v_before imageplane.delta[];
      v_entered boolean;
    BEGIN
      -- Rows are locked in the order of their ids, like everywhere else.
      PERFORM FROM imageplane.reservation WHERE id IN (
        SELECT (value->>'id')::uuid FROM jsonb_array_elements(settlements)
        UNION SELECT (value->>'lease')::uuid FROM jsonb_array_elements(settlements)) ORDER BY id FOR UPDATE;
      -- One id's settlements keep their order.
      FOR s IN SELECT value FROM jsonb_array_elements(settlements) WITH ORDINALITY
               ORDER BY (value->>'id')::uuid, ordinality LOOP
        IF s->>'kind' = 'charge' THEN
          e := jsonb_populate_record(NULL::imageplane.reservation, s);
          e.project := coalesce(e.project, '');
          e.pixels := coalesce(e.pixels, 0);
          e.steps := coalesce(e.steps, 0);
          e.compute_ms := coalesce((s->>'computeMs')::bigint, 0);
          e.day := ((s->>'at')::timestamptz AT TIME ZONE 'UTC')::date;
          e.state := 'charged';
          e.decided_by := 'gateway';
          e.expires_at := now();
          SELECT n.deltas, n.entered INTO v_before, v_entered FROM imageplane.enter(e, deltas) n;
          deltas := v_before;
          IF v_entered AND s ? 'lease' THEN
            deltas := imageplane.spend_lease((s->>'lease')::uuid, e, deltas);
          END IF;
          CONTINUE WHEN v_entered;
        END IF;
        IF s->>'kind' = 'released' THEN
          deltas := imageplane.move((s->>'id')::uuid, 'released', 'gateway', NULL, NULL, NULL, deltas);
        ELSE
          v_before := deltas;
          deltas := imageplane.move(
            (s->>'id')::uuid, 'charged', 'gateway', NULL, NULL, (s->>'computeMs')::bigint, deltas);
          -- Services that report no usage: the gateway has measured it.
          IF s ? 'computeMs' AND cardinality(deltas) > cardinality(v_before) THEN
            deltas[cardinality(deltas)].used_compute_ms := (s->>'computeMs')::bigint;
          END IF;
        END IF;
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
        deltas := imageplane.move(v_id, 'expired', 'expiry', NULL, NULL, NULL, deltas);
      END LOOP;
      PERFORM imageplane.apply_deltas(deltas);
      RETURN cardinality(deltas);
    END $$;
`;

export const usage = sql`
  -- Counts each event once, by id. Gives how many were new.
  CREATE FUNCTION imageplane.record_usage(events jsonb) RETURNS integer LANGUAGE plpgsql AS $$
    DECLARE
      e jsonb;
      n imageplane.reservation;
      v_good boolean;
      v_entered boolean;
      v_deltas imageplane.delta[];
      v_new integer := 0;
      deltas imageplane.delta[] := '{}';
    BEGIN
      FOR e IN SELECT value FROM jsonb_array_elements(events) ORDER BY (value->>'id')::uuid LOOP
        v_good := e->>'outcome' = 'succeeded';
        -- An id is known to the service that served the request; of others' it decides nothing.
        CONTINUE WHEN EXISTS (SELECT FROM imageplane.reservation r WHERE r.id = (e->>'id')::uuid
          AND (r.tenant, r.service) IS DISTINCT FROM (e->>'tenant', e->>'service'));
        INSERT INTO imageplane.usage_event (id, tenant, service, principal, event)
        VALUES ((e->>'id')::uuid, e->>'tenant', e->>'service', e->>'principal', e) ON CONFLICT (id) DO NOTHING;
        CONTINUE WHEN NOT FOUND;
        v_new := v_new + 1;
        n := ROW((e->>'id')::uuid, e->>'tenant', e->>'service', e->>'principal', 1,
          ((e->>'startedAt')::timestamptz AT TIME ZONE 'UTC')::date,
          CASE WHEN v_good THEN 'charged' ELSE 'released' END, 'usage', now(), '',
          CASE WHEN v_good THEN (e#>>'{units,pixels}')::bigint ELSE 0 END,
          CASE WHEN v_good THEN coalesce((e#>>'{units,steps}')::bigint, 0) ELSE 0 END,
          (e#>>'{units,computeMs}')::bigint)::imageplane.reservation;
        SELECT x.deltas, x.entered INTO v_deltas, v_entered FROM imageplane.enter(n, deltas) x;
        deltas := v_deltas;
        IF NOT v_entered THEN
          deltas := imageplane.move(n.id, n.state, 'usage', n.pixels, n.steps, n.compute_ms, deltas);
          SELECT day INTO n.day FROM imageplane.reservation WHERE id = n.id;
        END IF;
        deltas := deltas || ROW(n.tenant, '', n.service, n.principal, n.day, 0, 0, 0, 0,
          0, (NOT v_good)::int, n.pixels, n.steps, n.compute_ms)::imageplane.delta;
      END LOOP;
      PERFORM imageplane.apply_deltas(deltas);
      RETURN v_new;
    END $$;
`;

export const reconciling = sql`
  -- Compares the balances of the day and month of a time with their reservations, adds what is missing, and gives what
  -- was. The comparison is one statement, and the correction a sum: what happens meanwhile is not lost.
  CREATE FUNCTION imageplane.reconcile_quota(at timestamptz)
  RETURNS TABLE (tenant text, scope text, subject text, period text,
    requests bigint, pixels bigint, steps bigint, compute_ms bigint)
  LANGUAGE sql AS $$
    WITH starts AS (
      SELECT period, date_trunc(period, at AT TIME ZONE 'UTC')::date AS starts_on FROM (VALUES ('day'), ('month')) p (period)
    ), held AS (
      SELECT r.tenant, b.scope, b.subject, b.period, b.starts_on,
        sum(r.requests) FILTER (WHERE r.state IN ('reserved', 'charged')) AS requests,
        sum(r.pixels) AS pixels, sum(r.steps) AS steps, sum(r.compute_ms) AS compute_ms
      FROM imageplane.reservation r, imageplane.balances_of(r.project, r.principal, r.day) b
      WHERE r.day >= (SELECT min(starts_on) FROM starts) AND (b.period, b.starts_on) IN (SELECT period, starts_on FROM starts)
      GROUP BY 1, 2, 3, 4, 5
    ), counted AS (
      SELECT q.* FROM imageplane.quota_balance q JOIN starts USING (period, starts_on)
    ), wrong AS (
      SELECT tenant, scope, subject, period, starts_on,
        coalesce(h.requests, 0)::bigint - coalesce(c.requests, 0) AS requests,
        coalesce(h.pixels, 0)::bigint - coalesce(c.pixels, 0) AS pixels,
        coalesce(h.steps, 0)::bigint - coalesce(c.steps, 0) AS steps,
        coalesce(h.compute_ms, 0)::bigint - coalesce(c.compute_ms, 0) AS compute_ms
      FROM held h FULL JOIN counted c USING (tenant, scope, subject, period, starts_on)
      WHERE (coalesce(h.requests, 0), coalesce(h.pixels, 0), coalesce(h.steps, 0), coalesce(h.compute_ms, 0))
        IS DISTINCT FROM
        (coalesce(c.requests, 0), coalesce(c.pixels, 0), coalesce(c.steps, 0), coalesce(c.compute_ms, 0))
    ), missing AS (
      INSERT INTO imageplane.quota_balance (tenant, scope, subject, period, starts_on, requests, pixels, steps, compute_ms)
      SELECT w.tenant, w.scope, w.subject, w.period, w.starts_on, w.requests, w.pixels, w.steps, w.compute_ms FROM wrong w
      WHERE NOT EXISTS (SELECT FROM counted c WHERE (c.tenant, c.scope, c.subject, c.period, c.starts_on)
        = (w.tenant, w.scope, w.subject, w.period, w.starts_on))
      ON CONFLICT DO NOTHING
    ), corrected AS (
      UPDATE imageplane.quota_balance q SET requests = q.requests + w.requests, pixels = q.pixels + w.pixels,
        steps = q.steps + w.steps, compute_ms = q.compute_ms + w.compute_ms
      FROM wrong w WHERE (q.tenant, q.scope, q.subject, q.period, q.starts_on)
        = (w.tenant, w.scope, w.subject, w.period, w.starts_on)
    )
    SELECT tenant, scope, subject, period, requests, pixels, steps, compute_ms FROM wrong $$;
`;
