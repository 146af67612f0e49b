import { count, mean, type Row, SheafContext, sum } from 'sheaf';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

/** Two executors, whose slots hold less than the data: what has no room goes to disk. */
let sc: SheafContext;
let spilled = 0;

beforeAll(async () => {
  const conf = { 'sheaf.eventLog.enabled': 'false', 'sheaf.slot.memory': '1m' };
  sc = await SheafContext.create({ master: 'local-cluster[2,1]', conf });
  sc.bus.listen((event) => {
    if (event.event === 'task-end') spilled += event.metrics?.bytesSpilled ?? 0;
  });
});
afterAll(() => sc.stop());
beforeEach(() => {
  spilled = 0;
});

const ROWS = 120_000;
const KEYS = 60_000;
/** Numbers that a multiplication mixes: each key twice, far apart. */
const keyOf = (row: number) => (row * 7919) % KEYS;

function table() {
  const key = Int32Array.from({ length: ROWS }, (_, row) => keyOf(row));
  const name = Array.from(key, (k) => (k % 5 === 0 ? null : `name ${k}`));
  return sc.table({ key, x: Float64Array.from({ length: ROWS }, (_, row) => row), name }, { partitions: 4 });
}

describe('tables larger than the memory of their slots', () => {
  it('are grouped', async () => {
    const groups = table()
      .groupBy('key', 'name')
      .agg({ n: count(), s: sum('x'), m: mean('x') });
    expect(await groups.count()).toBe(KEYS);
    const [totals] = await groups
      .groupBy()
      .agg({ n: sum('n'), s: sum('s') })
      .collect();
    expect(totals).toEqual({ n: ROWS, s: (ROWS * (ROWS - 1)) / 2 });
    const some = await groups
      .where('key', (key) => key < 3)
      .orderBy('key')
      .collect();
    const expected = [0, 1, 2].map((key): Row => {
      const xs = Array.from({ length: ROWS }, (_, row) => row).filter((row) => keyOf(row) === key);
      const s = xs.reduce((a, b) => a + b);
      return { key, name: key === 0 ? null : `name ${key}`, n: xs.length, s, m: s / xs.length };
    });
    expect(some).toEqual(expected);
    expect(spilled).toBeGreaterThan(0);
  });

  it('are joined', async () => {
    const keys = sc.table({ key: Float64Array.from({ length: KEYS + 500 }, (_, k) => k - 500) }, { partitions: 3 });
    const doubled = keys.withColumn('double', 'key', (key) => 2 * key, 'float64');
    const joined = table().join(doubled, 'key', 'outer');
    const [totals] = await joined
      .groupBy()
      .agg({ n: count(), xs: count('x'), doubles: sum('double') })
      .collect();
    const matched = Array.from({ length: ROWS }, (_, row) => 2 * keyOf(row)).reduce((a, b) => a + b);
    const lonely = Array.from({ length: 500 }, (_, k) => 2 * (k - 500)).reduce((a, b) => a + b);
    expect(totals).toEqual({ n: ROWS + 500, xs: ROWS, doubles: matched + lonely });
    expect(spilled).toBeGreaterThan(0);
  });

  it('are sorted', async () => {
    const { name, x } = await table().orderBy({ column: 'name', descending: true }, 'x').collectColumns();
    const rows = Array.from({ length: ROWS }, (_, row) => ({ k: keyOf(row), row }));
    const text = (k: number) => (k % 5 === 0 ? '' : `name ${k}`);
    rows.sort((a, b) => (text(a.k) === text(b.k) ? a.row - b.row : text(a.k) > text(b.k) ? -1 : 1));
    expect(name).toEqual(rows.map(({ k }) => (k % 5 === 0 ? null : text(k))));
    expect(x).toEqual(Float64Array.from(rows, ({ row }) => row));
    expect(spilled).toBeGreaterThan(0);
  });
});
