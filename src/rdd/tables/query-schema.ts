import { Schema } from 'apache-arrow';
import { connect } from '../sources/duckdb.js';
import { createTable, queryFields } from './duck-table.js';

/** Of what a query over the table `t` gives, asked of DuckDB in the driver. @throws TypeError for a query that is wrong */
export async function schemaOfQuery(schema: Schema, query: string, name: string): Promise<Schema> {
  const connection = await connect();
  try {
    await createTable(connection, schema, name);
    return new Schema(await queryFields(connection, query));
  } catch (error) {
    const { message } = error as Error;
    throw new TypeError(message.startsWith(name) ? message : `${name}: ${message}`);
  } finally {
    connection.closeSync();
  }
}
