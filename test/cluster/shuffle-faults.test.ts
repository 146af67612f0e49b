import { SheafContext } from 'sheaf';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kill } from '../support/footprint.js';
import { seeded } from '../support/seeded.js';
import { footprintOfAllTests } from '../support/tracked.js';

const footprint = footprintOfAllTests();
let sc: SheafContext;

beforeAll(async () => {
  // Each process as if on a host of its own: map outputs are fetched over HTTP.
  process.env.SHEAF_TEST_HOSTS = 'process';
  const conf = { 'sheaf.executor.leaseMs': '3000', 'sheaf.task.maxFailures': '20' };
  sc = await SheafContext.create({ master: 'local-cluster[2,1]', conf });
});
afterAll(async () => {
  await sc.stop();
});

const executors = () =>
  footprint()
    .processes()
    .filter(({ command }) => command.includes('executor') && command[1]?.endsWith('main.js'));
const sum = (a: number, b: number) => a + b;

/** A job of three shuffles: sums by key, joined with themselves under another key, sorted. */
async function program(rows: number): Promise<[number, number][]> {
  const slowly = (x: number): [number, number] => {
    const end = x % 500 === 0 ? Date.now() + 2 : 0;
    while (Date.now() < end);
    return [x % 101, x];
  };
  const sums = sc.range(0, rows, 1, 8).map(slowly).reduceByKey(sum, 5);
  const shifted = sums.map(([key, total]): [number, number] => [(key * 7) % 101, total]);
  const joined = sums.join(shifted, 4).mapValues(([a, b]) => a - b);
  return joined.sortByKey(false, 3).collect();
}

function expected(rows: number): [number, number][] {
  const sums = Array.from({ length: 101 }, () => 0);
  for (let x = 0; x < rows; x++) sums[x % 101]! += x;
  return sums
    .map((_, key): [number, number] => [(key * 7) % 101, sums[(key * 7) % 101]! - sums[key]!])
    .sort(([a], [b]) => b - a);
}

test('shuffles, joins and sorts lose nothing and count nothing twice, whatever is killed meanwhile', async () => {
  const random = seeded(7);
  const rows = 40_000;
  let kills = 0;
  // Where a round is over before somebody is killed, further ones.
  for (let round = 0; round < 4 || kills < 4; round++) {
    let running = true;
    const job = program(rows).finally(() => {
      running = false;
    });
    const storm = (async () => {
      while (running) {
        await new Promise((resolve) => setTimeout(resolve, 150 + random() * 500));
        const victims = random() < 0.5 ? executors() : footprint().slots();
        const victim = victims[Math.floor(random() * victims.length)];
        if (!running || !victim || kills > 3 * (round + 1)) continue;
        kill(victim.pid);
        kills++;
      }
    })();
    expect(await job).toEqual(expected(rows));
    await storm;
  }
  expect(kills).toBeGreaterThan(3);
}, 180_000);
