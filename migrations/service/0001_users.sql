-- The users of the service, and how often strangers have tried to be one of them.
--
-- By hand, into the schema that search_path begins with: sed '/^-- Down Migration/,$d' 0001_users.sql | psql

-- Up Migration

CREATE TABLE "users" (
  id                   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  email                text NOT NULL,
  email_key            text NOT NULL UNIQUE,
  password_hash        text NOT NULL,
  is_admin             boolean NOT NULL DEFAULT false,
  disabled_at          timestamptz,
  sessions_valid_after timestamptz NOT NULL DEFAULT now(),
  created_at           timestamptz NOT NULL DEFAULT now(),
  updated_at           timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE "users" IS 'Who can sign in. A row that is deleted ends all sessions of the user';
COMMENT ON COLUMN "users".id IS 'What sessions.user_id holds, as text';
COMMENT ON COLUMN "users".email IS 'As it was given';
COMMENT ON COLUMN "users".email_key IS 'The address by which it is found and unique: NFKC, lower case';
COMMENT ON COLUMN "users".password_hash IS 'Argon2id as a PHC string';
COMMENT ON COLUMN "users".is_admin IS 'Administrator; sessions learn of a change at the next sign-in';
COMMENT ON COLUMN "users".disabled_at IS 'Refused since; null: may sign in';
COMMENT ON COLUMN "users".sessions_valid_after IS 'Moves when all sessions of the user end, the password changes, or the user is disabled: a sign-in whose password was checked before ends itself';

CREATE FUNCTION "users_end_sessions"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('DELETE FROM %I.sessions WHERE user_id = $1', TG_TABLE_SCHEMA) USING OLD.id::text;
  RETURN NULL;
END
$$;

CREATE FUNCTION "users_end_all_sessions"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('DELETE FROM %I.sessions WHERE user_id IS NOT NULL', TG_TABLE_SCHEMA);
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION "users_end_sessions"() IS 'Ends the sessions of a user who is deleted, whoever deletes';

CREATE TRIGGER "users_delete" AFTER DELETE ON "users" FOR EACH ROW EXECUTE FUNCTION "users_end_sessions"();
CREATE TRIGGER "users_truncate" AFTER TRUNCATE ON "users" FOR EACH STATEMENT EXECUTE FUNCTION "users_end_all_sessions"();

-- UNLOGGED: a crash forgets who was throttled, and nothing waits for the disk.
CREATE UNLOGGED TABLE "throttle" (
  key        bytea PRIMARY KEY,
  count      integer NOT NULL,
  most       integer NOT NULL,
  doubles    boolean NOT NULL,
  next_at    timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

COMMENT ON TABLE "throttle" IS 'Attempts that were counted, by account, network, device or session';
COMMENT ON COLUMN "throttle".key IS 'HMAC of what is counted: neither names nor addresses stand here';
COMMENT ON COLUMN "throttle".most IS 'So many attempts are free';
COMMENT ON COLUMN "throttle".doubles IS 'After those each attempt doubles the pause; else the next one is at expires_at';
COMMENT ON COLUMN "throttle".next_at IS 'Attempts before are refused';
COMMENT ON COLUMN "throttle".expires_at IS 'From then on the count is nothing';

-- Down Migration

DROP TABLE "throttle";
DROP TABLE "users";
DROP FUNCTION "users_end_all_sessions"();
DROP FUNCTION "users_end_sessions"();
