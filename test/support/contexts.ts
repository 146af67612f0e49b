import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventBus, SheafContext, type TimedEvent } from 'sheaf';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { Footprint } from './footprint.js';
import { footprintOfAllTests } from './tracked.js';
import { until } from './until.js';

export interface ContextOptions {
  readonly conf?: Record<string, string>;
  /** Called with every event. */
  readonly listen?: (event: TimedEvent, sc: SheafContext) => void;
}

/**
 * One context for all tests of the file or the group that it is called in: to start slots, and TensorFlow in them, costs more
 * than most tests do.
 *
 * @returns the context, while tests run
 * @example
 * const sc = contextOfAllTests('local[2]');
 * test('…', () => sc().range(0, 3).count());
 */
export function contextOfAllTests(master: string, { conf, listen }: ContextOptions = {}): () => SheafContext {
  let context: SheafContext;
  beforeAll(async () => {
    const bus = new EventBus();
    context = await SheafContext.create({ master, bus, conf: { 'sheaf.eventLog.enabled': 'false', ...conf } });
    if (listen) bus.listen((event) => listen(event, context));
  });
  afterAll(() => context.stop());
  return () => context;
}

export interface ClusterOptions {
  /** `process`: every executor counts as a host of its own. */
  readonly hosts?: 'process';
  readonly listen?: ContextOptions['listen'];
}

/**
 * A context for tests that kill slots and executors of it: what ends is started again, and each test finds all executors
 * there. An executor may be killed eight times. What is left behind is looked for after the last test.
 */
export function clusterOfAllTests(
  master: string,
  { hosts, listen }: ClusterOptions = {},
): { footprint: () => Footprint; sc: () => SheafContext } {
  const footprint = footprintOfAllTests();
  beforeAll(() => {
    if (hosts) process.env.SHEAF_TEST_HOSTS = hosts;
  });
  // Generations are formed for what tests do, not for what a busy machine does to slots.
  const conf = { 'sheaf.executor.leaseMs': '3000', 'sheaf.train.rebalance': 'false' };
  const sc = contextOfAllTests(master, { conf, listen });
  const executors = Number(/^local-cluster\[(\d+)/.exec(master)?.[1] ?? 1);
  beforeEach(() => until('all executors', () => sc().tasks.executors().length === executors));
  return { footprint, sc };
}

/** A directory for the tests of the file or the group, removed after them. */
export function directoryOfAllTests(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `sheaf-${name}-`));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
