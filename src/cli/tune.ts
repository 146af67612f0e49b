import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { parseSweep, readRun, type Sweep, type SweepRun, sweepReport } from '../partition-opt/sweep.js';
import { sweepTable } from '../partition-opt/sweep-table.js';
import { entryPoint } from '../protocol/entry.js';
import type { TimedEvent } from '../protocol/event.js';
import { Conf } from '../scheduler/conf.js';
import { collectSetting } from './submit.js';

interface TuneFlags {
  readonly sweep: Sweep;
  readonly repeat: number;
  readonly master?: string;
  readonly conf: Record<string, string>;
  readonly json?: boolean;
}

export function registerTune(program: Command): void {
  program
    .command('tune')
    .description('run a job with one setting swept; show predicted beside measured time, and the best value')
    .argument('<job>', 'the job file')
    .argument('[args...]', "the job's own arguments; after -- when they are named as options of tune")
    .requiredOption('--sweep <key=values>', 'a setting and its values, comma separated', sweepOption)
    .option('--repeat <count>', 'runs of each value', countOption, 3)
    .option('--master <master>', 'as for submit')
    .option('--conf <key=value>', 'another setting, for all runs; may be repeated', collectSetting, {})
    .option('--json', 'print the report as one JSON line on stdout')
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText(
      'after',
      `
Each run is a "sheaf submit" of its own; runs of all values take turns, so that a change on the machine meets all of
them, and medians are compared. For sheaf.partitions what counts are the stages that read the job's sources, without
the start of slots; each run predicts its own before it measures. For other settings the whole job counts.

Examples:
  sheaf tune jobs/activity-recognition.ts --sweep sheaf.partitions=1,2,4,8,16,32
  sheaf tune --sweep sheaf.aggregation=tree,ps --repeat 5 jobs/activity-recognition.ts --epochs 10
  sheaf tune job.ts --sweep 'sheaf.master=local[1],local[2],local-cluster[2,1]'`,
    )
    .action(async (job: string, _args: string[], flags: TuneFlags, command: Command) => {
      // commander keeps the separator when unknown options stand before it.
      const separator = command.args.indexOf('--');
      const args = command.args.filter((_, k) => k > 0 && k !== separator);
      process.exitCode = await tune(resolve(job), args, flags);
    });
}

/** @returns the exit code: 0, or 1 when a run failed */
async function tune(job: string, args: string[], flags: TuneFlags): Promise<number> {
  const { sweep, repeat } = flags;
  new Conf(flags.conf); // unknown settings are told before the first run
  if (flags.conf[sweep.key] !== undefined) throw new Error(`${sweep.key} is swept: --conf cannot set it too`);
  const runs: SweepRun[] = [];
  const total = sweep.values.length * repeat;
  for (let round = 0; round < repeat; round++) {
    // Every other round backwards: a machine that slows down does not favour the first values.
    for (const value of round % 2 === 0 ? sweep.values : [...sweep.values].reverse()) {
      process.stderr.write(`run ${runs.length + 1} of ${total}: ${sweep.key}=${value} … `);
      const run = await runOnce(job, args, flags, value).catch((error) => {
        process.stderr.write('failed\n');
        throw error;
      });
      runs.push(run);
      process.stderr.write(`${outcome(run)}\n`);
    }
  }
  const report = sweepReport(sweep, runs);
  process.stdout.write(`${flags.json ? JSON.stringify({ ...report, runs }) : `\n${sweepTable(report)}`}\n`);
  return 0;
}

/** @throws Error with the end of what the job printed, when it fails */
async function runOnce(job: string, args: string[], flags: TuneFlags, value: string): Promise<SweepRun> {
  const { key } = flags.sweep;
  const directory = mkdtempSync(join(tmpdir(), 'sheaf-tune-'));
  try {
    const settings = {
      ...(flags.master ? { 'sheaf.master': flags.master } : {}),
      ...(key === 'sheaf.partitions' ? { 'sheaf.probe': 'always' } : {}),
      ...flags.conf,
      'sheaf.eventLog.enabled': 'true',
      'sheaf.eventLog.dir': directory,
      [key]: value,
    };
    const options = Object.entries(settings).flatMap(([name, setting]) => ['--conf', `${name}=${setting}`]);
    await submit([...options, job, ...args], `${key}=${value}`);
    const [log] = readdirSync(directory);
    const lines = readFileSync(join(directory, log!), 'utf8').trim().split('\n');
    return readRun(
      lines.map((line) => JSON.parse(line) as TimedEvent),
      flags.sweep,
      value,
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Lines of a failed job that are shown. */
const SHOWN_LINES = 30;

/** Runs `sheaf submit`; an interruption reaches it too, and is waited for: it cleans up. */
async function submit(options: string[], name: string): Promise<void> {
  const child = spawn(process.execPath, [entryPoint('cli/main.js'), 'submit', ...options], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-100_000);
  });
  let interrupted = false;
  const forward = (signal: NodeJS.Signals) => {
    // A terminal sends SIGINT to the child as well; a second one would end it at once.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    interrupted = true;
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, forward);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject).on('close', resolve);
    });
    if (interrupted) throw new Error('interrupted');
    if (code === 0) return;
    const end = text.trimEnd().split('\n').slice(-SHOWN_LINES).join('\n');
    throw new Error(`the run with ${name} failed (exit code ${code}):\n${end}`);
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, forward);
  }
}

function outcome({ measuredMs, predictedMs, jobMs }: SweepRun): string {
  const job = `job ${(jobMs / 1000).toFixed(1)} s`;
  if (measuredMs === undefined) return job;
  const predicted = predictedMs === undefined ? '' : `, predicted ${(predictedMs / 1000).toFixed(2)} s`;
  return `planned stages ${(measuredMs / 1000).toFixed(2)} s${predicted}; ${job}`;
}

function sweepOption(text: string): Sweep {
  try {
    return parseSweep(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function countOption(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('it must be a whole number of at least 1');
  return Number(text);
}
