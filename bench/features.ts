/**
 * From the CSV files of the full MotionSense set to the features of all windows, as a job of the engine on two slots,
 * beside what Spark needs on the same two cores only to parse the files and sum their columns.
 *
 *     npx tsx bench/features.ts DIR [repetitions, default 7]
 *
 * Runs are interleaved and medians compared. Both sides are started and have run once before anything is timed; the
 * first runs are shown apart. PySpark comes from PyPI into a temporary environment; Java 17 must be there.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SheafContext, windowFeatures } from 'sheaf';

const SLOTS = 2;
const channels = ['attitude.roll', 'attitude.pitch', 'attitude.yaw'].concat(
  ['gravity', 'rotationRate', 'userAcceleration'].flatMap((sensor) =>
    ['x', 'y', 'z'].map((axis) => `${sensor}.${axis}`),
  ),
);

/** A job of the engine, planned and run anew; answers with its milliseconds and the number of windows. */
async function sheafRun(sc: SheafContext, directory: string) {
  const start = performance.now();
  const recordings = sc.csv(join(directory, '**/sub_*.csv'), {
    columns: Object.fromEntries(channels.map((name) => [name, 'float32' as const])),
    pathColumns: /(?<activity>[a-z]+)_(?<trial>\d+)\/sub_(?<subject>\d+)\.csv$/,
    pathTypes: { trial: 'int32', subject: 'int32' },
    batch: 'file',
  });
  const names = channels;
  const windows = await recordings
    .mapBatches((batch) => windowFeatures(batch, { channels: names, keep: ['activity', 'subject'] }))
    .count();
  return { ms: performance.now() - start, windows };
}

const SPARK = `
import sys, time
from pyspark.sql import SparkSession
from pyspark.sql.functions import sum as total
spark = SparkSession.builder.master('local[${SLOTS}]').config('spark.ui.enabled', 'false').getOrCreate()
spark.sparkContext.setLogLevel('ERROR')
names = sys.argv[2].split(',')
schema = ', '.join(['\`index\` INT'] + ['\`' + name + '\` FLOAT' for name in names])
paths = sys.argv[1] + '/*/*'
print('ready', flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    table = spark.read.schema(schema).option('header', True).option('enforceSchema', True).csv(paths)
    table.agg(*[total('\`' + name + '\`') for name in names]).collect()
    print((time.perf_counter() - start) * 1000, flush=True)
`;

/** A Spark session that answers each line with the milliseconds of a run. */
async function startSpark(directory: string, home: string) {
  console.error('installing PySpark into a temporary environment (some minutes) …');
  execFileSync('python3', ['-m', 'venv', join(home, 'venv')]);
  execFileSync(join(home, 'venv/bin/pip'), ['install', '--quiet', 'pyspark'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  writeFileSync(join(home, 'parse.py'), SPARK);
  const spark = spawn(join(home, 'venv/bin/python'), [join(home, 'parse.py'), directory, channels.join(',')], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: spark.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('Spark ended; is Java 17 installed?');
    return value as string;
  };
  await next();
  const run = async () => {
    spark.stdin.write('\n');
    return Number(await next());
  };
  return { run, stop: () => spark.stdin.end() };
}

async function main(directory: string, repetitions: number): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'sheaf-bench-'));
  const sc = await SheafContext.create({ master: `local[${SLOTS}]` });
  try {
    const inner = readdirSync(directory).includes('A_DeviceMotion_data') ? 'A_DeviceMotion_data' : '';
    const spark = await startSpark(join(directory, inner), home);
    const first = { sheaf: await sheafRun(sc, directory), spark: await spark.run() };
    const sheaf: number[] = [];
    const peer: number[] = [];
    for (let i = 0; i < repetitions; i++) {
      sheaf.push((await sheafRun(sc, directory)).ms);
      peer.push(await spark.run());
    }
    spark.stop();
    const ratios = sheaf.map((ms, i) => ms / peer[i]!);
    console.log(`${first.sheaf.windows} windows; medians of ${repetitions} [least, most], ms\n`);
    console.log('| | first run | then |\n|---|---|---|');
    console.log(`| Sheaf, local[${SLOTS}]: plan, parse, features | ${first.sheaf.ms.toFixed(0)} | ${summary(sheaf)} |`);
    console.log(`| Spark, local[${SLOTS}]: parse and sum | ${first.spark.toFixed(0)} | ${summary(peer)} |`);
    console.log(`| Sheaf / Spark | ${(first.sheaf.ms / first.spark).toFixed(2)} | ${summary(ratios, 2)} |`);
  } finally {
    await sc.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

function summary(values: readonly number[], digits = 0): string {
  const sorted = [...values].sort((a, b) => a - b);
  const [least, middle, most] = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!];
  return `${middle.toFixed(digits)} [${least.toFixed(digits)}, ${most.toFixed(digits)}]`;
}

const [directory, repetitions = '7'] = process.argv.slice(2);
if (!directory) throw new Error('usage: npx tsx bench/features.ts DIR [repetitions]');
await main(directory, Number(repetitions));
