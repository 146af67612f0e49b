import { readFileSync } from 'node:fs';
import { count, countDistinct, max, mean, SheafContext, sum } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runExamples } from '../support/guide.js';

let sc: SheafContext;

beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(() => sc.stop());

describe('docs/tables.md', () => {
  it('says what its examples give', async () => {
    const guide = readFileSync(new URL('../../docs/tables.md', import.meta.url), 'utf8');
    const known = { sc, count, countDistinct, max, mean, sum };
    const checks = await runExamples(guide, known, (found, value) => expect(found).toEqual(value));
    expect(checks).toBe(guide.split('// =>').length - 1);
  });
});
