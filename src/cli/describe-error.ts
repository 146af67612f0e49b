import { isEngineFrame } from '../rdd/call-site.js';

/**
 * An error as the user of a job wants to see it: what is wrong, then the lines of the job's own code. The engine's frames
 * are left out, unless there are no others or SHEAF_DEBUG is set.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return `the job threw a value that is no Error: ${String(error)}`;
  const stack = error.stack ?? '';
  const lines = stack.split('\n');
  const first = lines.findIndex(isFrame);
  const frames = first < 0 ? [] : lines.slice(first);
  const users = frames.filter((frame) => !isFrame(frame) || !isForeign(frame));
  const shown = process.env.SHEAF_DEBUG || !users.some(isPlace) ? frames : users;
  const head = stack.includes(error.message)
    ? lines.slice(0, first < 0 ? lines.length : first)
    : [`${error.name}: ${error.message}`];
  return [...head, ...shown].join('\n');
}

const isFrame = (line: string) => /^\s+at /.test(line);
/** A frame of a file, not `at Array.map (<anonymous>)`. */
const isPlace = (line: string) => isFrame(line) && /:\d+:\d+\)?$/.test(line);
const isForeign = (frame: string) => isEngineFrame(frame) || /node:|[\\/]node_modules[\\/]commander[\\/]/.test(frame);
