import { noteNeeded } from '../executor/warm-start.js';

const loaded = new Map<string, any>();

/**
 * A module of the engine by its path from the engine's root, as steps and sources name it. The second time it is at hand: asking
 * Node's loader again takes longer than many a task.
 * @example (await engineModule('rdd/sources/range-reader')).read
 */
export async function engineModule(path: string): Promise<any> {
  let module = loaded.get(path);
  if (module === undefined) {
    module = await import(new URL(`../${path}.js`, import.meta.url).href);
    loaded.set(path, module);
    noteNeeded(path);
  }
  return module;
}
