-- The sessions of the source design: one row is the server-side state of one login, or of one visitor, on one device.
--
-- By hand, into the schema that search_path begins with: sed '/^-- Down Migration/,$d' 0001_sessions.sql | psql
-- Double-quoted names that begin with a table's name are renamed when the table is not called "sessions".

-- Up Migration

CREATE TABLE "sessions" (
  id                  uuid PRIMARY KEY,
  secret_hash         bytea NOT NULL,
  user_id             text,
  "values"            jsonb NOT NULL DEFAULT '{}',
  claims              jsonb NOT NULL DEFAULT '{}',
  created_at          timestamptz NOT NULL DEFAULT now(),
  expires_at          timestamptz NOT NULL,
  absolute_expires_at timestamptz NOT NULL,
  last_seen_at        timestamptz NOT NULL DEFAULT now(),
  authenticated_at    timestamptz,
  max_age             integer,
  user_agent          text,
  client_ip           inet,
  blocked_at          timestamptz,
  blocked_reason      text,
  version             integer NOT NULL DEFAULT 1,
  expiry_bucket       integer NOT NULL
) WITH (
  -- Room on each page for the next version of every row on it: slides and saves stay on their page and touch no index
  -- (HOT), also when one batch changes them all.
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 1,
  toast.autovacuum_vacuum_scale_factor = 0.02,
  toast.autovacuum_vacuum_threshold = 1000,
  toast.autovacuum_vacuum_cost_delay = 1
);

CREATE INDEX "sessions_user_id_idx" ON "sessions" (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX "sessions_expiry_bucket_idx" ON "sessions" (expiry_bucket, id);

COMMENT ON TABLE "sessions" IS 'Server-side sessions: one row is one login, or one anonymous visitor, on one device';
COMMENT ON COLUMN "sessions".id IS 'Names the session in lists, logs and sid claims; UUID v4; not a credential';
COMMENT ON COLUMN "sessions".secret_hash IS 'SHA-256 of the secret in the cookie; the secret itself is never stored';
COMMENT ON COLUMN "sessions".user_id IS 'Who is signed in; null for a visitor';
COMMENT ON COLUMN "sessions"."values" IS 'What the application keeps in the session: one JSON object';
COMMENT ON COLUMN "sessions".claims IS 'Facts about the user set at sign-in: isAdmin, roles and the like; one JSON object';
COMMENT ON COLUMN "sessions".created_at IS 'When the session began';
COMMENT ON COLUMN "sessions".expires_at IS 'The idle end, which use moves; from this instant on the session is dead';
COMMENT ON COLUMN "sessions".absolute_expires_at IS 'The absolute end, which nothing moves';
COMMENT ON COLUMN "sessions".last_seen_at IS 'The last save or slide';
COMMENT ON COLUMN "sessions".authenticated_at IS 'When the user proved who they are; null for a visitor';
COMMENT ON COLUMN "sessions".max_age IS 'The session''s own idle lifetime in seconds; null: the one configured';
COMMENT ON COLUMN "sessions".user_agent IS 'The User-Agent header when the session was created, for lists of devices';
COMMENT ON COLUMN "sessions".client_ip IS 'The client''s address when the session was created, for lists of devices';
COMMENT ON COLUMN "sessions".blocked_at IS 'Frozen since: kept, and refuses everything; null: not blocked. The source design''s is_blocked';
COMMENT ON COLUMN "sessions".blocked_reason IS 'Why the session is blocked';
COMMENT ON COLUMN "sessions".version IS 'Grows by one with every change of values; a slide does not count';
COMMENT ON COLUMN "sessions".expiry_bucket IS 'The hour since the epoch in which cleanup looks at the row next: a lower bound of expires_at. Kept by triggers and cleanup; slides never write it';

-- LEAST passes over a null: an insert that names no bucket gets that of expires_at. The outer bounds are for 'infinity'.
CREATE FUNCTION "sessions_lower_expiry_bucket"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.expiry_bucket := LEAST(
    NEW.expiry_bucket,
    GREATEST(-2147483648, LEAST(2147483647, floor(extract(epoch FROM NEW.expires_at) / 3600)))::integer
  );
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION "sessions_lower_expiry_bucket"() IS 'Keeps expiry_bucket a lower bound of expires_at, whoever moves it';

CREATE TRIGGER "sessions_expiry_bucket_insert" BEFORE INSERT ON "sessions"
FOR EACH ROW EXECUTE FUNCTION "sessions_lower_expiry_bucket"();

CREATE TRIGGER "sessions_expiry_bucket_lower" BEFORE UPDATE OF expires_at ON "sessions"
FOR EACH ROW WHEN (NEW.expires_at < OLD.expires_at) EXECUTE FUNCTION "sessions_lower_expiry_bucket"();

-- Down Migration

DROP TABLE "sessions";
DROP FUNCTION "sessions_lower_expiry_bucket"();
