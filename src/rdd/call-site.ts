/** `job.ts:12`: where the user called the engine, the first frame outside it. */
export function callSite(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 30;
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  Error.stackTraceLimit = stackTraceLimit;
  for (const frame of frames) {
    const place = /\(?((?:file:\/\/)?[^()\s]+):(\d+):\d+\)?$/.exec(frame.trim());
    if (!place || ENGINE.test(place[1]!) || place[1]!.startsWith('node:')) continue;
    return `${place[1]!.split(/[\\/]/).pop()}:${place[2]}`;
  }
  return 'unknown place';
}

const ENGINE = new RegExp(
  `${new URL('..', import.meta.url).pathname}(rdd|mlp|scheduler|partition-opt|executor)/(?!.*\\.test\\.)`,
);
