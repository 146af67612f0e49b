import { existsSync } from 'node:fs';
import { bundleJob, loadBundle } from '../executor/bundle.js';
import { SheafContext } from '../rdd/context.js';
import type { Settings } from '../scheduler/conf.js';
import { EventBus } from '../scheduler/event-bus.js';
import { type Screen, showProgress } from './progress.js';

export type JobOutcome =
  | { readonly kind: 'done'; readonly result: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'interrupted' };

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
  const bundle = await bundleJob(file);
  const module = loadBundle(bundle.code, bundle.sha256, bundle.file).exports as JobModule;
  const main = module.default;
  if (typeof main !== 'function') throw new Error(`${file} has no default export main(sc, args)`);
  const bus = new EventBus();
  const endProgress = showProgress(bus, screen);
  const interruption = onInterrupt(screen);
  try {
    const sc = await Promise.race([
      SheafContext.create({ conf: module.conf, layers, bus, bundle }),
      interruption.happened,
    ]);
    if (!sc) return { kind: 'interrupted' };
    try {
      const run = (async () => ({ kind: 'done', result: await main(sc, args) }) as const)();
      const outcome = await Promise.race([run, interruption.happened]);
      if (outcome) return outcome;
      run.catch(() => {});
      return { kind: 'interrupted' };
    } catch (error) {
      return { kind: 'failed', error };
    } finally {
      await sc.stop();
    }
  } finally {
    endProgress();
    interruption.forget();
  }
}

function onInterrupt(screen: Screen): { happened: Promise<undefined>; forget(): void } {
  let happen = () => {};
  const happened = new Promise<undefined>((resolve) => {
    happen = () => resolve(undefined);
  });
  let signals = 0;
  const handler = (signal: NodeJS.Signals) => {
    if (signals++ > 0) process.exit(130);
    screen.print(`${signal}: cancelling the job; once more ends at once\n`);
    happen();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, handler);
  return {
    happened,
    forget() {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, handler);
    },
  };
}
