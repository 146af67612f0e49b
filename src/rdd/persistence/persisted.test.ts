import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlockFiles } from '../../executor/block-files.js';
import { ResidentMap } from '../../executor/residents.js';
import type { BlockRef } from '../../protocol/block.js';
import { FailureError } from '../../protocol/failure.js';
import type { TaskContext } from '../../protocol/program.js';
import { type StorageLevelName, storedId } from '../../protocol/storage.js';
import type { Chunk, Chunks } from '../chunks.js';
import { slotMemory } from '../memory/slot-memory.js';
import { persisted, type StoredBlocks } from './persisted.js';
import { storageReports } from './storage-reports.js';

process.env.SHEAF_SLOT_MEMORY = String(100_000);

const SCOPE = 'app/rdd-1-0';
let directory: string;
let residents: ResidentMap;
let blocks: BlockFiles;
let computed: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-persisted-'));
  const home = { holder: 'e', host: 'h', url: '', token: '', memoryDirectory: directory, diskDirectory: directory };
  blocks = new BlockFiles(home);
  residents = new ResidentMap();
  computed = 0;
});
afterEach(() => {
  residents.release('app');
  rmSync(directory, { recursive: true });
  expect([slotMemory().storage, slotMemory().execution]).toEqual([0, 0]);
});

const metrics = () => ({ queueMs: 0, fetchMs: 0, computeMs: 0, writeMs: 0, rows: 0, bytesIn: 0, bytesOut: 0 });

/** `count` chunks of 1000 numbers each, 8000 bytes. */
const chunksOf = (count: number) =>
  async function* (): Chunks {
    computed++;
    for (let k = 0; k < count; k++) yield Float64Array.from({ length: 1000 }, (_, i) => 1000 * k + i);
  };

interface Reading {
  readonly level?: StorageLevelName;
  readonly compute?: () => Chunks;
  readonly scope?: string;
  readonly stored?: StoredBlocks;
  readonly replicate?: boolean;
  readonly using?: Partial<TaskContext>;
}

function reading({ level = 'MEMORY', scope = SCOPE, stored = {}, replicate = false, using, ...rest }: Reading = {}) {
  const context = { residents, blocks, metrics: metrics(), ...using } as TaskContext;
  return persisted({ level, scope, replicate }, 0, context, stored, rest.compute ?? chunksOf(3));
}

async function sum(chunks: AsyncIterable<Chunk>): Promise<number> {
  let total = 0;
  for await (const chunk of chunks) for (const value of chunk as Float64Array) total += value;
  return total;
}

const SUM = (2999 * 3000) / 2;
const reports = () => storageReports(SCOPE, residents).take();
const files = () => readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());

describe('a persisted partition', () => {
  it.each(['MEMORY', 'MEMORY_AND_DISK', 'DISK'] as const)('of %s is computed once', async (level) => {
    for (let k = 0; k < 3; k++) expect(await sum(reading({ level }))).toBe(SUM);
    expect(computed).toBe(1);
    const [report, ...others] = (await reports())!;
    expect(others).toEqual([]);
    expect(report!.memoryBytes).toBe(level === 'DISK' ? 0 : 24_000);
    expect(report!.blocks?.length ?? 0).toBe(level === 'DISK' ? 2 : 0); // parts of an eighth of the budget
    expect(await reports()).toBeUndefined();
  });

  it('is kept whole though its reader stops after the first chunk', async () => {
    for await (const chunk of reading()) {
      expect(chunk).toHaveLength(1000);
      break;
    }
    expect(await sum(reading())).toBe(SUM);
    expect(computed).toBe(1);
  });

  it('is not kept when computing it fails half-way', async () => {
    const failing = async function* (): Chunks {
      yield* chunksOf(2)();
      throw new Error('half-way');
    };
    for (const level of ['MEMORY', 'DISK'] as const)
      await expect(sum(reading({ level, compute: failing }))).rejects.toThrow('half-way');
    expect(slotMemory().storage).toBe(0);
    expect(await reports()).toBeUndefined();
    expect(await sum(reading())).toBe(SUM);
  });

  it('passes through when it is larger than the budget, and closes its source when the reader stops', async () => {
    let closed = 0;
    const large = async function* (): Chunks {
      try {
        yield* chunksOf(20)();
      } finally {
        closed++;
      }
    };
    expect(await sum(reading({ compute: large }))).toBe((19_999 * 20_000) / 2);
    for await (const _ of reading({ compute: large })) break;
    expect([computed, closed, slotMemory().storage]).toEqual([2, 2, 0]);
    expect(await reports()).toBeUndefined();
    for (let k = 0; k < 2; k++)
      expect(await sum(reading({ compute: large, level: 'MEMORY_AND_DISK' }))).toBe((19_999 * 20_000) / 2);
    expect(computed).toBe(3);
  });

  it('may stand above another of the same partition', async () => {
    const below = () => reading({ scope: 'app/rdd-0-0', level: 'MEMORY_AND_DISK' });
    for (let k = 0; k < 2; k++) expect(await sum(reading({ compute: below }))).toBe(SUM);
    expect([computed, slotMemory().storage]).toEqual([1, 48_000]);
  });
});

