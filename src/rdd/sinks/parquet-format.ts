import type { RecordBatch, Schema } from 'apache-arrow';
import { tableBatches } from './batches.js';
import type { Format } from './format.js';
import { type ParquetColumn, parquetColumns } from './parquet-columns.js';

/** Rows of a row group: enough for readers to skip by, few enough for a slot's memory. */
const GROUP_ROWS = 122_880;

/** Parquet with row groups of at most 122,880 rows, statistics, and Snappy; written by hyparquet-writer, group by group. */
export const parquetFormat: Format = {
  extension: '.parquet',
  compressible: false,
  async *encode(chunks, _options, { name, schema: known }) {
    const { ByteWriter, ParquetWriter } = await import('hyparquet-writer');
    const writer = new ByteWriter();
    const take = () => {
      const bytes = Buffer.from(writer.getBytes()); // a copy: the buffer is written again
      writer.index = 0;
      return bytes;
    };
    let file: InstanceType<typeof ParquetWriter> | undefined;
    let columns: ParquetColumn[] = [];
    const open = (schema: Schema) => {
      columns = parquetColumns(schema, name);
      const root = { name: 'root', num_children: columns.length };
      file = new ParquetWriter({
        writer,
        schema: [root, ...columns.flatMap((column) => column.elements)],
        createdBy: 'sheaf',
      });
    };
    const writeGroup = (batches: readonly RecordBatch[]) => {
      const columnData = columns.map((column, k) => ({ name: column.name, data: column.data(batches, k) }));
      file!.write({ columnData, rowGroupSize: GROUP_ROWS });
    };
    let gathered: RecordBatch[] = [];
    let rows = 0;
    for await (const batch of tableBatches(chunks, name)) {
      if (!file) open(batch.schema);
      for (let from = 0; from < batch.numRows; ) {
        const part = batch.slice(from, from + GROUP_ROWS - rows);
        gathered.push(part);
        rows += part.numRows;
        from += part.numRows;
        if (rows < GROUP_ROWS) continue;
        writeGroup(gathered);
        [gathered, rows] = [[], 0];
        yield take();
      }
    }
    if (!file && known) open(known);
    if (!file) return;
    if (rows > 0) writeGroup(gathered);
    file.finish();
    yield take();
  },
};
