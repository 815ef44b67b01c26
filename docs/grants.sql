-- Roles and rights of Silverback. Run once, as the owner of the database, with passwords of your own:
--
--   psql "$ADMIN_URL" -v app_password="'…'" -v migrator_password="'…'" -f docs/grants.sql
--
-- With `-v schema=name` the tables stand in a schema of their own: give its name to the option `schema` of PostgresStore
-- and migrate. The service keeps them in `public`, as this file does without it.
--
-- The tables: sessions, refresh_tokens, revocations, cache_leases, silverback_migrations. Triggers of sessions write into
-- revocations with the rights of whoever changes a session: a role of your own that may delete or change sessions needs the
-- same rights on the first three as the application. Everybody may read cache_leases; whoever caches writes it.
--
-- Two roles. The migrator owns the tables and changes them (`npm run migrate`, with its connection string in
-- DATABASE_MIGRATION_URL). The application reads and writes rows and can change nothing else; with no migration pending
-- the service starts with it.

\if :{?schema}
\else
  \set schema public
\endif

CREATE ROLE silverback_migrator LOGIN PASSWORD :migrator_password;
CREATE ROLE silverback_app LOGIN PASSWORD :app_password;

CREATE SCHEMA IF NOT EXISTS :"schema";
GRANT USAGE, CREATE ON SCHEMA :"schema" TO silverback_migrator;
GRANT USAGE ON SCHEMA :"schema" TO silverback_app;

-- Tables and sequences that migrations create from now on.
ALTER DEFAULT PRIVILEGES FOR ROLE silverback_migrator IN SCHEMA :"schema"
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO silverback_app;
ALTER DEFAULT PRIVILEGES FOR ROLE silverback_migrator IN SCHEMA :"schema"
  GRANT USAGE ON SEQUENCES TO silverback_app;

-- Tables that are there already.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA :"schema" TO silverback_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA :"schema" TO silverback_app;

-- After the first migration, for those who want it strict: which migrations have run is only read.
--   REVOKE INSERT, UPDATE, DELETE ON silverback_migrations FROM silverback_app;

-- The service's own tables: users, throttle, session_events, stats, silverback_service_migrations. Deleting a user ends
-- their sessions by a trigger, with the rights of whoever deletes. Triggers of sessions and refresh_tokens write into
-- session_events in the same way: beside the service, a role that changes sessions needs INSERT and SELECT on it, and
-- nothing more. The service itself deletes no user, changes no event, and only reads which migrations have run. After the
-- first migration, for those who want it strict:
--   REVOKE INSERT, UPDATE, DELETE ON silverback_service_migrations FROM silverback_app;
--   REVOKE DELETE ON users FROM silverback_app;
--   REVOKE UPDATE ON session_events FROM silverback_app;
