import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { inspect } from 'node:util';
import { type Command, InvalidArgumentError } from 'commander';
import { parseProperties, type Settings } from '../scheduler/conf.js';
import type { Screen } from './progress.js';

export interface SubmitFlags {
  readonly master?: string;
  readonly name?: string;
  readonly conf: Record<string, string>;
  readonly propertiesFile?: string;
  readonly deployMode: string;
  readonly files?: string;
  readonly json?: boolean;
}

/** Exit codes: 0 the job succeeded, 1 it failed, 2 it could not be started, 130 interrupted (143: by SIGTERM). */
const FAILED = 1;
const NOT_STARTED = 2;

export function registerSubmit(program: Command): void {
  program
    .command('submit')
    .description('run a job: a TypeScript or JavaScript file whose default export is main(sc, args)')
    .argument('<job>', 'the job file')
    .argument('[args...]', "the job's own arguments")
    .option(
      '--master <master>',
      'local[N], local[*], local-cluster[E,S], redis://HOST:PORT, rediss://HOST:PORT (default: local[*])',
    )
    .option('--name <name>', 'name of the application (default: the job file)')
    .option('--conf <key=value>', 'a setting; may be repeated', collectSetting, {})
    .option('--properties-file <file>', 'settings, one "key value" a line')
    .option('--deploy-mode <mode>', 'client: the driver runs here', 'client')
    .option('--files <list>', 'comma-separated files that tasks read with filePath(name)')
    .option('--json', "print the job's result as one JSON line on stdout; everything else goes to stderr")
    .passThroughOptions()
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : NOT_STARTED))
    .addHelpText(
      'after',
      `
Settings, strongest first: the job's exported conf, these flags, the properties file, SHEAF_… in the environment.
Exit codes: 0 success, 1 the job failed, 2 it could not be started, 130 interrupted, 143 terminated.

Examples:
  sheaf submit jobs/activity-recognition.ts
  sheaf submit --master local-cluster[2,1] --json jobs/activity-recognition.ts --data motionsense
  sheaf submit --conf sheaf.partitions=8 --properties-file sheaf.conf job.ts input.csv`,
    )
    .action(async (job: string, args: string[], flags: SubmitFlags) => {
      const written = process.stdout.write.bind(process.stdout);
      const code = await submit(job, args, flags);
      // Timers and sockets that a job left open must not keep it; what it printed must be out first.
      written('', () => process.exit(code));
    });
}

/** Of `--conf key=value`, which may be repeated. */
export function collectSetting(text: string, settings: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('a setting has the form key=value');
  return { ...settings, [text.slice(0, at)]: text.slice(at + 1) };
}

async function submit(job: string, args: string[], flags: SubmitFlags): Promise<number> {
  const print = process.stdout.write.bind(process.stdout);
  const [{ labelOutput }, { exitCodeOf, runJobFile }, { Screen }, { describeError }] = await Promise.all([
    import('../executor/task-output.js'),
    import('./run-job.js'),
    import('./progress.js'),
    import('./describe-error.js'),
  ]);
  const screen = new Screen(process.stderr);
  process.setSourceMapsEnabled(true);
  labelOutput('job', (text) => screen.print(text));
  try {
    const outcome = await runJobFile(resolve(job), args, settingsOf(flags, job), screen);
    if (outcome.kind === 'interrupted') return exitCodeOf(outcome.signal);
    if (outcome.kind === 'failed') {
      screen.print(`${describeError(outcome.error)}\n`);
      return FAILED;
    }
    return show(outcome.result, flags.json, print, screen);
  } catch (error) {
    screen.print(`sheaf submit: ${(error as Error).message}\n`);
    return NOT_STARTED;
  }
}

function show(result: unknown, json: boolean | undefined, print: (text: string) => void, screen: Screen): number {
  try {
    if (json) print(`${JSON.stringify(result ?? null)}\n`);
    else if (result !== undefined) print(`${readable(result)}\n`);
    return 0;
  } catch (error) {
    screen.print(`the job's result cannot be written as JSON: ${(error as Error).message}\n`);
    return FAILED;
  }
}

/** @throws Error for a bad flag or properties file */
export function settingsOf(flags: SubmitFlags, job: string): Settings[] {
  if (flags.deployMode !== 'client')
    throw new Error(`--deploy-mode ${flags.deployMode} is not known; the driver runs here (client)`);
  const fromFlags = {
    ...flags.conf,
    ...(flags.master ? { 'sheaf.master': flags.master } : {}),
    ...(flags.files ? { 'sheaf.files': flags.files } : {}),
    ...(flags.name ? { 'sheaf.app.name': flags.name } : {}),
  };
  const { propertiesFile } = flags;
  const fromFile = propertiesFile ? parseProperties(readFileSync(propertiesFile, 'utf8'), propertiesFile) : {};
  // The weakest layer, the environment, is the context's own; a default must not hide it.
  const unnamed = process.env.SHEAF_APP_NAME === undefined ? [{ 'sheaf.app.name': basename(job) }] : [];
  return [fromFlags, fromFile, ...unnamed];
}

function readable(result: unknown): string {
  return typeof result === 'string' ? result : inspect(result, { depth: 8, breakLength: 120, compact: 4 });
}
