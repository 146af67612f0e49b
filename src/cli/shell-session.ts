import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import * as sheaf from '../index.js';
import { SheafContext } from '../rdd/context.js';
import type { Settings } from '../scheduler/conf.js';
import { EventBus } from '../scheduler/event-bus.js';
import { describeError } from './describe-error.js';
import { Screen, showProgress } from './progress.js';
import { Evaluator, InputError } from './shell-evaluator.js';
import { startPrompt } from './shell-prompt.js';

const NOT_STARTED = 2;
const INTERRUPTED = 130;

/**
 * A shell from its start to its end; nothing of it is left when this resolves.
 * @param layers settings, strongest first @param interactive a prompt, else standard input is one script
 * @returns the exit code
 */
export async function runShell(layers: readonly Settings[], interactive: boolean): Promise<number> {
  const bus = new EventBus();
  const jobs = new RunningJobs(bus);
  process.setSourceMapsEnabled(true);
  let sc: SheafContext;
  try {
    sc = await SheafContext.create({ layers, bus });
  } catch (error) {
    process.stderr.write(`sheaf shell: ${(error as Error).message}\n`);
    return NOT_STARTED;
  }
  jobs.sc = sc;
  try {
    const evaluator = new Evaluator({ sc, sheaf }, new URL('../index.js', import.meta.url).href);
    if (interactive) return await startPrompt({ sc, jobs, evaluator, history: historyFile(), show });
    return await runScript(evaluator, jobs, bus);
  } finally {
    await sc.stop().catch((error: Error) => {
      process.stderr.write(`warning: the application did not end cleanly: ${error.message}\n`);
    });
  }
}

/** The jobs that run now, by the application's events. */
export class RunningJobs {
  readonly #names = new Map<string, string>();
  sc: SheafContext | undefined;

  constructor(readonly bus: EventBus) {
    bus.listen((event) => {
      if (event.event === 'job-start') this.#names.set(event.job, event.name);
      if (event.event === 'job-end') this.#names.delete(event.job);
    });
  }

  names(): string[] {
    return [...this.#names.values()];
  }

  /** @returns how many */
  cancel(): number {
    for (const job of this.#names.keys()) this.sc?.tasks.cancel(job, 'interrupted');
    return this.#names.size;
  }
}

async function runScript(evaluator: Evaluator, jobs: RunningJobs, bus: EventBus): Promise<number> {
  const endProgress = showProgress(bus, new Screen(process.stderr));
  const failed = (error: unknown) => process.stderr.write(`${describeError(error)}\n`);
  let ended: (code: number) => void = () => {};
  const early = new Promise<number>((resolve) => {
    ended = resolve;
  });
  const interrupt = () => {
    jobs.cancel();
    ended(INTERRUPTED);
  };
  const unhandled = (error: unknown) => {
    failed(error);
    ended(1);
  };
  process.once('SIGINT', interrupt).once('SIGTERM', () => ended(143));
  process.once('unhandledRejection', unhandled).once('uncaughtException', unhandled);
  const run = async () => {
    try {
      const script = await text(process.stdin);
      await evaluator.run(evaluator.prepare(script), (value) => {
        if (value !== undefined) process.stdout.write(`${show(value)}\n`);
      });
      return 0;
    } catch (error) {
      if (error instanceof InputError) process.stderr.write(`${error.name}: ${error.message}\n`);
      else failed(error);
      return 1;
    }
  };
  try {
    return await Promise.race([run(), early]);
  } finally {
    // What the script has left running fails when the application ends: that is no error of the script.
    process.off('unhandledRejection', unhandled).on('unhandledRejection', () => {});
    endProgress();
  }
}

/** A context is not shown with all that hangs on it. */
function show(value: unknown): string {
  if (value instanceof SheafContext) {
    const { 'sheaf.master': master = value.conf.get('sheaf.master') } = value.conf.toJSON();
    return `SheafContext { app: '${value.app}', master: '${master}', slots: ${value.defaultParallelism} }`;
  }
  return typeof value === 'string' && !process.stdout.isTTY
    ? value
    : inspect(value, { colors: process.stdout.isTTY === true, breakLength: process.stdout.columns ?? 100 });
}

/** In the user's state directory; undefined where none can be made. */
function historyFile(): string | undefined {
  const state = process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  const directory = join(state, 'sheaf');
  try {
    mkdirSync(directory, { recursive: true });
    return join(directory, 'shell-history');
  } catch {
    return undefined;
  }
}
