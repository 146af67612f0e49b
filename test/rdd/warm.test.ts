import { SheafContext } from 'sheaf';
import { afterAll, beforeAll, expect, it } from 'vitest';

let sc: SheafContext;
beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[1]', conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(() => sc.stop());

it('what a function captures is what it is when the job runs, though the slot knows the function', async () => {
  for (const factor of [2, 3, 3, 5])
    expect(
      await sc
        .range(0, 4, 1, 2)
        .map((x) => x * factor)
        .collect(),
    ).toEqual([0, 1, 2, 3].map((x) => x * factor));
});

it('state in captured values begins anew with each job', async () => {
  const seen = { rows: 0, keys: new Set<number>() };
  let calls = 0;
  const job = () =>
    sc
      .range(0, 4, 1, 1)
      .map((x) => {
        calls++;
        seen.keys.add(x);
        return [++seen.rows, seen.keys.size, calls];
      })
      .collect();
  const expected = [1, 2, 3, 4].map((n) => [n, n, n]);
  for (let run = 0; run < 3; run++) expect(await job()).toEqual(expected);
  expect([seen.rows, calls]).toEqual([0, 0]);
});

it('errors name the operator of the job that runs, not of the one whose loop it is', async () => {
  const fail = (x: number) => {
    throw new Error(`row ${x}`);
  };
  const messageOf = async (job: Promise<unknown>) => String(await job.catch((error: Error) => error.message));
  const first = await messageOf(sc.range(7, 8).map(fail).count());
  const second = await messageOf(sc.range(8, 9).map(fail).count());
  const line = (message: string, row: number) =>
    Number(new RegExp(`row ${row} \\(in map at warm\\.test\\.ts:(\\d+)\\)$`).exec(message)?.[1]);
  expect(line(second, 8)).toBe(line(first, 7) + 1);
});
