import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import { batchRows } from '../../src/rdd/chunks.js';
import { packUnits, type Source, type SourceReader } from '../../src/rdd/sources/source.js';
import { readContext } from './read-context.js';

/** A folder for a test's files. */
export class TestFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'sheaf-source-'));

  file(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

/** Reads a source as a job would: through JSON, in splits. */
export async function loadChunks<T>(source: Source, partitions = 1) {
  const units = await source.units();
  const counters: Record<string, number> = {};
  const report = (name: string, amount: number) => {
    counters[name] = (counters[name] ?? 0) + amount;
  };
  const module: { read: SourceReader<T> } = await import(
    new URL(`../../src/${source.module}.ts`, import.meta.url).href
  );
  const chunks: T[] = [];
  for (const split of packUnits(units, partitions)) {
    const shipped = JSON.parse(JSON.stringify({ options: source.options, split }));
    for await (const chunk of module.read(shipped.options, shipped.split, readContext({ report }))) chunks.push(chunk);
  }
  return { units, chunks, counters };
}

export async function loadTable(source: Source, partitions = 1) {
  const { chunks, ...rest } = await loadChunks<RecordBatch>(source, partitions);
  const schema = await source.schema!();
  for (const batch of chunks)
    if (String(batch.schema) !== String(schema))
      throw new Error(`the source promised ${schema} and gave ${batch.schema}`);
  return { ...rest, schema, batches: chunks, rows: chunks.flatMap(batchRows) };
}
