-- Refresh tokens: one row a session, however often it is refreshed; and what access tokens in circulation must be refused.
--
-- By hand, into the schema that search_path begins with: sed '/^-- Down Migration/,$d' 0002_tokens.sql | psql
-- Double-quoted names of tables, and those that begin with one, are renamed when the sessions table is not called "sessions".

-- Up Migration

CREATE TABLE "refresh_tokens" (
  session_id     uuid PRIMARY KEY REFERENCES "sessions" (id) ON DELETE CASCADE,
  user_id        text NOT NULL,
  generation     integer NOT NULL DEFAULT 1,
  token_hash     bytea NOT NULL,
  previous_hash  bytea,
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  delivered_at   timestamptz NOT NULL DEFAULT now(),
  confirmed_at   timestamptz,
  replays        integer NOT NULL DEFAULT 0,
  revoked_at     timestamptz,
  revoked_reason text
) WITH (
  -- No update touches an indexed column: with room on the page they are all HOT.
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 1
);

CREATE TABLE "revocations" (
  session_id uuid NOT NULL,
  kind       text NOT NULL,
  reason     text,
  at         timestamptz NOT NULL,
  until      timestamptz NOT NULL,
  PRIMARY KEY (session_id, kind)
);

-- Down Migration

DROP TABLE "revocations";
DROP TABLE "refresh_tokens";
