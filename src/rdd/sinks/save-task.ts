import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { FailureError } from '../../protocol/failure.js';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { Chunks } from '../chunks.js';
import { decodeSchema } from '../sources/schema.js';
import { type OutputSpec, openOutput, type PartWriter, type WrittenPart } from '../storage/output.js';
import { type FormatName, type FormatOptions, loadFormat } from './format.js';

/** Of the terminal that writes a partition as one file. */
export interface SaveParameters {
  readonly format: FormatName;
  readonly options: FormatOptions;
  readonly gzip: boolean;
  readonly output: OutputSpec;
  /** For messages. */
  readonly name: string;
  /** Of the table, encoded, where it is known. */
  readonly schema?: string;
}

/**
 * Writes a partition as one part, a buffer at a time; nothing of it is to be seen before the driver's commit.
 * @returns the part, or null when the format has no file for a partition without batches
 */
export async function consume(
  chunks: Chunks,
  parameters: Json,
  { metrics, signal }: TaskContext,
  partition: number,
): Promise<Json> {
  const { format, options, gzip, output, name, schema } = parameters as unknown as SaveParameters;
  const { encode, extension } = await loadFormat(format);
  const bytes = encode(chunks, options, { name, schema: schema === undefined ? undefined : decodeSchema(schema) });
  const place = await openOutput(output);
  const file = `part-${String(partition).padStart(5, '0')}${extension}${gzip ? '.gz' : ''}`;
  let part: PartWriter | undefined;
  const timed = async <T>(work: Promise<T>): Promise<T> => {
    const begun = performance.now();
    const result = await work;
    metrics.writeMs += performance.now() - begun;
    return result;
  };
  try {
    for await (const buffer of gzip ? packed(bytes) : bytes) {
      signal.throwIfAborted();
      part ??= await timed(place.create(file));
      if (buffer.length > 0) await timed(part.write(buffer));
    }
    const written: WrittenPart | undefined = part && (await timed(part.close()));
    metrics.bytesOut += written?.bytes ?? 0;
    return (written ?? null) as Json;
  } catch (error) {
    await part?.abort().catch(() => {}); // the first error says more
    throw diskFull(error);
  }
}

/** Errors of the source pass to whoever reads the packed bytes. */
async function* packed(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = Readable.from(bytes, { objectMode: false });
  const gzip = createGzip();
  source.once('error', (error) => gzip.destroy(error));
  try {
    yield* source.pipe(gzip) as AsyncIterable<Uint8Array>;
  } finally {
    source.destroy();
  }
}

function diskFull(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' ? new FailureError({ kind: 'resource', message }) : error;
}
