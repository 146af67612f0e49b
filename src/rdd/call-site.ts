/** `map at job.ts:12`: how errors, events and progress name an operator. */
export function operatorName(operator: string): string {
  return `${operator} at ${callSite()}`;
}

/** `job.ts:12`: where the user called the engine, the first frame outside it. */
export function callSite(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 30;
  const { stack } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return userPlace(String(stack).split('\n').slice(1), ENGINE_ROOT);
}

/** The first of a stack's lines that is neither the engine's nor Node's, as `file:line`. @param root the engine's folder, as stacks name it */
export function userPlace(frames: readonly string[], root: string): string {
  for (const frame of frames) {
    const place = /([^/\\(]+):(\d+):\d+\)?$/.exec(frame);
    if (!place || frame.includes('node:') || isEngine(frame, root)) continue;
    return `${decodeURIComponent(place[1]!)}:${place[2]}`;
  }
  return 'unknown place';
}

/** Folders from which user code is called, or which call the engine for the user. */
const ENGINE_FOLDERS = /^(rdd|mlp|scheduler|partition-opt|executor)\//;

function isEngine(frame: string, root: string): boolean {
  const at = frame.indexOf(root);
  if (at < 0) return false;
  const path = frame.slice(at + root.length);
  return ENGINE_FOLDERS.test(path) && !path.includes('.test.');
}

const ENGINE_ROOT = new URL('..', import.meta.url).pathname;
