-- What has happened to sessions, for their stories; and counts of it over time, for plots.
--
-- By hand, into the schema that search_path begins with: sed '/^-- Down Migration/,$d' 0002_operation.sql | psql

-- Up Migration

CREATE TABLE "session_events" (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  session_id uuid,
  user_id    text,
  kind       text NOT NULL,
  client_ip  inet,
  user_agent text,
  actor_id   text,
  reason     text CHECK (char_length(reason) <= 200),
  generation integer,
  CHECK (kind <> 'renewed' OR reason::uuid IS NOT NULL)
);

CREATE INDEX "session_events_session_id_idx" ON "session_events" (session_id, id);
CREATE INDEX "session_events_user_id_idx" ON "session_events" (user_id, id);
CREATE INDEX "session_events_at_idx" ON "session_events" (at);
CREATE INDEX "session_events_renewed_idx" ON "session_events" (reason) WHERE kind = 'renewed';

COMMENT ON TABLE "session_events" IS 'What has happened to the sessions of users. Append-only: rows go by retention alone';
COMMENT ON COLUMN "session_events".session_id IS 'Null: the event is about all sessions of the user, or about none';
COMMENT ON COLUMN "session_events".user_id IS 'Whose session it was';
COMMENT ON COLUMN "session_events".kind IS 'began, renewed, blocked, unblocked, ended, expired and refreshed are written by triggers; the others by the service';
COMMENT ON COLUMN "session_events".actor_id IS 'The user who did it; null: the session''s own, or nobody';
COMMENT ON COLUMN "session_events".reason IS 'Of renewed the id before; of others why, in at most 200 characters';
COMMENT ON COLUMN "session_events".generation IS 'Of the newest refresh token at that time: one more than there were refreshes';

CREATE FUNCTION "session_events_guard"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('silverback.retention', true) = 'on' THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'session_events is append-only: % is refused', TG_OP
    USING ERRCODE = 'insufficient_privilege', HINT = 'Old rows are removed by the service after EVENT_RETENTION';
END
$$;

COMMENT ON FUNCTION "session_events_guard"() IS 'Keeps events as they were written. Against slips: who owns the table can take the trigger away';

CREATE TRIGGER "session_events_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "session_events"
FOR EACH STATEMENT EXECUTE FUNCTION "session_events_guard"();

-- Who acts, as far as the database knows: nothing for the service itself, else the role and the program.
CREATE FUNCTION "session_events_actor"() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN current_setting('application_name') = 'silverback' THEN ''
    ELSE ' by ' || session_user || coalesce(' with ' || nullif(current_setting('application_name'), ''), '') END
$$;

-- Argument: the kind. Called for one row, seldom: see the conditions of the triggers.
CREATE FUNCTION "session_events_tell"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  kind text := TG_ARGV[0];
  why text;
  actor text;
  refreshes integer;
