import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundleJob, loadBundle } from '../executor/bundle.js';
import { usePartitionOpt } from '../partition-opt/index.js';
import { SheafContext } from '../rdd/context.js';
import type { Settings } from '../scheduler/conf.js';
import { EventBus } from '../scheduler/event-bus.js';
import { type Screen, showProgress } from './progress.js';

export type JobOutcome =
  | { readonly kind: 'done'; readonly result: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'interrupted'; readonly signal: NodeJS.Signals };

/** As shells have it: 130 after SIGINT, 143 after SIGTERM. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

interface JobModule {
  readonly default?: (sc: SheafContext, args: string[]) => unknown;
  /** The strongest settings of all: those the job's author insists on. */
  readonly conf?: Settings;
}

/**
 * Bundles a job file, runs its `main` against the master of the settings, and leaves nothing behind: SIGINT and SIGTERM
 * cancel the job and stop the application first; a second signal ends the process at once (guardians clean up).
 * @param layers settings, strongest first, weaker than the job's own
 * @throws Error when the job cannot be started: no such file, no main, a bad setting, no Redis
 */
export async function runJobFile(
  file: string,
  args: string[],
  layers: readonly Settings[],
  screen: Screen,
): Promise<JobOutcome> {
  if (!existsSync(file)) throw new Error(`there is no file ${file}`);
  usePartitionOpt();
  const bundle = await bundleJob(file);
  const module = loadBundle(bundle.code, bundle.sha256, bundle.file).exports as JobModule;
  const main = module.default;
  if (typeof main !== 'function') throw new Error(`${file} has no default export main(sc, args)`);
  const bus = new EventBus();
  const endProgress = showProgress(bus, screen);
  const interruption = onInterrupt(screen);
  const created = SheafContext.create({ conf: module.conf, layers, bus, bundle });
  try {
    const sc = await Promise.race([created, interruption.happened]);
    if (!sc) {
      await atMost(
        STOP_MS,
        created.then((late) => late.stop()),
      );
      return { kind: 'interrupted', signal: interruption.signal() };
    }
    return await run(sc, main, args, interruption);
  } finally {
    endProgress();
    interruption.forget();
  }
}

async function run(
  sc: SheafContext,
  main: NonNullable<JobModule['default']>,
  args: string[],
  interruption: Interruption,
): Promise<JobOutcome> {
  let outcome: JobOutcome;
  try {
    const running = (async () => ({ kind: 'done', result: await main(sc, args) }) as const)();
    running.catch(() => {}); // after an interruption nobody listens
    const ended = await Promise.race([running, interruption.happened]);
    outcome = ended ?? { kind: 'interrupted', signal: interruption.signal() };
  } catch (error) {
    outcome = { kind: 'failed', error };
  }
  // The job has ended as it has: what goes wrong in tidying up afterwards does not change that.
  const stopping = sc.stop().catch((error: Error) => {
    sc.bus.emit({ event: 'warning', message: `the application did not end cleanly: ${error.message}` });
  });
  await (outcome.kind === 'interrupted' ? atMost(STOP_MS, stopping) : stopping);
  return outcome;
}

/** Whoever interrupts does not wait longer: what is still there then ends with this process. */
const STOP_MS = 3_000;

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  await Promise.race([work.catch(() => {}), sleep(ms)]);
}

interface Interruption {
  readonly happened: Promise<undefined>;
  signal(): NodeJS.Signals;
  forget(): void;
}

function onInterrupt(screen: Screen): Interruption {
  let happen = () => {};
  const happened = new Promise<undefined>((resolve) => {
    happen = () => resolve(undefined);
  });
  let first: NodeJS.Signals | undefined;
  const handler = (signal: NodeJS.Signals) => {
    if (first) process.exit(exitCodeOf(signal));
    first = signal;
    screen.print(`${signal}: cancelling the job; once more ends at once\n`);
    happen();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, handler);
  return {
    happened,
    signal: () => first!,
    forget() {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, handler);
    },
  };
}
