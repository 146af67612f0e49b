/**
 * What a slot's process has needed beyond its own modules, for the process that takes its place when it dies: that one loads
 * it before there is work, while the driver still finds out what is to be done again.
 */

/** What a module of the engine may export: loads what it will need at work and takes long to load, modules apart. */
export interface WarmUp {
  warmUp(): Promise<unknown>;
}

const needed = new Set<string>();
let told = 0;

/** Notes a module of the engine, by its path from the engine's root, that was of use to this process. */
export function noteNeeded(module: string): void {
  needed.add(module);
}

/** Modules noted since the last call, in order; nearly always none. */
export function newlyNeeded(): string[] {
  if (told === needed.size) return [];
  const fresh = [...needed].slice(told);
  told = needed.size;
  return fresh;
}

/**
 * Loads modules of the engine and, while others are still coming, what their `warmUp` loads. What cannot be loaded is told by
 * the task that needs it.
 */
export async function warmStart(modules: readonly string[]): Promise<void> {
  const load = (module: string): Promise<Partial<WarmUp>> => import(new URL(`../${module}.js`, import.meta.url).href);
  await Promise.allSettled(modules.map(async (module) => (await load(module)).warmUp?.()));
}