BEGIN
  IF kind = 'renewed' THEN
    why := OLD.id;
  ELSIF kind IN ('blocked', 'unblocked') THEN
    IF kind = 'blocked' THEN
      why := NEW.blocked_reason;
    END IF;
    EXECUTE format('SELECT %I."session_events_actor"()', TG_TABLE_SCHEMA) INTO actor;
    IF actor <> '' THEN -- who it was must not be cut off
      why := concat_ws(', ', left(why, 199 - char_length(actor)), ltrim(actor));
    END IF;
  ELSIF kind = 'ended' THEN
    EXECUTE format('SELECT r.generation, r.revoked_reason FROM %I."refresh_tokens" AS r WHERE r.session_id = $1', TG_TABLE_SCHEMA)
      INTO refreshes, why USING NEW.id;
    IF why IS NULL THEN
      EXECUTE format('SELECT ''expired'' || %I."session_events_actor"()', TG_TABLE_SCHEMA) INTO why;
    END IF;
  END IF;
  EXECUTE format('INSERT INTO %I."session_events" (session_id, user_id, kind, client_ip, user_agent, reason, generation)
    VALUES ($1, $2, $3, $4, $5, left($6, 200), $7)', TG_TABLE_SCHEMA)
    USING NEW.id, NEW.user_id, kind, CASE WHEN kind = 'began' THEN NEW.client_ip END, CASE WHEN kind = 'began' THEN NEW.user_agent END, why, refreshes;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION "session_events_tell"() IS 'Notes what has happened to a user''s session, whoever did it';

-- Column lists and conditions keep visitors, slides and saves out: no function is called for them.
CREATE TRIGGER "sessions_event_began" AFTER INSERT ON "sessions"
FOR EACH ROW WHEN (NEW.user_id IS NOT NULL)
EXECUTE FUNCTION "session_events_tell"('began');

CREATE TRIGGER "sessions_event_renewed" AFTER UPDATE OF id ON "sessions"
FOR EACH ROW WHEN (OLD.id <> NEW.id AND NEW.user_id IS NOT NULL)
EXECUTE FUNCTION "session_events_tell"('renewed');

CREATE TRIGGER "sessions_event_blocked" AFTER UPDATE OF blocked_at ON "sessions"
FOR EACH ROW WHEN (OLD.blocked_at IS NULL AND NEW.blocked_at IS NOT NULL AND NEW.user_id IS NOT NULL)
EXECUTE FUNCTION "session_events_tell"('blocked');

CREATE TRIGGER "sessions_event_unblocked" AFTER UPDATE OF blocked_at ON "sessions"
FOR EACH ROW WHEN (OLD.blocked_at IS NOT NULL AND NEW.blocked_at IS NULL AND NEW.user_id IS NOT NULL)
EXECUTE FUNCTION "session_events_tell"('unblocked');

CREATE TRIGGER "sessions_event_ended" AFTER UPDATE OF expires_at ON "sessions"
FOR EACH ROW WHEN (NEW.expires_at < OLD.expires_at AND NEW.user_id IS NOT NULL AND NEW.expires_at <= clock_timestamp() AND OLD.expires_at > now())
EXECUTE FUNCTION "session_events_tell"('ended');

-- One INSERT for all rows of a statement: cleanup deletes many. What was logged out was told then; that is looked up by
-- index for each row: with NOT EXISTS all events would be read for each batch. Compiling would take longer than running.
CREATE FUNCTION "session_events_tell_deleted"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM deleted AS o WHERE o.user_id IS NOT NULL) THEN
    RETURN NULL;
  END IF;
  EXECUTE format('INSERT INTO %1$I."session_events" (session_id, user_id, kind, reason)
    SELECT d.id, d.user_id, d.kind, CASE d.kind WHEN ''ended'' THEN left(''deleted'' || %1$I."session_events_actor"(), 200) END
    FROM (SELECT o.id, o.user_id, CASE WHEN o.expires_at > clock_timestamp() THEN ''ended'' ELSE ''expired'' END AS kind
      FROM deleted AS o WHERE o.user_id IS NOT NULL) AS d
    WHERE d.kind = ''ended'' OR (SELECT e.id FROM %1$I."session_events" AS e WHERE e.session_id = d.id AND e.kind = ''ended'' LIMIT 1) IS NULL', TG_TABLE_SCHEMA);
  RETURN NULL;
END
$$;

CREATE TRIGGER "sessions_event_deleted" AFTER DELETE ON "sessions" REFERENCING OLD TABLE AS deleted
FOR EACH STATEMENT EXECUTE FUNCTION "session_events_tell_deleted"();

-- A lineage goes with its session, and is gone when the trigger above runs: how often it was refreshed is told here, once
-- for all rows of the statement. Of one that was revoked the end has told it.
CREATE FUNCTION "session_events_tell_refreshed"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM deleted AS o WHERE o.generation > 1 AND o.revoked_at IS NULL) THEN
    RETURN NULL;
  END IF;
  EXECUTE format('INSERT INTO %I."session_events" (session_id, user_id, kind, generation)
    SELECT o.session_id, o.user_id, ''refreshed'', o.generation FROM deleted AS o WHERE o.generation > 1 AND o.revoked_at IS NULL', TG_TABLE_SCHEMA);
  RETURN NULL;
END
$$;

CREATE TRIGGER "refresh_tokens_event_deleted" AFTER DELETE ON "refresh_tokens" REFERENCING OLD TABLE AS deleted
FOR EACH STATEMENT EXECUTE FUNCTION "session_events_tell_refreshed"();

CREATE FUNCTION "session_events_tell_truncated"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
  EXECUTE format('INSERT INTO %1$I."session_events" (session_id, user_id, kind, reason)
    SELECT s.id, s.user_id, ''ended'', left(''truncated'' || %1$I."session_events_actor"(), 200)
    FROM %1$I."sessions" AS s WHERE s.user_id IS NOT NULL AND s.expires_at > clock_timestamp()', TG_TABLE_SCHEMA);
  RETURN NULL;
END
$$;

CREATE TRIGGER "sessions_event_truncated" BEFORE TRUNCATE ON "sessions"
FOR EACH STATEMENT EXECUTE FUNCTION "session_events_tell_truncated"();

CREATE TABLE "stats" (
  name   text NOT NULL,
  bucket timestamptz NOT NULL,
  value  bigint NOT NULL,
  PRIMARY KEY (name, bucket)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX "stats_bucket_idx" ON "stats" (bucket);

COMMENT ON TABLE "stats" IS 'Counts of all nodes together, in buckets of five minutes';
COMMENT ON COLUMN "stats".bucket IS 'When the five minutes began';
COMMENT ON COLUMN "stats".value IS 'Of live_sessions how many there were; of others how often it happened';

-- Down Migration

DROP TRIGGER "sessions_event_began" ON "sessions";
DROP TRIGGER "sessions_event_renewed" ON "sessions";
DROP TRIGGER "sessions_event_blocked" ON "sessions";
DROP TRIGGER "sessions_event_unblocked" ON "sessions";
DROP TRIGGER "sessions_event_ended" ON "sessions";
DROP TRIGGER "sessions_event_deleted" ON "sessions";
DROP TRIGGER "sessions_event_truncated" ON "sessions";
DROP TRIGGER "refresh_tokens_event_deleted" ON "refresh_tokens";
DROP TABLE "stats";
DROP TABLE "session_events";
DROP FUNCTION "session_events_tell_truncated"();
DROP FUNCTION "session_events_tell_refreshed"();
DROP FUNCTION "session_events_tell_deleted"();
DROP FUNCTION "session_events_tell"();
DROP FUNCTION "session_events_actor"();
DROP FUNCTION "session_events_guard"();
