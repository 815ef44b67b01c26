import pg from 'pg'
import type { Test } from 'tap'

/** The clock of a database, as all see it who connect from now on. */
export interface MovedClock {
  /** Lets seconds pass, whole ones. No row is written. */
  advance (seconds: number): Promise<void>
}

/**
 * Makes the clock of a migrated database one that can be moved. Functions of its own stand before PostgreSQL's in the
 * search path, so that statements which ask for the time get a later one. Functions with a path of their own, as the
 * triggers have, and defaults of columns keep to the real time.
 */
export async function moveClock (t: Test, connectionString: string): Promise<MovedClock> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  t.teardown(async () => { await client.end() })
  await client.query(`
    CREATE SCHEMA clock;
    CREATE SEQUENCE clock.seconds MINVALUE 0 START 0;
    SELECT setval('clock.seconds', 0);
    CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
      AS $$ SELECT pg_catalog.clock_timestamp() + make_interval(secs => last_value) FROM clock.seconds $$;
    CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql
      AS $$ SELECT pg_catalog.now() + make_interval(secs => last_value) FROM clock.seconds $$;
    DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = clock, pg_catalog, public', current_database()); END $$`)
  return {
    async advance (seconds) { await client.query("SELECT setval('clock.seconds', last_value + $1) FROM clock.seconds", [seconds]) }
  }
}
