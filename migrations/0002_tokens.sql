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

COMMENT ON TABLE "refresh_tokens" IS 'Lineages of refresh tokens: one row a session at most; holds hashes alone, nothing that authenticates';
COMMENT ON COLUMN "refresh_tokens".session_id IS 'The session that the lineage keeps alive, and ends with; the expiry is the session''s';
COMMENT ON COLUMN "refresh_tokens".user_id IS 'For whom the lineage was issued; must be the session''s user';
COMMENT ON COLUMN "refresh_tokens".generation IS 'Of the newest token; the first is 1; never restarts for a session id';
COMMENT ON COLUMN "refresh_tokens".token_hash IS 'SHA-256 of the secret of the newest token';
COMMENT ON COLUMN "refresh_tokens".previous_hash IS 'The same of the generation before; null: there is none, or it is not known';
COMMENT ON COLUMN "refresh_tokens".created_at IS 'When the lineage began';
COMMENT ON COLUMN "refresh_tokens".updated_at IS 'The last change of the row';
COMMENT ON COLUMN "refresh_tokens".delivered_at IS 'When the newest token was given last';
COMMENT ON COLUMN "refresh_tokens".confirmed_at IS 'When the newest token was first seen in use: evidence that the client has it; null: not yet';
COMMENT ON COLUMN "refresh_tokens".replays IS 'How often the newest token was given again';
COMMENT ON COLUMN "refresh_tokens".revoked_at IS 'Ended for good since; null: not revoked';
COMMENT ON COLUMN "refresh_tokens".revoked_reason IS 'Why the lineage was revoked';

CREATE TABLE "revocations" (
  session_id uuid NOT NULL,
  kind       text NOT NULL,
  reason     text,
  at         timestamptz NOT NULL,
  until      timestamptz NOT NULL,
  PRIMARY KEY (session_id, kind)
);

CREATE INDEX "revocations_until_idx" ON "revocations" (until);

COMMENT ON TABLE "revocations" IS 'Which access tokens in circulation must be refused; written by triggers of the sessions table, emptied by cleanup';
COMMENT ON COLUMN "revocations".session_id IS 'Whose tokens; the UUID of zeros: those of all sessions';
COMMENT ON COLUMN "revocations".kind IS 'ended; blocked, until the block is lifted; or changed: user, claims or an earlier end';
COMMENT ON COLUMN "revocations".reason IS 'Why, in at most 200 characters';
COMMENT ON COLUMN "revocations".at IS 'Tokens that were issued then or before are refused';
COMMENT ON COLUMN "revocations".until IS 'When no token that it concerns can be valid any more: an access token lives an hour at most';

-- Arguments: the kind, and the reason where the row gives no better one. The instant is taken under the lock of the
-- session: a token is issued under that lock too, so it is older than the instant or knows what has changed. Within one
-- millisecond each waits for its turn: a token says at least one more than the last revocation, and the next revocation too.
-- The update that begins a lineage has its instant, and may shorten the session's life: there are no tokens to refuse then.
-- That there is no lineage says nothing: somebody may have deleted it, and its access tokens are in circulation.
-- What is announced is a hint, which anybody can send: who listens reads the row. A kind and the session, in one text.
CREATE FUNCTION "revocations_tell"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  kind text := TG_ARGV[0];
  why text := TG_ARGV[1];
  session uuid := '00000000-0000-0000-0000-000000000000';
  instant timestamptz := clock_timestamp();
  channel text := 'silverback:' || TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
  lineage record;
