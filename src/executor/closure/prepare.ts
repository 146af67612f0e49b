import { pathToFileURL } from 'node:url';
import { bundleByHash } from './bundles.js';
import { Encoder } from './encode.js';
import { scriptWithUrl } from './inspector.js';
import { Script } from './script.js';

let prepared = false;

/** Processes that an application starts have been started by then. */
const STARTING_MS = 30;

/**
 * Does in advance what the first function of a process costs: V8's inspector starts and lists all scripts, acorn reads the
 * user's file. 20 to 60 ms of this thread's time, so it waits for a moment in which the executors start; nothing the second time.
 * @param bundle of the job, when it was submitted as one
 * @returns what calls it off
 */
export function prepareShipping(bundle?: string): () => void {
  const timer = setTimeout(() => {
    if (prepared) return;
    prepared = true;
    try {
      new Encoder('the sample', 'captures').encode(sample(2));
      if (bundle !== undefined) void bundleByHash(bundle)?.declarations;
      else void mainScript()?.imports;
    } catch {
      // Whoever ships a function will be told.
    }
  }, STARTING_MS).unref();
  return () => clearTimeout(timer);
}

/** Made from text, so that it belongs to no file. */
const sample: (k: number) => (x: number) => number = new Function('k', 'return (x) => x * k;') as never;

/** The file that Node was started with. */
function mainScript(): Script | undefined {
  const id = process.argv[1] && scriptWithUrl(pathToFileURL(process.argv[1]).href);
  return id ? Script.of(id) : undefined;
}
