import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { serialize } from 'node:v8';
import { beforeAll, describe, expect, test } from 'vitest';
import { bundleJob, loadBundle } from '../../src/executor/bundle.js';
import { shipFunction } from '../../src/executor/closure/index.js';
import { execute, type Payload } from './conformance.js';

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** The number of the line that ends with the comment. */
function lineOf(comment: string, source: string): number {
  return (
    readFileSync(file(source), 'utf8')
      .split('\n')
      .findIndex((line) => line.endsWith(`// ${comment}`)) + 1
  );
}

/** Line numbers of the frames of a file. */
function linesOf(stack: string, source: string): number[] {
  return [...stack.matchAll(/([^/\s]+):(\d+):\d+\)?$/gm)]
    .filter(([, name]) => name === source)
    .map(([, , line]) => Number(line));
}

function errorOf(fn: unknown, bundle?: Payload['bundle']): string {
  const shipped = shipFunction(fn as () => void, { operator: 'map' });
  const [reply] = execute(file('executor.mjs'), { bundle, calls: [{ shipped, args: serialize([7]) }] });
  return 'error' in reply! ? reply.error : 'nothing was thrown';
}

describe('an error thrown on an executor names the line that was written', () => {
  let bundle: Awaited<ReturnType<typeof bundleJob>>;
  let job: any;

  beforeAll(async () => {
    bundle = await bundleJob(file('job.ts'));
    job = loadBundle(bundle.code, bundle.sha256, bundle.file).exports;
  });

  test('in a function of a bundled job that is shipped by value', () => {
    const stack = errorOf(job.throwing(), bundle);
    expect(stack).toMatch(/^RangeError: 7 is above 5/);
    expect(stack).toMatch(/at check\d* \(.*test\/closures\/job\.ts/);
    expect(linesOf(stack, 'job.ts')).toEqual([lineOf('check throws', 'job.ts'), lineOf('calls check', 'job.ts')]);
  });

  test('in a function found in the bundle', () => {
    const stack = errorOf(job.throwingInBundle(), bundle);
    expect(stack).toMatch(/at fail \(.*job\.ts/);
    expect(linesOf(stack, 'job.ts')).toEqual([lineOf('fail throws', 'job.ts'), lineOf('calls fail', 'job.ts')]);
  });

  test('in a function of a test that vitest has rewritten', () => {
    interface Gone {
      readonly n: number;
    }
    const thrower = (n: number): number => {
      const gone: Gone = { n };
      throw new Error(`no ${gone.n}`); // thrower throws
    };
    const stack = errorOf(thrower);
    expect(stack).toMatch(/^Error: no 7\n +at thrower/);
    expect(linesOf(stack, 'stack.test.ts')).toEqual([lineOf('thrower throws', 'stack.test.ts')]);
  });

  test('in a plain script, to the column', () => {
    const script = `
      import { writeSync } from 'node:fs';
      import { serialize } from 'node:v8';
      import { shipFunction } from ${JSON.stringify(file('../../dist/executor/closure/index.js'))};
      const f = (x) => {
        throw new Error('here');
      };
      writeSync(1, serialize({ calls: [{ shipped: shipFunction(f), args: serialize([1]) }] }));`;
    const payload = execFileSync(process.execPath, ['--input-type=module', '-e', script]);
    const reply = execFileSync(process.execPath, [file('executor.mjs')], { input: payload }).toString('latin1');
    expect(reply).toMatch(/at f \([^)]*eval1\]:6:15\)/);
  });

  test('says where a function was defined', () => {
    expect(shipFunction(job.throwing()).where).toMatch(/test\/closures\/job\.ts:\d+$/);
    expect(shipFunction(job.default)).toMatchObject({ name: 'main', async: true });
  });
});