BEGIN
  IF TG_OP <> 'TRUNCATE' THEN
    session := OLD.id;
  END IF;
  IF why = 'expiry' THEN
    EXECUTE format('SELECT created_at, revoked_reason FROM %I."refresh_tokens" WHERE session_id = $1', TG_TABLE_SCHEMA) INTO lineage USING session;
    IF lineage.created_at = NEW.last_seen_at AND NEW.last_seen_at <> OLD.last_seen_at THEN
      RETURN NULL;
    END IF;
    why := coalesce(lineage.revoked_reason, why);
  ELSIF kind = 'blocked' THEN
    why := NEW.blocked_reason;
  END IF;
  IF kind = 'blocked' AND NEW.blocked_at IS NULL THEN
    EXECUTE format('DELETE FROM %I."revocations" WHERE session_id = $1 AND kind = $2', TG_TABLE_SCHEMA) USING session, kind;
  ELSE
    EXECUTE format('
      INSERT INTO %1$I."revocations" AS r (session_id, kind, reason, at, until)
      SELECT $1, $2, left($3, 200), i.at, i.at + interval ''61 minutes''
      FROM (SELECT GREATEST($4, max(o.at) + interval ''1 millisecond'') AS at FROM %1$I."revocations" AS o WHERE o.session_id = $1) AS i
      ON CONFLICT (session_id, kind) DO UPDATE SET reason = EXCLUDED.reason, at = EXCLUDED.at, until = EXCLUDED.until', TG_TABLE_SCHEMA)
      USING session, kind, why, instant;
  END IF;
  IF octet_length(channel) > 63 THEN
    channel := 'silverback:' || left(encode(sha256(convert_to(channel, 'UTF8')), 'hex'), 40);
  END IF;
  PERFORM pg_notify(channel, kind || ' ' || session);
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION "revocations_tell"() IS 'Notes and announces that access tokens of a session must be refused, whoever has ended or changed it';

-- Column lists and conditions keep slides and saves out.
CREATE TRIGGER "sessions_revoke_deleted" AFTER DELETE ON "sessions"
FOR EACH ROW WHEN (OLD.user_id IS NOT NULL AND OLD.expires_at > clock_timestamp())
EXECUTE FUNCTION "revocations_tell"('ended', 'deleted');

CREATE TRIGGER "sessions_revoke_renamed" AFTER UPDATE OF id ON "sessions"
FOR EACH ROW WHEN (OLD.id <> NEW.id AND OLD.user_id IS NOT NULL AND OLD.expires_at > clock_timestamp())
EXECUTE FUNCTION "revocations_tell"('ended', 'renewed');

CREATE TRIGGER "sessions_revoke_blocked" AFTER UPDATE OF blocked_at ON "sessions"
FOR EACH ROW WHEN (OLD.blocked_at IS DISTINCT FROM NEW.blocked_at AND OLD.user_id IS NOT NULL)
EXECUTE FUNCTION "revocations_tell"('blocked');

CREATE TRIGGER "sessions_revoke_user" AFTER UPDATE OF user_id ON "sessions"
FOR EACH ROW WHEN (OLD.user_id IS DISTINCT FROM NEW.user_id AND OLD.user_id IS NOT NULL)
EXECUTE FUNCTION "revocations_tell"('changed', 'user');

CREATE TRIGGER "sessions_revoke_claims" AFTER UPDATE OF claims ON "sessions"
FOR EACH ROW WHEN (OLD.claims IS DISTINCT FROM NEW.claims AND OLD.user_id IS NOT NULL)
EXECUTE FUNCTION "revocations_tell"('changed', 'claims');

CREATE TRIGGER "sessions_revoke_expiry" AFTER UPDATE OF expires_at ON "sessions"
FOR EACH ROW WHEN (NEW.expires_at < OLD.expires_at AND OLD.user_id IS NOT NULL)
EXECUTE FUNCTION "revocations_tell"('changed', 'expiry');

CREATE TRIGGER "sessions_revoke_truncated" AFTER TRUNCATE ON "sessions"
FOR EACH STATEMENT EXECUTE FUNCTION "revocations_tell"('ended', 'truncated');

-- Down Migration

DROP TRIGGER "sessions_revoke_deleted" ON "sessions";
DROP TRIGGER "sessions_revoke_renamed" ON "sessions";
DROP TRIGGER "sessions_revoke_blocked" ON "sessions";
DROP TRIGGER "sessions_revoke_user" ON "sessions";
DROP TRIGGER "sessions_revoke_claims" ON "sessions";
DROP TRIGGER "sessions_revoke_expiry" ON "sessions";
DROP TRIGGER "sessions_revoke_truncated" ON "sessions";
DROP FUNCTION "revocations_tell"();
DROP TABLE "revocations";
DROP TABLE "refresh_tokens";
