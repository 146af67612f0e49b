import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { Footprint } from './footprint.js';

/**
 * A footprint for every test of the file, or the group, that it is called in. While a test runs, `process.env` has the
 * footprint's marks, so that contexts and commands which the test starts carry them; what it changes there is undone. A test
 * that leaves a process or a file behind, five seconds after it ended, fails.
 *
 * @returns the footprint of the test at hand
 * @example
 * const footprint = footprintOfEachTest();
 * test('…', () => kill(footprint().slots()[0]!.pid));
 */
export function footprintOfEachTest(): () => Footprint {
  return tracked(beforeEach, afterEach);
}

/** The same, one for all tests of the file or the group. Call it before hooks that start something: theirs end first. */
export function footprintOfAllTests(): () => Footprint {
  return tracked(beforeAll, afterAll);
}

function tracked(
  before: (act: () => void) => void,
  after: (act: () => Promise<void>) => void,
  withinMs = 5000,
): () => Footprint {
  let footprint: Footprint;
  let environment: NodeJS.ProcessEnv;
  before(() => {
    footprint = new Footprint();
    environment = { ...process.env };
    Object.assign(process.env, footprint.environment);
  });
  after(async () => {
    const left = await footprint.gone(withinMs);
    footprint.remove();
    for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
    Object.assign(process.env, environment);
    expect(left).toEqual([]);
  });
  return () => footprint;
}
