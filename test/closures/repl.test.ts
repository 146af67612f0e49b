import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import { afterAll, expect, test } from 'vitest';
import { execute } from './conformance.js';

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sheaf-repl-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What somebody types, and the functions they ship with what each must give for 2. */
const session: readonly string[] = [
  `const { shipFunction } = await import(${JSON.stringify(file('../../dist/executor/closure/index.js'))})`,
  `const acorn = await import(${JSON.stringify(file('../../node_modules/acorn/dist/acorn.mjs'))})`,
  `const { basename } = require('node:path')`,
  'let rate = 3; var offset = 1',
  'function scale(x) { return x * rate }',
  'const both = x => scale(x) + offset',
  'class Point { constructor(x) { this.x = x } twice() { return scale(this.x) * 2 } }',
  'const point = new Point(5)',
  'const data = { list: [1, 2], at: new Date(3), map: new Map([["k", 1]]) }',
  'rate = 10',
];
const functions: readonly (readonly [text: string, expected: unknown])[] = [
  ['x => x + 1', 3],
  ['x => x * rate', 20],
  ['both', 21],
  ['x => [scale(x), both(x), offset]', [20, 21, 1]],
  ['x => [point.twice(), point instanceof Point, new Point(x).twice()]', [100, true, 40]],
  ['x => [data.list.length, data.at.getTime(), data.map.get("k"), data instanceof Object]', [2, 3, 1, true]],
  ['x => basename("/a/" + x)', '2'],
  ['x => path.basename("/a/" + x) + os.EOL', '2\n'],
  ['x => typeof crypto.subtle + typeof events.once', 'objectfunction'],
  ['x => acorn.parse("1", { ecmaVersion: 2022 }).type', 'Program'],
  ['async x => { await null; return Math.max(x, rate) }', 10],
  ['Math.sqrt.bind(null, 16)', 4],
  ['Number', 2],
];

/** Types one line after the other, each when the prompt is back. Returns what the REPL said. */
async function type(lines: readonly string[]): Promise<string> {
  const repl = spawn(process.execPath, ['-i'], { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  const rest = [...lines, '.exit'];
  repl.stdout.on('data', (chunk) => {
    said += chunk;
    if (said.endsWith('> ') && rest.length > 0) repl.stdin.write(`${rest.shift()}\n`);
  });
  await once(repl, 'close');
  return said;
}

test('closures from the REPL conform', async () => {
  const output = join(folder, 'payload');
  const said = await type([
    ...session,
    'const shipped = []',
    ...functions.map(([text]) => `shipped.push(shipFunction(${text}))`),
    `require('node:fs').writeFileSync(${JSON.stringify(output)}, require('node:v8').serialize(shipped))`,
  ]);
  expect(said).not.toMatch(/Uncaught|Error/);
  const shipped: any[] = deserialize(readFileSync(output));
  const args = serialize([2]);
  const replies = execute(file('executor.mjs'), { calls: shipped.map((each) => ({ shipped: each, args })) });
  expect(replies.map((reply) => ('error' in reply ? reply.error : deserialize(reply.value)))).toEqual(
    functions.map(([, expected]) => expected),
  );
});
