import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mapOrdered } from './map-ordered.js';

describe('mapOrdered', () => {
  it('answers in order, whatever finishes first, with at most `width` at a time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.integer(), { maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        async (scheduler, items, width) => {
          let running = 0;
          let peak = 0;
          const work = scheduler.scheduleFunction(async (item: number) => item * 2);
          const results = mapOrdered(items, width, async (item) => {
            peak = Math.max(peak, ++running);
            const result = await work(item);
            running--;
            return result;
          });
          await scheduler.waitFor(results);
          expect(await results).toEqual(items.map((item) => item * 2));
          expect(peak).toBe(Math.min(width, items.length));
        },
      ),
      { seed: 1 },
    );
  });

  it('starts nothing more after a failure', async () => {
    const started: number[] = [];
    const work = async (item: number) => {
      started.push(item);
      await turn();
      if (item === 1) throw new Error('one');
    };
    await expect(mapOrdered([0, 1, 2, 3, 4, 5], 2, work)).rejects.toThrow('one');
    for (let k = 0; k < 5; k++) await turn();
    expect(started.length).toBeLessThan(4);
  });

  it('starts nothing more once its signal aborts', async () => {
    const abort = new AbortController();
    const started: number[] = [];
    const results = mapOrdered(
      [0, 1, 2, 3],
      1,
      async (item) => {
        started.push(item);
        if (item === 1) abort.abort(new Error('cancelled'));
      },
      abort.signal,
    );
    await expect(results).rejects.toThrow('cancelled');
    expect(started).toEqual([0, 1]);
  });
});
