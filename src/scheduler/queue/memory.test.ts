import { describe, expect, it } from 'vitest';
import { seeded } from '../../../test/support/seeded.js';
import { RecordingDriver, RecordingExecutor, taskMessage, until } from './contract.js';
import { type MemoryQueueOptions, memoryQueue } from './memory.js';

async function run(options: MemoryQueueOptions, count = 100) {
  const warnings: string[] = [];
  const queue = memoryQueue({ random: seeded(7), warn: (warning) => warnings.push(warning), ...options });
  const executor = await new RecordingExecutor(queue).open();
  const driver = await new RecordingDriver(queue).open();
  await driver.channel.send(Array.from({ length: count }, (_, i) => taskMessage(driver.id, executor.id, i)));
  // Everything that will arrive has arrived after the longest delays there and back.
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 5));
  return { driver, executor, warnings, queue };
}

describe('the queue in memory, with faults', () => {
  it('loses messages and results as often as told', async () => {
    const { driver, executor } = await run({ faults: { task: { lose: 0.5 }, result: { lose: 0.2 } } });
    expect(executor.messages.length).toBeGreaterThan(30);
    expect(executor.messages.length).toBeLessThan(70);
    expect(driver.results.length).toBeLessThan(executor.messages.length);
    expect(driver.results.length).toBeGreaterThan(20);
  });

  it('delivers some twice', async () => {
    const { driver, executor } = await run({ faults: { task: { duplicate: 0.5 }, result: { duplicate: 0.5 } } });
    expect(executor.messages.length).toBeGreaterThan(130);
    expect(new Set(driver.values()).size).toBe(100);
    expect(driver.results.length).toBeGreaterThan(executor.messages.length);
  });

  it('delays some, and so changes their order', async () => {
    const { driver } = await run({ faults: { task: { delay: 0.5 }, result: { delay: 0.5 } } });
    expect(driver.values()).not.toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(new Set(driver.values()).size).toBe(100);
  });

  it('alters some, which a secret brings to light', async () => {
    const { driver, executor, warnings } = await run({ secret: 's', faults: { task: { corrupt: 0.3 } } });
    expect(executor.messages.length).toBeLessThan(90);
    for (const { tasks } of executor.messages)
      expect(tasks[0]!.inputs).toBe(driver.values()[executor.messages.findIndex((m) => m.tasks === tasks)]);
    expect(warnings.join()).toContain('refused a message');
  });

  it('loses heartbeats and controls', async () => {
    const { driver, executor } = await run({ faults: { heartbeat: { lose: 1 }, control: { lose: 1 } } });
    await executor.beat();
    await driver.channel.control(executor.id, { kind: 'release', scope: 's' });
    await until('a result', () => driver.results.length === 100);
    expect(driver.heartbeats).toEqual([]);
    expect(executor.controls).toEqual([]);
  });

  it('does the same again with the same numbers', async () => {
    const faults = { task: { lose: 0.3, duplicate: 0.3 }, result: { lose: 0.3 } };
    const [a, b] = [await run({ faults }), await run({ faults })];
    expect(a.driver.values()).toEqual(b.driver.values());
    expect(() => memoryQueue({ faults })).toThrow(/random/);
  });

  it('plays the end of a lease', async () => {
    const { driver, executor, queue } = await run({});
    queue.loseExecutor(executor.id, 'test');
    await until('gone', () => driver.gone.length === 1);
    await driver.channel.send([taskMessage(driver.id, executor.id)]);
    const other = await new RecordingExecutor(queue).open();
    queue.loseDriver(driver.id);
    await until('driver gone', () => other.gone.length === 1);
    await other.channel.close('');
    expect(queue.left).toEqual({ drivers: 0, executors: 0 });
  });

  it('runs in virtual time', async () => {
    const due: { at: number; run: () => void }[] = [];
    let now = 0;
    const clock = {
      now: () => now,
      after(ms: number, run: () => void) {
        due.push({ at: now + ms, run });
        return () => {};
      },
    };
    const queue = memoryQueue({ clock, random: seeded(1), faults: { task: { delay: 1, maxDelayMs: 1e9 } } });
    const executor = await new RecordingExecutor(queue).open();
    const driver = await new RecordingDriver(queue).open();
    await driver.channel.send([taskMessage(driver.id, executor.id)]);
    for (let turns = 0; turns < 50 && driver.results.length === 0; turns++) {
      due.sort((a, b) => a.at - b.at);
      const next = due.shift();
      if (next) {
        now = next.at;
        next.run();
      }
      await Promise.resolve();
    }
    expect(driver.results.length).toBe(1);
    expect(now).toBeGreaterThan(1e6);
  });
});
