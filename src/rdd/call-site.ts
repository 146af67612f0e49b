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
  const known = rootsOf(root).find((each) => frame.includes(each));
  if (known === undefined) return false;
  const path = frame.slice(frame.indexOf(known) + known.length);
  return ENGINE_FOLDERS.test(path) && !path.includes('.test.');
}

/** Whether a line of a stack lies in the engine, whichever of its folders. */
export function isEngineFrame(frame: string): boolean {
  return rootsOf(ENGINE_ROOT).some((root) => frame.includes(root)) && !frame.includes('.test.');
}

/** The folder, and that of its sources, which stacks name (without URL's escapes) where source maps are on. */
function rootsOf(root: string): string[] {
  return [root, decodeURIComponent(root).replace(/\/dist\/$/, '/src/')];
}

const ENGINE_ROOT = new URL('..', import.meta.url).pathname;
