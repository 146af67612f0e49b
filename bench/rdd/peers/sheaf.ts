/** The cases as a user of Sheaf writes them. Every run makes fresh RDDs. */
import { type RecordBatch, tableFromArrays } from 'apache-arrow';
import { SheafContext } from 'sheaf';
import { columns } from './columns.js';
import { hash } from './hash.js';
import { serve } from './serve.js';
import { add, digest, vector } from './vectors.js';

const sc = await SheafContext.create({ master: process.argv[2]!, conf: { 'sheaf.eventLog.enabled': 'false' } });

let spilledBytes = 0;
sc.bus.listen((event) => {
  if (event.event === 'task-end') spilledBytes += event.metrics.bytesSpilled ?? 0;
});

const sum = (a: number, b: number) => a + b;

async function mapFilterSum(rows: number): Promise<number[]> {
  const odd = sc.range(0, rows).map((x) => 2 * x + 1);
  return [await odd.filter((x) => x % 3 === 0).reduce(sum)];
}

async function reduceByKey(rows: number, keys: number): Promise<number[]> {
  const pairs = sc.range(0, rows).map((row): [number, number] => [hash(row) % keys, row & 63]);
  const sums = pairs.reduceByKey(sum);
  return [await sums.map(([key, total]) => key * (total % 1009)).reduce(sum)];
}

/** Rows, their sum, and the sum of each times its place: in each partition, then over all in order. */
async function sortBy(rows: number): Promise<number[]> {
  const values = sc.range(0, rows).map((row) => hash(row) / 2 ** 32);
  const parts = await values
    .sortBy((value) => value)
    .mapPartitions((sorted) => {
      let [count, total, placed] = [0, 0, 0];
      for (const value of sorted) {
        placed += count++ * value;
        total += value;
      }
      return [{ count, total, placed }];
    })
    .collect();
  const all = parts.reduce((a, b) => ({
    count: a.count + b.count,
    total: a.total + b.total,
    placed: a.placed + b.placed + a.count * b.total,
  }));
  return [all.count, all.total, all.placed];
}

async function join(rows: number): Promise<number[]> {
  const side = (from: number) => sc.range(from, from + rows).map((row): [number, number] => [hash(row) % rows, row]);
  const pairs = side(0).join(side(rows));
  return [await pairs.map(([key, [a, b]]) => (a * b + key) % 65521).reduce(sum)];
}

async function treeAggregate(vectors: number, length: number): Promise<number[]> {
  const made = sc.range(0, vectors, 1, vectors).map((row) => vector(row, length));
  return [digest(await made.treeAggregate(new Float64Array(0), add, add))];
}

async function csv(directory: string): Promise<number[]> {
  const types = Object.fromEntries(columns.map((name) => [name, 'float64' as const]));
  const sums = await sc.csv(`${directory}/*/*.csv`, { columns: types }).mapBatches(columnSums).collect();
  return columns.map((name) => sums.reduce((total, row) => total + (row[name] as number), 0));
}

/** One row: the sum of each column. */
function columnSums(batch: RecordBatch): RecordBatch {
  const sums = batch.schema.fields.map(({ name }, index) => {
    let total = 0;
    for (const { values } of batch.getChildAt(index)!.data) for (const value of values as Float64Array) total += value;
    return [name, Float64Array.of(total)] as const;
  });
  return tableFromArrays(Object.fromEntries(sums)).batches[0]!;
}

async function empty(tasks: number, times: number): Promise<number[]> {
  let rows = 0;
  for (let i = 0; i < times; i++) rows += await sc.range(0, tasks, 1, tasks).count();
  return [rows];
}

await serve(
  {
    'map-filter-sum': (rows) => mapFilterSum(Number(rows)),
    reduceByKey: (rows, keys) => reduceByKey(Number(rows), Number(keys)),
    sortBy: (rows) => sortBy(Number(rows)),
    join: (rows) => join(Number(rows)),
    treeAggregate: (vectors, length) => treeAggregate(Number(vectors), Number(length)),
    csv: (directory) => csv(directory!),
    empty: (tasks, times) => empty(Number(tasks), Number(times)),
  },
  () => {
    const spilled = spilledBytes;
    spilledBytes = 0;
    return { spilledBytes: spilled };
  },
);
await sc.stop();
