import { Database } from '../../src/stores/postgres/query.js'
import type { Row } from '../../src/stores/postgres/rows.js'
import type { Statement } from '../../src/stores/postgres/statement.js'

/** Counts what a request costs of the service's own database. */
export class CountingDatabase extends Database {
  readonly labels: string[] = []
  override async read (statement: Statement): Promise<Row[]> { this.labels.push(statement.label); return await super.read(statement) }
  override async write (statement: Statement): Promise<Row[]> { this.labels.push(statement.label); return await super.write(statement) }
}
