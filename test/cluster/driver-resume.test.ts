import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Footprint, kill } from '../support/footprint.js';
import { root, SheafProcess, sheaf } from '../support/sheaf.js';

let footprint: Footprint;
beforeEach(() => {
  footprint = new Footprint();
});
afterEach(() => footprint.remove());

const submit = (master: string, ...args: string[]) => [
  ...['submit', '--master', master, `${root}test/jobs/train.ts`],
  ...['--data', `${root}data/motionsense-sample`, '--epochs', '16', ...args],
];

let undisturbed: Promise<string> | undefined;
function expected(): Promise<string> {
  undisturbed ??= sheaf([...submit('local[2]')], footprint.environment).then(({ stdout }) => hashOf(stdout));
  return undisturbed;
}

const hashOf = (stdout: string) => /[0-9a-f]{64}/.exec(stdout)?.[0] ?? stdout;

describe('a training whose driver was killed', () => {
  test.each([
    ['allreduce', 'local[2]', 'local[1]'],
    ['tree', 'local[1]', 'local[3]'],
    ['ps', 'local-cluster[2,1]', 'local[2]'],
  ])('goes on to the same bits when it is submitted again (%s, %s, then %s)', async (aggregation, first, second) => {
    const hash = await expected();
    const checkpoints = join(footprint.directory, 'checkpoints');
    const args = ['--aggregation', aggregation, '--checkpoints', checkpoints];
    const job = new SheafProcess(submit(first, ...args), footprint.environment);
    await job.says(/epoch [3-9]/);
    kill(job.pid);
    await job.finished;
    expect(await footprint.gone(5000)).toEqual([]);
    const again = await sheaf(submit(second, ...args), footprint.environment);
    expect(again.code, again.stderr).toBe(0);
    expect(hashOf(again.stdout)).toBe(hash);
    expect(again.stderr).not.toMatch(/epoch [12]\//);
    expect(await footprint.gone(5000)).toEqual([]);
  });
});
