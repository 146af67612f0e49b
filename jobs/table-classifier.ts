/**
 * Trains a classifier on any table of numbers in CSV files, and judges it on rows, or groups of rows, it has not seen.
 *
 * Shows: columns that are not known in advance, missing values, a split by group, one scaler and network for any width.
 * Data: --data FILE, DIRECTORY or GLOB with a header row; --label names the column of classes; --features the columns of
 * numbers (default: all columns of numbers). --test takes a test set of its own; else --test-fraction of the rows is held
 * back, by --group whole groups of them (people, devices): rows of one group are alike, and a split that tears them apart
 * flatters the network.
 * Expected: depends on the data; the baseline, the share of the most frequent class, is printed beside the accuracy.
 *
 * Example: sheaf submit jobs/table-classifier.ts --data iris.csv --label species --hidden 16
 */
import { parseArgs } from 'node:util';
import type { RecordBatch } from 'apache-arrow';
import {
  type ArrowRDD,
  type ClassifierOptions,
  MLPClassifier,
  type SheafContext,
  StandardScaler,
  takeRows,
} from 'sheaf';

const OPTIONS = {
  data: { type: 'string' },
  test: { type: 'string' },
  label: { type: 'string' },
  features: { type: 'string' },
  group: { type: 'string' },
  'test-fraction': { type: 'string', default: '0.25' },
  /** error: a cell without a number, or an absent label, ends the job; drop: its row is left out. */
  'bad-rows': { type: 'string', default: 'error' },
  'null-values': { type: 'string', default: ',?,NA,NaN,null' },
  delimiter: { type: 'string' },
  hidden: { type: 'string', default: '100' },
  epochs: { type: 'string', default: '50' },
  'batch-size': { type: 'string', default: '128' },
  'learning-rate': { type: 'string', default: '0.001' },
  l2: { type: 'string', default: '0' },
  seed: { type: 'string', default: '1' },
  aggregation: { type: 'string', default: 'auto' },
} as const;

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({ args, options: OPTIONS });
  const { data, label, group, 'bad-rows': badRows } = values;
  if (!data || !label) throw new Error('--data FILE and --label COLUMN are needed');
  if (badRows !== 'error' && badRows !== 'drop') throw new Error(`--bad-rows must be error or drop, not "${badRows}"`);
  const seed = Number(values.seed);
  const fraction = Number(values['test-fraction']);
  if (!(fraction > 0 && fraction < 1))
    throw new Error(`--test-fraction must lie between 0 and 1, not "${values['test-fraction']}"`);
  const classifier = new MLPClassifier({
    hidden: values.hidden.split(',').filter(Boolean).map(Number),
    epochs: Number(values.epochs),
    batchSize: Number(values['batch-size']),
    optimizer: { kind: 'adam', learningRate: Number(values['learning-rate']) },
    l2: Number(values.l2),
    seed,
    aggregation: values.aggregation as ClassifierOptions['aggregation'],
  });

  const format = { delimiter: values.delimiter, nullValues: values['null-values'].split(',') };
  const features = values.features?.split(',') ?? (await numberColumns(sc.csv(data, format), [label, group]));
  const numbers = Object.fromEntries(features.map((name) => [name, 'float32' as const]));
  const names = Object.fromEntries(
    [label, group].filter((name) => name !== undefined).map((name) => [name, 'utf8' as const]),
  );
  const columns = { ...numbers, ...names };
  const kept = ['features', ...Object.keys(names)];
  const read = (path: string) =>
    sc
      .csv(path, { ...format, columns })
      .where(label, (value) => value !== null || badRows === 'error')
      .assemble(features, 'features', { badRows })
      .mapBatches((batch) => batch.selectAt(kept.map((name) => batch.schema.names.indexOf(name))))
      .cache();
  const table = read(data);
  const { train, test, split } = values.test
    ? { train: table, test: read(values.test), split: `test set of its own: ${values.test}` }
    : group
      ? await splitByGroup(table, group, fraction, seed)
      : splitByRow(table, label, fraction, seed);

  const [trainRows, testRows] = [await train.count(), await test.count()];
  if (trainRows === 0 || testRows === 0)
    throw new Error(`the split leaves ${trainRows} rows for training and ${testRows} for the test (${split})`);
  const scaler = await new StandardScaler('features').fit(train);
  const model = await classifier.fit(scaler.transform(train), { label });
  const result = await model.evaluate(scaler.transform(test), { unseenLabels: 'wrong' });
  console.log(result.table);
  const support = result.perClass.map((each) => each.support);
  return {
    accuracy: result.accuracy,
    macroF1: result.macroF1,
    baseline: Math.max(...support) / result.rows,
    split,
    trainRows,
    testRows,
    features: features.length,
    classes: model.classes,
    unseenLabels: result.unseenLabels,
    loss: model.losses.at(-1),
    weightsHash: model.weightsHash,
    backend: model.backend,
  };
}

/** The columns that hold numbers, as its first rows show. */
async function numberColumns(table: ArrowRDD, except: readonly (string | undefined)[]): Promise<string[]> {
  const rows = await table.take(100);
  const candidates = Object.keys(rows[0] ?? {}).filter((name) => !except.includes(name));
  const isNumber = (value: unknown) => typeof value === 'number' || typeof value === 'boolean';
  const found = candidates.filter((name) => rows.some((row) => isNumber(row[name])));
  const others = candidates.filter((name) => !found.includes(name));
  if (others.length > 0) console.log(`left out, no columns of numbers: ${others.join(', ')}`);
  if (found.length === 0)
    throw new Error('the table has no column of numbers beside the label; name some with --features');
  return found;
}

async function splitByGroup(table: ArrowRDD, group: string, fraction: number, seed: number) {
  const found = await table
    .mapPartitions((rows) => new Set(Array.from(rows, (row) => row[group] as string | null)))
    .collect();
  const groups = [...new Set(found)].sort((a, b) => hash(`${a}`, seed) - hash(`${b}`, seed));
  const held = new Set(groups.slice(0, Math.ceil(groups.length * fraction)));
  return {
    train: table.where(group, (name) => !held.has(name)),
    test: table.where(group, (name) => held.has(name)),
    split: `by "${group}": ${held.size} of ${groups.length} groups are the test set (${[...held].sort().join(', ')})`,
  };
}

/** By the row's content, so that it stays where it is whatever the partitions, and equal rows stay together. */
function splitByRow(table: ArrowRDD, label: string, fraction: number, seed: number) {
  const part = (inTest: boolean) => (batch: RecordBatch) => {
    const [features, labels] = [batch.getChild('features')!, batch.getChild(label)!];
    const rows = Array.from({ length: batch.numRows }, (_, row) => row).filter((row) => {
      const { buffer, byteOffset, byteLength } = features.get(row).toArray() as Float32Array;
      const bytes = Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
      return hash(`${labels.get(row)}|${bytes}`, seed) < fraction === inTest;
    });
    return takeRows(batch, rows);
  };
  const split = `by a hash of each row: about ${fraction} of the rows are the test set`;
  return { train: table.mapBatches(part(false)), test: table.mapBatches(part(true)), split };
}

/** FNV-1a and a final mix, in [0, 1). */
function hash(text: string, seed: number): number {
  let h = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}
