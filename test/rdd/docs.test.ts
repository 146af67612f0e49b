import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transform } from 'esbuild';
import { SheafContext } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const globalEval: (text: string) => any = eval;
let sc: SheafContext;
let directory: string;

beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
  directory = mkdtempSync(join(tmpdir(), 'sheaf-docs-'));
  writeFileSync(join(directory, 'table.csv'), 'x,label\n1.5,a\n-1,z\n2.5,b\n3.5,c\n');
});
afterAll(async () => {
  await sc.stop();
  rmSync(directory, { recursive: true });
});

describe('docs/rdd.md', () => {
  it('says what its examples give', async () => {
    const guide = readFileSync(new URL('../../docs/rdd.md', import.meta.url), 'utf8');
    const examples = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code).join('\n');
    // `await expression; // => value`, or `a.b; // => value`, becomes a comparison; all blocks are one program, as a reader reads them.
    const program = examples
      .replace(
        /^await ((?:(?!;$)[\s\S])*?); \/\/ => (.*)$/gm,
        (_, expression, value) => `check(await ${expression}, ${value});`,
      )
      .replace(
        /^([\w.]+(?:\(\)[\w.]*)*); \/\/ => (.*)$/gm,
        (_, expression, value) => `check(${expression}, ${value});`,
      );
    const { code } = await transform(`async (sc, csvFile, directory, check) => {\n${program}\n}`, { loader: 'ts' });
    let checks = 0;
    const run = globalEval(code);
    await run(sc, join(directory, 'table.csv'), directory, (found: unknown, value: unknown) => {
      checks++;
      expect(found).toEqual(value);
    });
    expect(checks).toBe(guide.split('// =>').length - 1);
  });
});
