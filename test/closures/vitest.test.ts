import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import * as api from '../../src/executor/closure/index.js';
import { cases, refused } from './cases.js';
import { runConformance } from './conformance.js';

describe('closures from vitest', () => {
  const outcomes = runConformance(api, { cases, refused }, fileURLToPath(new URL('executor.mjs', import.meta.url)));
  test.each(outcomes)('$name', ({ problem }) => {
    expect(problem).toBeUndefined();
  });
});
