import { describe, expect, it } from 'vitest';
import type { BlockRef } from '../protocol/block.js';
import type { SheafContext } from '../rdd/context.js';
import type { Committed } from './committed.js';
import { initialTheta, layoutOf } from './layout.js';
import { numericalPlan } from './numerical-plan.js';
import { BEGINNING } from './progress.js';
import { type Saved, SavedStates } from './saved-states.js';

const network = { inputs: 2, hidden: [], outputs: 2, loss: 'softmax-cross-entropy' } as const;
const optimizer = { kind: 'sgd', learningRate: 0.1 } as const;
const plan = numericalPlan({ rows: 20, batchSize: 10, epochs: 9, seed: 0, network, optimizer, shards: 2 });
const { length } = layoutOf(network);

/** Blocks that can be lost, and what became of them. */
function world(copy: (committed: Committed) => Promise<Committed | undefined> = async () => undefined) {
  const blocks = new Map<string, Buffer>();
  const released: string[] = [];
  const warnings: string[] = [];
  const context = {
    bus: { emit: ({ message }: { message: string }) => warnings.push(message) },
    tasks: { release: (scope: string) => released.push(scope) },
    blocks: {
      async get({ id }: BlockRef) {
        if (!blocks.has(id)) throw new Error(`${id} is lost`);
        return blocks.get(id)!;
      },
    },
  } as unknown as SheafContext;
  const beginning: Saved = { committed: { step: 0, parts: [] }, cursor: BEGINNING };
  /** After an epoch of one step, with all weights alike. */
  const state = (step: number, weight: number): Saved => {
    const bytes = Buffer.from(new Float32Array(length).fill(weight).buffer);
    const block: BlockRef = { id: `state-${step}`, scope: `scope-${step}`, bytes: bytes.length, crc32: 0, at: [] };
    blocks.set(block.id, bytes);
    const losses = Array.from({ length: step }, () => 1);
    return { committed: { step, parts: [{ from: 0, to: length, block }] }, cursor: { ...BEGINNING, step, losses } };
  };
  return { blocks, released, warnings, state, states: new SavedStates(beginning, plan, context, copy) };
}

describe('the states a training can go on from', () => {
  it('are the last two: older ones are released', () => {
    const { states, state, released } = world();
    for (const step of [1, 2, 3, 4]) states.save(state(step, step));
    expect(released).toEqual(['scope-1', 'scope-2']);
    expect(states.last.committed.step).toBe(4);
  });

  it('is the last that can be read after a loss, and with none left the beginning', async () => {
    const { states, state, blocks, warnings } = world();
    states.save(state(1, 1));
    states.save(state(2, 2));
    expect(await states.fallBack()).toBe(true);
    expect(states.last.committed.step).toBe(2);
    blocks.delete('state-2');
    expect(await states.fallBack()).toBe(false);
    expect(states.last.committed.step).toBe(1);
    blocks.delete('state-1');
    expect(await states.fallBack()).toBe(false);
    expect(await states.theta()).toEqual(initialTheta(network, 0, plan.initializer));
    expect(warnings).toEqual(['every copy of the committed state is lost: training begins again']);
  });

  it('lie where their copy is, once it is made; what that failed with is heard by who waits for it', async () => {
    const copied = world(async (committed) => ({ ...committed, step: 7 }));
    copied.states.save(copied.state(1, 1));
    expect((await copied.states.copied()).committed.step).toBe(7);
    const lost = world(async () => {
      throw new Error('an executor was lost');
    });
    lost.states.save(lost.state(1, 1));
    await expect(lost.states.copied()).rejects.toThrow('an executor was lost');
    await lost.states.settled();
    expect((await lost.states.copied()).committed.step).toBe(1);
  });

  it('are those that were due, the last, and while that is copied the one before: their number does not grow', async () => {
    let end = () => {};
    const copies: (() => void)[] = [];
    const { states, state, released } = world(
      () => new Promise((resolve) => void copies.push(() => resolve(undefined))),
    );
    const save = (step: number, onTheWay: boolean) => {
      states.save(state(step, step), onTheWay);
      end = copies.shift()!;
    };
    const copied = async () => {
      end();
      await states.copied();
    };
    save(1, false);
    await copied();
    for (const step of [2, 3]) {
      save(step, true);
      await copied();
    }
    expect(released).toEqual(['scope-2']);
    save(4, true);
    expect(released).toEqual(['scope-2']);
    await copied();
    expect(released).toEqual(['scope-2', 'scope-3']);
    save(5, false);
    await copied();
    expect(released).toEqual(['scope-2', 'scope-3', 'scope-4']);
    save(6, false);
    expect(released).toEqual(['scope-2', 'scope-3', 'scope-4', 'scope-1']);
  });

  it('are gone back to from one on the way, to the newest that can be read; what is newer is released', async () => {
    const { states, state, blocks, released, warnings } = world(async ({ step }) => {
      if (step === 3) throw new Error('its only holder is lost');
      return undefined;
    });
    states.save(state(1, 1));
    states.save(state(2, 2), true);
    expect(await states.fallBack()).toBe(true);
    expect(states.last.committed.step).toBe(2);
    states.save(state(3, 3), true);
    blocks.delete('state-3');
    expect(await states.fallBack()).toBe(false);
    expect([states.last.committed.step, released]).toEqual([2, ['scope-3']]);
    blocks.delete('state-2');
    expect(await states.fallBack()).toBe(false);
    expect([states.last.committed.step, released, warnings]).toEqual([1, ['scope-3', 'scope-2'], []]);
  });

  it('are not to be touched by what is discarded', () => {
    const { states, state, released } = world();
    states.save(state(1, 1));
    for (const scope of ['scope-1', 'scope-2']) states.discard(scope);
    expect(released).toEqual(['scope-2']);
  });

  it('that are good are of those that were due: where commits fall between them is chance', async () => {
    const { states, state } = world();
    states.save(state(1, 1));
    states.save(state(2, 2), true);
    expect(await states.lastGood(2)).toMatchObject({ step: 1 });
    expect(await states.lastGood(1)).toMatchObject({ step: 0 });
  });

  it('are good when all are numbers, and when no step with their weights was the one that failed', async () => {
    const { states, state } = world();
    expect(await states.lastGood(0)).toMatchObject({ step: 0 });
    states.save(state(1, 1));
    states.save(state(2, Number.NaN));
    expect(await states.lastGood(5)).toMatchObject({ step: 1, epochs: 1 });
    states.save(state(3, 3));
    expect(await states.lastGood(4)).toMatchObject({ step: 3, epochs: 3 });
    expect(await states.lastGood(3)).toMatchObject({ step: 0 });
  });
});
