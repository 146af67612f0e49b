/**
 * From the CSV files of the full MotionSense set to the features of all windows, in two processes of one core each,
 * beside what Spark needs on the same two cores only to parse the files and sum their columns.
 *
 *     npx tsx bench/features.ts DIR [repetitions, default 7]
 *
 * Runs are interleaved and medians compared. Both sides are started and have run once before anything is timed; the
 * first runs are shown apart. PySpark comes from PyPI into a temporary environment; Java 17 must be there.
 */
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { windowFeatures } from '../src/mlp/window-features.js';
import { csvSource } from '../src/rdd/sources/csv.js';
import { read } from '../src/rdd/sources/csv-reader.js';
import { packUnits, type SourceSplit } from '../src/rdd/sources/source.js';

const PROCESSES = 2;
const channels = ['attitude.roll', 'attitude.pitch', 'attitude.yaw'].concat(
  ['gravity', 'rotationRate', 'userAcceleration'].flatMap((sensor) =>
    ['x', 'y', 'z'].map((axis) => `${sensor}.${axis}`),
  ),
);
const sourceOf = (directory: string) =>
  csvSource(join(directory, '**/sub_*.csv'), {
    columns: Object.fromEntries(channels.map((name) => [name, 'float32' as const])),
    pathColumns: /(?<activity>[a-z]+)_(?<trial>\d+)\/sub_(?<subject>\d+)\.csv$/,
    pathTypes: { trial: 'int32', subject: 'int32' },
    batch: 'file',
  });

interface Work {
  readonly options: any;
  readonly split: SourceSplit;
}

/** In a child: computes a split for every message. */
async function compute({ options, split }: Work): Promise<{ rows: number; windows: number; parseMs: number }> {
  let rows = 0;
  let windows = 0;
  let featureMs = 0;
  const start = performance.now();
  for await (const batch of read(options, split, { report() {} })) {
    const parsed = performance.now();
    windows += windowFeatures(batch, { channels, keep: ['activity', 'subject'] }).numRows;
    featureMs += performance.now() - parsed;
    rows += batch.numRows;
  }
  return { rows, windows, parseMs: performance.now() - start - featureMs };
}

async function sheafRun(children: readonly ChildProcess[], work: readonly Work[]) {
  const start = performance.now();
  const answers = await Promise.all(
    children.map((child, k) => {
      const answer = new Promise<Awaited<ReturnType<typeof compute>>>((resolve, reject) => {
        child.once('message', resolve as (message: unknown) => void);
        child.once('exit', () => reject(new Error('a process of the benchmark died')));
      });
      child.send(work[k]!);
      return answer;
    }),
  );
  const sum = (key: 'rows' | 'windows') => answers.reduce((total, answer) => total + answer[key], 0);
  const parseMs = Math.max(...answers.map((answer) => answer.parseMs));
  return { ms: performance.now() - start, rows: sum('rows'), windows: sum('windows'), parseMs };
}

const SPARK = `
import sys, time
from pyspark.sql import SparkSession
from pyspark.sql.functions import sum as total
spark = SparkSession.builder.master('local[${PROCESSES}]').config('spark.ui.enabled', 'false').getOrCreate()
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
  const children = Array.from({ length: PROCESSES }, () => fork(fileURLToPath(import.meta.url), ['--child']));
  try {
    const source = sourceOf(directory);
    const splits = packUnits(await source.units(), PROCESSES);
    const work = splits.map((split) => ({ options: source.options, split }));
    const inner = readdirSync(directory).includes('A_DeviceMotion_data') ? 'A_DeviceMotion_data' : '';
    const spark = await startSpark(join(directory, inner), home);
    const first = { sheaf: await sheafRun(children, work), spark: await spark.run() };
    const sheaf: number[] = [];
    const parse: number[] = [];
    const peer: number[] = [];
    for (let i = 0; i < repetitions; i++) {
      const run = await sheafRun(children, work);
      sheaf.push(run.ms);
      parse.push(run.parseMs);
      peer.push(await spark.run());
    }
    spark.stop();
    const ratios = sheaf.map((ms, i) => ms / peer[i]!);
    console.log(
      `${first.sheaf.rows} rows, ${first.sheaf.windows} windows; medians of ${repetitions} [least, most], ms\n`,
    );
    console.log('| | first run | then |\n|---|---|---|');
    console.log(
      `| Sheaf, ${PROCESSES} processes: parse and features | ${first.sheaf.ms.toFixed(0)} | ${summary(sheaf)} |`,
    );
    console.log(`| of it parsing, in the slower process | ${first.sheaf.parseMs.toFixed(0)} | ${summary(parse)} |`);
    console.log(`| Spark, local[${PROCESSES}]: parse and sum | ${first.spark.toFixed(0)} | ${summary(peer)} |`);
    console.log(`| Sheaf / Spark | ${(first.sheaf.ms / first.spark).toFixed(2)} | ${summary(ratios, 2)} |`);
  } finally {
    for (const child of children) child.kill();
    rmSync(home, { recursive: true, force: true });
  }
}

function summary(values: readonly number[], digits = 0): string {
  const sorted = [...values].sort((a, b) => a - b);
  const [least, middle, most] = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!];
  return `${middle.toFixed(digits)} [${least.toFixed(digits)}, ${most.toFixed(digits)}]`;
}

if (process.argv[2] === '--child') {
  process.on('message', async (work: Work) => process.send!(await compute(work)));
} else {
  const [directory, repetitions = '7'] = process.argv.slice(2);
  if (!directory) throw new Error('usage: npx tsx bench/features.ts DIR [repetitions]');
  await main(directory, Number(repetitions));
}
