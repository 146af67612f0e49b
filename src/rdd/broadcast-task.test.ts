import { describe, expect, it } from 'vitest';
import { decodeValue, encodeValue, restoreFunction, shipFunction } from '../executor/closure/index.js';
import { ResidentMap } from '../executor/residents.js';
import type { BlockLocation, BlockRef, Blocks } from '../protocol/block.js';
import { FailureError } from '../protocol/failure.js';
import type { SlotContext } from '../protocol/program.js';
import { Broadcast } from './broadcast.js';
import { loadBroadcasts, provideTaskBroadcasts, type ShippedBroadcast } from './broadcast-task.js';
import { slotMemory } from './memory/slot-memory.js';

const reference = (id: string) => ({ id, made: `broadcast at job.ts:${id.length}` });
const at = (holder: string): BlockLocation => ({ holder, host: holder, path: `/${holder}`, url: '' });

/** A broadcast of the driver, in a process that is a slot all the same. */
function driverSide<T>(id: string, value: T): Broadcast<T> {
  const broadcast = new Broadcast(reference(id), value, { unpersist() {}, destroy() {} });
  provideTaskBroadcasts();
  return broadcast;
}

function shipped(id: string, names = ['driver']): ShippedBroadcast {
  const block: BlockRef = { id: 'value', scope: `app/${id}`, bytes: 1, crc32: 0, at: names.map(at) };
  return { ...reference(id), block };
}

/** A slot for which `value` lies in every block. */
function slot(value: unknown, executor = 'e') {
  const asked: string[][] = [];
  const blocks = {
    async copy(ref: BlockRef) {
      asked.push(ref.at.map(({ holder }) => holder));
      if (value === undefined) throw new FailureError({ kind: 'fetch-failed', message: 'nobody has it', block: ref });
      return { ...ref, at: [at('here')], from: ref.at[0]!.holder };
    },
    get: async () => encodeValue(value),
  } as unknown as Blocks;
  const residents = new ResidentMap();
  return { context: { executor, blocks, residents } as unknown as SlotContext, residents, asked };
}

describe('a broadcast in a slot', () => {
  it('is one object, whose value is loaded once and let go with its scope', async () => {
    const table = driverSide('a', { two: 2 });
    const read = restoreFunction(shipFunction(() => table.value.two)) as () => number;
    expect(read).toThrow('the value of the broadcast at job.ts:1 is not on this executor');
    const { context, residents, asked } = slot({ two: 2 });
    await loadBroadcasts([shipped('a')], context);
    await loadBroadcasts([shipped('a')], context);
    expect(read()).toBe(2);
    expect(asked).toHaveLength(1);
    expect(slotMemory().storage).toBe(1);
    residents.release('app/a');
    expect(slotMemory().storage).toBe(0);
    expect(read).toThrow('not on this executor');
    await loadBroadcasts([shipped('a')], context);
    expect(read()).toBe(2);
  });

  it('travels on as itself', async () => {
    const table = driverSide('bb', 1);
    const there = decodeValue(encodeValue({ table })) as { table: unknown };
    expect(there.table).not.toBe(table);
    expect(decodeValue(encodeValue(there))).toEqual(there);
  });

  it('is asked of another holder first by each executor', async () => {
    const first = async (executor: string) => {
      const { context, asked } = slot(1, executor);
      await loadBroadcasts([shipped('ccc', ['driver', 'x', 'y', 'z'])], context);
      expect([...asked[0]!].sort()).toEqual(['driver', 'x', 'y', 'z']);
      return asked[0]![0];
    };
    const firsts = await Promise.all(Array.from({ length: 40 }, (_, k) => first(`executor-${k}`)));
    expect(new Set(firsts).size).toBe(4);
  });

  it('that nobody has is a failed fetch, and says whose', async () => {
    const { context } = slot(undefined);
    const loading = loadBroadcasts([shipped('dddd')], context);
    await expect(loading).rejects.toThrow(/the value of the broadcast at job.ts:4 cannot be read .*: nobody has it/);
    await expect(loading).rejects.toMatchObject({ failure: { kind: 'fetch-failed' } });
  });
});
