import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batches } from '../../test/rdd/batches.js';
import { ResidentMap } from '../executor/residents.js';
import type { BlockRef, BlockSegment, Blocks } from '../protocol/block.js';
import type { TaskContext } from '../protocol/program.js';
import type { MapOutput } from '../scheduler/map-outputs.js';
import type { Partitioner } from '../scheduler/shuffle-spec.js';
import { decodeChunks, encodeChunks } from './chunk-codec.js';
import { type Chunk, chunkLength, isBatch, NumberRange, pairsOf, rowsOf } from './chunks.js';
import { columnOf, JoinedPairs } from './columns.js';
import { readShuffle } from './shuffle/read.js';
import { writeChunks } from './shuffle/write.js';

interface ModelledChunk {
  readonly chunk: Chunk;
  readonly rows: readonly unknown[];
}

const chunks: fc.Arbitrary<ModelledChunk[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: batches().map(({ batch, rows }): ModelledChunk => ({ chunk: batch, rows })) },
    fc
      .array(fc.oneof(fc.integer(), fc.string()), { maxLength: 5 })
      .map((rows): ModelledChunk => ({ chunk: rows, rows })),
    fc
      .array(fc.double(), { maxLength: 5 })
      .map((numbers): ModelledChunk => ({ chunk: Float64Array.from(numbers), rows: numbers })),
    fc
      .array(fc.tuple(fc.oneof(fc.integer(), fc.string()), fc.integer()), { maxLength: 5 })
      .map((rows): ModelledChunk => ({ chunk: pairsOf(rows, 'test'), rows })),
    fc
      .array(fc.tuple(fc.integer(), fc.tuple(fc.double(), fc.oneof(fc.integer(), fc.string()))), { maxLength: 5 })
      .map((rows): ModelledChunk => {
        const [lefts, rights] = [0, 1].map((side) => columnOf(rows.map(([, values]) => values[side])));
        return { chunk: new JoinedPairs(columnOf(rows.map(([key]) => key)), lefts!, rights!), rows };
      }),
    fc.nat({ max: 9 }).map((length) => {
      const chunk = new NumberRange(1, 0.5, 3, length);
      return { chunk, rows: chunk.toArray() };
    }),
  ),
  { maxLength: 6 },
);

/** As a reader gets them: in one run, aligned. */
const bytesOf = (list: readonly Chunk[]) => Buffer.from(Uint8Array.from(Buffer.concat(encodeChunks(list))).buffer);
const rowsIn = (list: Iterable<Chunk>) => [...list].flatMap((chunk) => rowsOf(chunk));

describe('a segment', () => {
  it('holds any chunks: rows, batches of several schemas, each with a dictionary of its own', () => {
    fc.assert(
      fc.property(chunks, (list) => {
        const decoded = decodeChunks(bytesOf(list.map(({ chunk }) => chunk)));
        expect(rowsIn(decoded)).toEqual(list.flatMap(({ rows }) => rows));
        const batchesBefore = list.filter(({ chunk }) => isBatch(chunk) && chunkLength(chunk) > 0);
        expect(decoded.filter(isBatch).map(({ schema }) => schema.names)).toEqual(
          batchesBefore.map(({ chunk }) => isBatch(chunk) && chunk.schema.names),
        );
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('keeps a dictionary that batches share once', () => {
    const shared = batches({ nullable: false, sliced: false }).filter(
      ({ batch }) => batch.numRows > 8 && batch.dictionaries.size > 0,
    );
    const { batch } = fc.sample(shared, { seed: 3, numRuns: 1 })[0]!;
    const parts = [batch.slice(0, 2), batch.slice(2, 4), batch.slice(4)];
    const together = bytesOf(parts).length;
    const apart = parts.reduce((sum, part) => sum + bytesOf([part]).length, 0);
    expect(together).toBeLessThan(apart);
    expect(rowsIn(decodeChunks(bytesOf(parts)))).toEqual(rowsOf(batch));
  });
});

describe('a shuffle', () => {
  const partitionings = fc.array(chunks, { minLength: 1, maxLength: 4 });

  it('deals row i of the data set to partition i mod partitions, in order', async () => {
    await fc.assert(
      fc.asyncProperty(partitionings, fc.integer({ min: 1, max: 5 }), async (maps, partitions) => {
        const all = maps.flat().flatMap(({ rows }) => rows);
        let next = 0;
        const firstRows = maps.map((list) => {
          next += list.reduce((sum, { rows }) => sum + rows.length, 0);
          return next - list.reduce((sum, { rows }) => sum + rows.length, 0);
        });
        const parts = await shuffled(maps, partitions, { kind: 'deal', firstRows });
        for (const [p, rows] of parts.entries()) expect(rows).toEqual(all.filter((_, row) => row % partitions === p));
      }),
      { seed: 2, numRuns: 60 },
    );
  });

  it('merges neighbours, in order', async () => {
    await fc.assert(
      fc.asyncProperty(partitionings, fc.integer({ min: 1, max: 3 }), async (maps, wanted) => {
        const partitions = Math.min(wanted, maps.length);
        const parts = await shuffled(maps, partitions, { kind: 'neighbours', maps: maps.length });
        expect(parts.flat()).toEqual(maps.flat().flatMap(({ rows }) => rows));
      }),
      { seed: 3, numRuns: 60 },
    );
  });
});

/** Writes and reads with blocks in memory. */
async function shuffled(maps: ModelledChunk[][], partitions: number, partitioner: Partitioner): Promise<unknown[][]> {
  const stored = new Map<string, Buffer>();
  const blocks: Blocks = {
    async put(id, scope, content) {
      const bytes = Buffer.concat(content instanceof Uint8Array ? [content] : [...content]);
      stored.set(id, bytes);
      return { id, scope, bytes: bytes.length, crc32: 0, at: [] };
    },
    async get({ id }: BlockRef, segment?: BlockSegment) {
      const bytes = stored.get(id)!;
      const part = segment ? bytes.subarray(segment.offset, segment.offset + segment.bytes) : bytes;
      return Buffer.from(Uint8Array.from(part).buffer); // aligned, as the contract says
    },
    drop() {},
    copy() {
      throw new Error('not used');
    },
  };
  const metrics = { queueMs: 0, fetchMs: 0, computeMs: 0, writeMs: 0, rows: 0, bytesIn: 0, bytesOut: 0 };
  const context = { blocks, metrics, residents: new ResidentMap(), directory: tmpdir() } as unknown as TaskContext;
  const outputs: MapOutput[] = [];
  for (const [map, list] of maps.entries()) {
    const source = (async function* () {
      for (const { chunk } of list) yield chunk;
    })();
    outputs.push(
      await writeChunks(source, { shuffle: { id: 1, partitions, partitioner }, map, scope: 'job', context }),
    );
  }
  const status = await blocks.put('status', 'job', Buffer.from(JSON.stringify(outputs)));
  const parts: unknown[][] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const rows: unknown[] = [];
    for await (const chunk of readShuffle(status, partition, context)) rows.push(...rowsOf(chunk));
    parts.push(rows);
  }
  return parts;
}
