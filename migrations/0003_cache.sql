-- What `cached` needs: who keeps sessions in memory, and that whoever changes one by hand tells them.
--
-- By hand, into the schema that search_path begins with: sed '/^-- Down Migration/,$d' 0003_cache.sql | psql
-- Double-quoted names of tables, and those that begin with one, are renamed when the sessions table is not called "sessions".

-- Up Migration

CREATE TABLE "cache_leases" (
  node  text PRIMARY KEY,
  until timestamptz NOT NULL
);

-- Whoever changes a session reads it, with rights of their own; those who could before the upgrade still can. It tells no secret.
GRANT SELECT ON "cache_leases" TO PUBLIC;

COMMENT ON TABLE "cache_leases" IS 'Caches of sessions: while one is in force, whoever changes a session announces it';
COMMENT ON COLUMN "cache_leases".node IS 'Which cache; drawn anew by each process';
COMMENT ON COLUMN "cache_leases".until IS 'In force until then; renewed while the cache lives';

-- A save tells of itself, with the version that it made: one announcement a batch. This tells of all else, and by whomever:
-- the id alone, or an asterisk for all. A NOTIFY takes a lock of the whole database at commit, so there is none without a cache.
CREATE FUNCTION "sessions_tell_caches"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  channel text := 'silverback:cache:' || TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
  session text := '*';
  is_cached boolean;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT FROM %I."cache_leases" WHERE until > now())', TG_TABLE_SCHEMA) INTO is_cached;
  IF NOT is_cached THEN
    RETURN NULL;
  END IF;
  IF TG_OP <> 'TRUNCATE' THEN
    session := OLD.id;
  END IF;
  IF octet_length(channel) > 63 THEN
    channel := 'silverback:' || left(encode(sha256(convert_to(channel, 'UTF8')), 'hex'), 40);
  END IF;
  PERFORM pg_notify(channel, session);
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION "sessions_tell_caches"() IS 'Announces to caches that a session has changed or ended, whoever did it';

-- Column lists and conditions keep slides and saves out, but for saves that change no value: there are few.
CREATE TRIGGER "sessions_cache_deleted" AFTER DELETE ON "sessions"
FOR EACH ROW WHEN (OLD.expires_at > clock_timestamp())
EXECUTE FUNCTION "sessions_tell_caches"();

CREATE TRIGGER "sessions_cache_facts"
AFTER UPDATE OF user_id, claims, created_at, absolute_expires_at, user_agent, client_ip, blocked_at, blocked_reason ON "sessions"
FOR EACH ROW WHEN (
  OLD.user_id IS DISTINCT FROM NEW.user_id OR OLD.claims IS DISTINCT FROM NEW.claims OR OLD.created_at <> NEW.created_at
  OR OLD.absolute_expires_at <> NEW.absolute_expires_at OR OLD.user_agent IS DISTINCT FROM NEW.user_agent
  OR OLD.client_ip IS DISTINCT FROM NEW.client_ip OR OLD.blocked_at IS DISTINCT FROM NEW.blocked_at
  OR OLD.blocked_reason IS DISTINCT FROM NEW.blocked_reason)
EXECUTE FUNCTION "sessions_tell_caches"();

CREATE TRIGGER "sessions_cache_life" AFTER UPDATE OF expires_at, max_age ON "sessions"
FOR EACH ROW WHEN (NEW.expires_at < OLD.expires_at OR OLD.max_age IS DISTINCT FROM NEW.max_age)
EXECUTE FUNCTION "sessions_tell_caches"();

-- A save moves the version and last_seen_at on; a hand that changes values forgets the one or the other. The condition is
-- short because each statement reads it anew.
CREATE TRIGGER "sessions_cache_values" AFTER UPDATE OF id, secret_hash, "values", authenticated_at, version ON "sessions"
FOR EACH ROW WHEN (NEW.version <= OLD.version OR NEW.last_seen_at = OLD.last_seen_at)
EXECUTE FUNCTION "sessions_tell_caches"();

CREATE TRIGGER "sessions_cache_truncated" AFTER TRUNCATE ON "sessions"
FOR EACH STATEMENT EXECUTE FUNCTION "sessions_tell_caches"();

-- Down Migration

DROP TRIGGER "sessions_cache_deleted" ON "sessions";
DROP TRIGGER "sessions_cache_facts" ON "sessions";
DROP TRIGGER "sessions_cache_life" ON "sessions";
DROP TRIGGER "sessions_cache_values" ON "sessions";
DROP TRIGGER "sessions_cache_truncated" ON "sessions";
DROP FUNCTION "sessions_tell_caches"();
DROP TABLE "cache_leases";
