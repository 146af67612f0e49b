import { SheafContext, type TimedEvent } from 'sheaf';
import { afterAll, beforeAll, expect, it } from 'vitest';

let sc: SheafContext;
const events: TimedEvent[] = [];

beforeAll(async () => {
  const conf = { 'sheaf.eventLog.enabled': 'false', 'sheaf.skew.bytes': '4k' };
  sc = await SheafContext.create({ master: 'local[2]', conf });
  sc.bus.listen((event) => void events.push(event));
});
afterAll(() => sc.stop());

const cuts = () => events.splice(0).filter((event) => event.event === 'plan' && event.what === 'skew').length;
const seen = () => events.flatMap((event) => (event.event === 'task-end' ? [event.partition] : []));

it('computes a partition that most rows fall into in parts, with the same result', async () => {
  // Nine of ten clicks are of user 7.
  const clicks = sc.range(0, 20_000, 1, 8).map((x): [number, number] => [x % 10 === 0 ? x % 97 : 7, x]);
  const users = sc.range(0, 97, 1, 2).map((id): [number, string] => [id, `user ${id}`]);
  const joined = clicks.join(users, 6);
  const expected = Array.from({ length: 20_000 }, (_, x) => [x, `user ${x % 10 === 0 ? x % 97 : 7}`]);
  const rows = await joined.map(([, [x, user]]) => [x, user] as [number, string]).collect();
  expect(Math.max(...seen())).toBeGreaterThanOrEqual(8);
  expect(cuts()).toBe(1);
  expect(rows.sort(([a], [b]) => a - b)).toEqual(expected);

  expect(await joined.count()).toBe(20_000);
  expect(cuts()).toBe(1);
  const perUser = joined
    .map(([, [, user]]): [string, number] => [user, 1])
    .partitionBy(3)
    .mapPartitions((all) => [[...all].length]);
  expect((await perUser.collect()).reduce((a, b) => a + b)).toBe(20_000);
  expect(cuts()).toBe(1);
  expect(
    await clicks
      .leftOuterJoin(users, 6)
      .map(([, [x]]) => x)
      .reduce((a, b) => a + b),
  ).toBe(199_990_000);
  expect(cuts()).toBe(1);
  expect((await joined.glom().collect()).length).toBe(6);
  expect(cuts()).toBe(0);
});
