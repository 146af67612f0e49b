import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventBus, SheafContext, type TimedEvent } from 'sheaf';
import { afterAll, beforeAll } from 'vitest';

export interface ContextOptions {
  readonly conf?: Record<string, string>;
  /** Called with every event. */
  readonly listen?: (event: TimedEvent, sc: SheafContext) => void;
}

/**
 * One context for all tests of the file or the group that it is called in: to start slots, and TensorFlow in them, costs more
 * than most tests do. What is killed in it is started again, so tests may follow a kill once `slots` are there again.
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

/** A directory for the tests of the file or the group, removed after them. */
export function directoryOfAllTests(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `sheaf-${name}-`));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
