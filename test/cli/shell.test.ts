import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/sheaf.js';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-shell-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A shell with `input` piped in. @param onOutput told all of stdout and stderr so far */
function shell(
  input: string,
  flags: readonly string[] = [],
  onOutput?: (all: string, kill: (signal: NodeJS.Signals) => void) => void,
): Promise<Ended> {
  const child = spawn(process.execPath, [`${root}bin/sheaf.js`, 'shell', '--master', 'local[1]', ...flags], {
    cwd: directory,
    env: { ...process.env, XDG_STATE_HOME: join(directory, 'state') },
  });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
      onOutput?.(said.stdout + said.stderr, (signal) => child.kill(signal));
    });
  child.stdin.end(input);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...said })));
}

describe('a script piped into the shell', () => {
  it('runs TypeScript with await and imports, and prints the values of expressions', async () => {
    writeFileSync(join(directory, 'lib.mjs'), 'export const twice = (x) => x * 2;\n');
    const { code, stdout, stderr } = await shell(`
      import { basename } from 'node:path';
      import { StatCounter } from 'sheaf';
      import { twice } from './lib.mjs';
      main(3);
      interface Point { readonly x: number }
      enum Colour { Red = 1, Blue }
      const points: Point[] = [{ x: 1 }, { x: 2 }];
      let offset = 10;
      class Scaled<T extends Point> {
        constructor(readonly point: T) {}
        get value(): number { return this.point.x * Colour.Blue }
      }
      function main(x: number) { console.log('first', x) }
      const rdd = sc.parallelize(points, 2)
        .map((point) => new Scaled(point).value + offset);
      await rdd.collect();
      rdd;
      await rdd.map((x) => basename('/a/' + twice(x))).collect();
      (await rdd.stats()) instanceof StatCounter;
      sc.range(0, 3).count() instanceof Promise
      void 0
    `);
    expect(stderr).toBe('');
    expect(stdout).toBe("first 3\n[ 12, 14 ]\nRDD[1] map at shell-1:16\n[ '24', '28' ]\ntrue\ntrue\n");
    expect(code).toBe(0);
  });

  it('ends at the first error, which names the line, with exit code 1', async () => {
    const thrown = await shell('1\n\nsc.range(0, 3).foo()\n2');
    expect(thrown).toMatchObject({ code: 1, stdout: '1\n' });
    expect(thrown.stderr).toMatch(/^TypeError: .*foo is not a function\n.*shell-1:3:/);
    const task = await shell('await sc.range(0, 3).map((x) => {\n  throw new Error("bad " + x);\n}).count()');
    expect(task.code).toBe(1);
    expect(task.stderr).toMatch(/bad 0 \(in map at shell-1:1\)\n.*shell-1:2:/);
    const late = await shell('void Promise.reject(new Error("nobody cares")); await new Promise(() => {})');
    expect(late.code).toBe(1);
    expect(late.stderr).toContain('nobody cares');
  });

  it('says where a script makes no sense', async () => {
    expect(await shell('const x = 1;\nconst y: = 2;')).toMatchObject({
      code: 1,
      stderr: 'SyntaxError: 2:10: Unexpected "="\nconst y: = 2;\n         ^\n',
    });
    expect(await shell('sc.map((x => {')).toMatchObject({ code: 1, stderr: 'SyntaxError: Unexpected end of file\n' });
  });

  it('is cancelled by SIGINT', async () => {
    const forever = 'await sc.range(0, 1).foreach(async () => { console.log("running"); await new Promise(() => {}) })';
    let sent = false;
    const { code } = await shell(forever, [], (all, kill) => {
      if (!sent && all.includes('running')) kill('SIGINT');
      sent ||= all.includes('running');
    });
    expect(code).toBe(130);
  });

  it('does not start with settings that do not exist', async () => {
    const { code, stderr } = await shell('1', ['--conf', 'no.such=1']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('there is no setting "no.such"')]);
  });
});

describe('the prompt', () => {
  /** What was said after each prompt. */
  const answers = (stdout: string) =>
    stdout
      .split('sheaf> ')
      .slice(1)
      .map((text) => text.replaceAll(/^(\.\.\. |\| )+/g, '')); // before further lines, depending on Node's version

  it('takes one input after the other, over several lines where needed', async () => {
    const { code, stdout, stderr } = await shell(
      [
        'let rate: number = 3',
        'const add = (x: number) => {',
        '  return x + rate',
        '}',
        'await sc.range(0, 3).map((x) => add(x)).collect()',
        'rate = 10',
        'await sc.range(0, 3).map((x) => add(x)).collect()',
        'const rate = 1',
        'function add(x: number) { return x * rate }',
        'await sc.range(0, 3).map(add).collect()',
        '`a',
        'b`',
        '/* a',
        'b */ 5',
        '{ a: 1 }',
        'const { a, ...rest } = { a: 1, b: 2 }; rest',
      ].join('\n'),
      ['-i'],
    );
    expect(stderr).toBe('');
    expect(answers(stdout)).toEqual([
      ...['', '', '[ 3, 4, 5 ]\n', '10\n', '[ 10, 11, 12 ]\n', '', '', '[ 0, 1, 2 ]\n'],
      ...['a\nb\n', '5\n', '{ a: 1 }\n', '{ b: 2 }\n', ''],
    ]);
    expect(code).toBe(0);
  });

  it('goes on after errors', async () => {
    const { code, stdout } = await shell('nothing.here\na b\nawait sc.range(0, 1).map(() => { throw 1 }).count()\n5', [
      '-i',
    ]);
    const [reference, syntax, job, last] = answers(stdout);
    expect(reference).toMatch(/^ReferenceError: nothing is not defined/);
    expect(syntax).toBe('SyntaxError: 1:3: Expected ";" but found "b"\na b\n  ^\n');
    expect(job).toMatch(/^JobError: count at shell-\d+:1 failed/);
    expect([last, code]).toEqual(['5\n', 0]);
  });

  it('has commands, and shows the context and RDDs by what matters', async () => {
    const { stdout } = await shell(
      '.status\n.help\nsc\nsc.range(0, 3)\nsheaf.SheafContext === sc.constructor\n.exit\n',
      ['-i'],
    );
    const [status, help, context, rdd, same] = answers(stdout);
    expect(status).toMatch(/^application app-.*\n1 slot on .*\nno job is running\n$/);
    expect(help).toMatch(/\.cancel +Cancel all running jobs.*\.status +Show the application/s);
    expect(context).toMatch(/^SheafContext \{ app: 'app-.*', master: 'local\[1\]', slots: 1 \}\n$/);
    expect([rdd, same]).toEqual(['RDD[0] range at shell-2:1\n', 'true\n']);
  });

  it('cancels a job at SIGINT and goes on, and keeps no history of a pipe', async () => {
    const signs = ['running', 'waiting'];
    const { code, stdout } = await shell(
      'await sc.range(0, 1).foreach(async () => { console.log("run" + "ning"); await new Promise(() => {}) })\n' +
        'await new Promise(() => { console.log("wait" + "ing") })\n6 * 7\n',
      ['-i'],
      (all, kill) => {
        if (!all.includes(signs[0] ?? 'nothing more')) return;
        signs.shift();
        kill('SIGINT');
      },
    );
    expect(answers(stdout)).toEqual(['interrupted\n', 'waiting\ninterrupted\n', '42\n', '']);
    expect(code).toBe(0);
    expect(existsSync(join(directory, 'state', 'sheaf', 'shell-history'))).toBe(false);
  });
});
