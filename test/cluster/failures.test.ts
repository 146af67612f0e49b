import { describe, expect, test } from 'vitest';
import { kill } from '../support/footprint.js';
import { type Finished, root, SheafProcess, sheaf } from '../support/sheaf.js';
import { footprintOfEachTest } from '../support/tracked.js';
import { until } from '../support/until.js';

const JOB = `${root}test/jobs/endings.ts`;
const masters = ['local[2]', 'local-cluster[2,1]'];

const footprint = footprintOfEachTest();

function submit(master: string, how: string, environment: Record<string, string> = {}): Promise<Finished> {
  return sheaf(['submit', '--json', '--master', master, JOB, how], environment);
}

describe.each(masters)('on %s', (master) => {
  test('a task that never ends does not keep a failing job, nor the next one', async () => {
    const { code, stdout, stderr } = await submit(master, 'recover');
    expect(code, stderr).toBe(0);
    const { failed, next } = JSON.parse(stdout);
    expect(failed).toMatch(/^count at endings\.ts:\d+ failed in partition 1 of "map at endings\.ts:\d+": row 1 is bad/);
    expect(next).toEqual([1, 2, 3, 4]);
  });

  test('a task that ends its slot is tried four times, then the job fails and says so', async () => {
    const { code, stdout, stderr } = await submit(master, 'task-exit');
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/failed in partition 2 of "map at endings\.ts:\d+".*exit code 3 \(attempt 4 of 4\)/);
  });

  test('a slot out of memory is one that was lost; the message names the likely reason', async () => {
    const { code, stderr } = await submit(master, 'memory', { NODE_OPTIONS: '--max-old-space-size=64' });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /failed in partition 1 .*SIGABRT \(often: the JavaScript heap was full\) \(attempt 4 of 4\)/,
    );
  });

  test('a slot that is killed, and killed again, costs its running tasks only', async () => {
    const job = new SheafProcess(['submit', '--json', '--master', master, `${root}test/jobs/slow.ts`, '60', '100']);
    for (let time = 0; time < 3; time++) {
      await until('two slots', () => footprint().slots().length === 2);
      await job.says(`done ${10 * time + 5}`);
      kill(footprint().slots()[time % 2]!.pid);
    }
    const { code, stdout, stderr } = await job.finished;
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ rows: 60, sum: 1770 });
  });
});

test('kill -9 of an executor between map and reduce: what it had written is made again', async () => {
  const job = new SheafProcess(['submit', '--json', '--master', 'local-cluster[2,1]', `${root}test/jobs/shuffle.ts`]);
  const { code, stdout, stderr } = await job.finished;
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ sum: 4950, killed: true, lost: 1 });
});
