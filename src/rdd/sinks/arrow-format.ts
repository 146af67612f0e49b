import {
  type Data,
  DataType,
  Field,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
  vectorFromArray,
} from 'apache-arrow';
import { tableBatches } from './batches.js';
import type { Format } from './format.js';

/**
 * An Arrow IPC file. Dictionaries are decoded: a file may hold one for all its batches, and the batches of a partition come
 * with several.
 */
export const arrowFormat: Format = {
  extension: '.arrow',
  compressible: false,
  async *encode(chunks, _options, { name, schema: known }) {
    const writer = new GatheringWriter();
    let schema: Schema | undefined;
    for await (const batch of tableBatches(chunks, name)) {
      schema ??= decodedSchema(batch.schema);
      writer.write(decoded(batch, schema));
      yield writer.take();
    }
    if (!schema && !known) return;
    if (!schema) writer.reset(undefined, decodedSchema(known!));
    writer.close();
    yield writer.take();
  },
};

/** Keeps what it writes until it is taken, where Arrow's own queue hands out all only at the end. */
class GatheringWriter extends RecordBatchFileWriter {
  #parts: Uint8Array[] = [];

  take(): Buffer {
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    return bytes;
  }

  protected override _write(chunk: any): this {
    const bytes = ArrayBuffer.isView(chunk)
      ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      : new Uint8Array(chunk);
    if (!this._started || bytes.length === 0) return this;
    this.#parts.push(bytes);
    this._position += bytes.length;
    return this;
  }
}

function decodedSchema({ fields, metadata }: Schema): Schema {
  const plain = fields.map((field) =>
    DataType.isDictionary(field.type)
      ? new Field(field.name, field.type.dictionary, field.nullable, field.metadata)
      : field,
  );
  return new Schema(plain, metadata);
}

/** @param schema of the file: Arrow's writer begins anew with every other one */
function decoded(batch: RecordBatch, schema: Schema): RecordBatch {
  const children = batch.data.children.map((column, k): Data => {
    if (!DataType.isDictionary(column.type)) return column;
    return vectorFromArray(batch.getChildAt(k)!.toJSON() as any[], column.type.dictionary).data[0]!;
  });
  return new RecordBatch(
    schema,
    makeData({ type: new Struct(schema.fields), length: batch.numRows, nullCount: 0, children }),
  );
}