describe('a partition that has to make room', () => {
  const other = { scope: 'app/rdd-2-0', compute: chunksOf(10) };

  it('is computed again, or read from disk', async () => {
    for (const [level, times] of [
      ['MEMORY', 2],
      ['MEMORY_AND_DISK', 1],
    ] as const) {
      computed = 0;
      await sum(reading({ level }));
      await sum(reading(other));
      const told = (await reports())!.find(({ scope }) => scope === SCOPE)!;
      expect(told).toMatchObject({ memoryBytes: 0, evicted: true });
      expect(told.blocks?.length ?? 0).toBe(level === 'MEMORY' ? 0 : 2);
      residents.release('app/rdd-2-0');
      expect(await sum(reading({ level }))).toBe(SUM);
      expect(computed - 1).toBe(times); // the other one too
      residents.release('app');
    }
  });

  it('to operators too, and is written before they have the memory', async () => {
    await sum(reading({ level: 'MEMORY_AND_DISK', compute: chunksOf(10) }));
    expect(files()).toEqual([]);
    expect(slotMemory().acquire(50_000)).toBe(true);
    expect(files().length).toBeGreaterThan(0);
    slotMemory().releaseExecution();
  });

  it('is computed again when the disk is full', async () => {
    await sum(reading({ level: 'MEMORY_AND_DISK' }));
    blocks.put = () => Promise.reject(new FailureError({ kind: 'resource', message: 'no space left' }));
    residents.release(SCOPE);
    await sum(reading({ level: 'MEMORY_AND_DISK' }));
    await sum(reading(other));
    const told = (await reports())!.find(({ scope }) => scope === SCOPE)!;
    expect([told.memoryBytes, told.blocks]).toEqual([0, undefined]);
    residents.release('app/rdd-2-0');
    expect(await sum(reading({ level: 'MEMORY_AND_DISK' }))).toBe(SUM);
    expect(computed).toBe(4);
  });
});

describe('blocks that the driver knows of', () => {
  const onDisk = async (): Promise<readonly BlockRef[]> => {
    await sum(reading({ level: 'DISK' }));
    const refs = (await reports())![0]!.blocks!;
    residents = new ResidentMap(); // another slot
    return refs;
  };

  it('are read by another slot, and taken into memory where the level says so', async () => {
    const stored = { [storedId(SCOPE, 0)]: await onDisk() };
    expect(await sum(reading({ level: 'DISK', stored }))).toBe(SUM);
    expect(await reports()).toBeUndefined();
    expect(await sum(reading({ level: 'MEMORY_AND_DISK', stored }))).toBe(SUM);
    expect(await reports()).toMatchObject([{ memoryBytes: 24_024 }]); // views of blocks, which have headers
    expect(computed).toBe(1);
  });

  it('are no loss when the first cannot be read: the partition is computed, and the driver told', async () => {
    const refs = await onDisk();
    rmSync(refs[0]!.at[0]!.path);
    expect(await sum(reading({ level: 'MEMORY_AND_DISK', stored: { [storedId(SCOPE, 0)]: refs } }))).toBe(SUM);
    expect(computed).toBe(2);
    expect(await reports()).toMatchObject([{ memoryBytes: 24_000, blocks: [] }]);
  });

  it('fail the task when a later one cannot be read, and are forgotten for the next attempt', async () => {
    const refs = await onDisk();
    rmSync(refs[1]!.at[0]!.path);
    await expect(sum(reading({ level: 'DISK', stored: { [storedId(SCOPE, 0)]: refs } }))).rejects.toThrow(
      /block rdd-1-0:0:[-0-9a-f]+:1 cannot be read/,
    );
    expect(await reports()).toMatchObject([{ blocks: [] }]);
    expect(await sum(reading({ level: 'DISK' }))).toBe(SUM);
    expect(computed).toBe(2);
  });

  it('are made for a copy, and made again when the copy is lost', async () => {
    await sum(reading({ level: 'MEMORY_2', replicate: true }));
    expect((await reports())![0]!.blocks!.map(({ scope }) => scope)).toEqual(new Array(2).fill(`${SCOPE}/0/staged`));
    blocks.release(`${SCOPE}/0/staged`);
    await sum(reading({ level: 'MEMORY_2', replicate: true, stored: { [storedId(SCOPE, 0)]: [] } }));
    expect((await reports())![0]!.blocks).toHaveLength(2);
    expect(computed).toBe(1);
  });
});
